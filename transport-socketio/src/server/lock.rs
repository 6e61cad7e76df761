//! Locks of the server.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. Nothing panics while it holds a lock here; if something did, the data would still be whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
