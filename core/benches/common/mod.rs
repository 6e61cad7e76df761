//! The common parts of the benches: the clock, repeated runs, the filter.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time of this thread.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Measures runs without an input of their own; the result takes the number of runs.
pub(crate) fn repeated(mut run: impl FnMut()) -> impl FnMut(u32) -> Duration {
    move |count| {
        let start = thread_time();
        for _ in 0..count {
            run();
        }
        thread_time().saturating_sub(start)
    }
}

/// Returns the text that the selected rows contain, if there is a filter.
pub(crate) fn filter() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with("--"))
}
