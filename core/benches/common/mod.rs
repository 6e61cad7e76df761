//! What the benches share: the clock, repeated runs, the filter.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that this thread has spent.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs that need no input of their own: how long so many take.
pub(crate) fn repeated(mut run: impl FnMut()) -> impl FnMut(u32) -> Duration {
    move |count| {
        let start = thread_time();
        for _ in 0..count {
            run();
        }
        thread_time().saturating_sub(start)
    }
}

/// What the rows that are wanted contain.
pub(crate) fn filter() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with("--"))
}
