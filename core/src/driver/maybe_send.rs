//! `Send` where there are threads. On the web (`wasm32`) transports and timers are objects of JavaScript, which stay on
//! the thread that made them.

#[cfg(target_family = "wasm")]
mod imp {
    /// [`Send`] on targets with threads, and any type on the web (`target_family = "wasm"`).
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    /// [`Sync`] on targets with threads, and any type on the web (`target_family = "wasm"`).
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}

    pub(crate) use futures::future::LocalBoxFuture as BoxFuture;

    pub(crate) fn boxed<'a, F: Future + 'a>(future: F) -> BoxFuture<'a, F::Output> {
        Box::pin(future)
    }
}

#[cfg(not(target_family = "wasm"))]
mod imp {
    /// [`Send`] on targets with threads, and any type on the web (`target_family = "wasm"`).
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    /// [`Sync`] on targets with threads, and any type on the web (`target_family = "wasm"`).
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}

    pub(crate) use futures::future::BoxFuture;

    pub(crate) fn boxed<'a, F: Future + Send + 'a>(future: F) -> BoxFuture<'a, F::Output> {
        Box::pin(future)
    }
}

pub(crate) use imp::{BoxFuture, boxed};
pub use imp::{MaybeSend, MaybeSync};
