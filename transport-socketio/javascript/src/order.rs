//! The order of calls: a `Blob` takes time to be read, and the events after it do not overtake it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;

use crate::failure::{Code, Failure};

/// The maximum bytes of events that wait for room, beyond which further ones are refused: a program that does not
/// await its emits would otherwise fill the memory of the page.
const MAX_WAITING: usize = 64 << 20;

/// The line of events that were emitted and are not in the session yet.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Resolves when the last event of the line is in the session.
    last: RefCell<Option<oneshot::Receiver<()>>>,
    waiting: Rc<Cell<usize>>,
}

impl Order {
    /// Takes the last place in the line.
    pub(crate) fn take_turn(&self) -> Turn {
        let (done, over) = oneshot::channel();
        Turn { before: self.last.replace(Some(over)), _done: done }
    }

    /// Counts an event that waits.
    pub(crate) fn wait(&self, size: usize) -> Result<Waiting, Failure> {
        let sum = self.waiting.get().saturating_add(size);
        if sum > MAX_WAITING && self.waiting.get() > 0 {
            let message = format!(
                "expected at most {MAX_WAITING} bytes of events that wait for room; await the emits before"
            );
            return Err(Failure::new(Code::TooMuch, message));
        }
        self.waiting.set(sum);
        Ok(Waiting { size, sum: Rc::clone(&self.waiting) })
    }
}

/// A place in the line. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _done: oneshot::Sender<()>,
}

impl Turn {
    /// Waits for all events before.
    pub(crate) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Its sender is dropped, not used.
            let _ = before.await;
        }
    }
}

/// An event that waits. Dropping it counts it no longer.
#[derive(Debug)]
pub(crate) struct Waiting {
    size: usize,
    sum: Rc<Cell<usize>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.sum.set(self.sum.get().saturating_sub(self.size));
    }
}
