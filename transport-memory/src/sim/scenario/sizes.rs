//! The counts, sizes and spans of actions, which shrinking makes smaller.

use std::time::Duration;

use super::Action;
use crate::conditions::{Conditions, RosterFaults, SignalFaults};

impl Action {
    /// Returns the numbers of which less makes a simpler action, each with the least that makes sense.
    pub(in crate::sim) fn sizes(&self) -> Vec<Size> {
        let mut sizes = Vec::new();
        self.clone().visit_sizes(&mut |size| {
            sizes.push(size);
            size.value
        });
        sizes
    }

    /// Returns the action with another value of one of its [`sizes`](Self::sizes).
    pub(in crate::sim) fn with_size(&self, index: usize, value: u64) -> Self {
        let mut action = self.clone();
        let mut next = 0;
        action.visit_sizes(&mut |size| {
            next += 1;
            if next == index + 1 { value } else { size.value }
        });
        action
    }

    /// Passes each size to `visit`, and takes the value that it returns.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others have none")]
    fn visit_sizes(&mut self, visit: &mut dyn FnMut(Size) -> u64) {
        match self {
            Self::Emit { count, size, .. } | Self::OriginalEmit { count, size, .. } => {
                visit_u32(count, 1, visit);
                visit_u32(size, 0, visit);
            }
            Self::Metadata { count, size, .. } => {
                visit_u32(count, 1, visit);
                visit_u32(size, 0, visit);
            }
            Self::EmitShape { size, blobs, text, depth, .. } => {
                for part in [size, blobs, text, depth] {
                    visit_u32(part, 0, visit);
                }
            }
            Self::Transfer { size, enough, late, .. } => {
                for part in [size, late].into_iter().chain(enough) {
                    visit_u32(part, 0, visit);
                }
            }
            // A span of 0 ends the fault.
            Self::Drain { pause: span, .. }
            | Self::Pace { pause: span, .. }
            | Self::Flap { lasts: span, .. }
            | Self::Jump { by: span }
            | Self::JumpNode { by: span, .. } => *span = visit(Size { least: 1, value: *span }),
            Self::RelayPath { conditions, .. } | Self::DirectPath { conditions, .. } => {
                // Of the rate, less is more of a fault.
                let Conditions { delay, jitter, loss, duplicate, reorder, rate: _ } = conditions;
                for span in [delay, jitter] {
                    let value = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                    *span = Duration::from_millis(visit(Size { least: 0, value }));
                }
                visit_chances([loss, duplicate, reorder], visit);
            }
            Self::Signals { faults } => {
                let SignalFaults { lose_offer, lose_answer, duplicate, late, stray_candidate } =
                    faults;
                visit_chances([lose_offer, lose_answer, duplicate, late, stray_candidate], visit);
            }
            Self::Rosters { faults: RosterFaults { repeat, omit } } => {
                visit_chances([repeat, omit], visit);
            }
            _ => {}
        }
    }
}

/// A count, a size, a span in milliseconds or a chance in 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Size {
    pub(in crate::sim) least: u64,
    pub(in crate::sim) value: u64,
}

fn visit_u32(number: &mut u32, least: u64, visit: &mut dyn FnMut(Size) -> u64) {
    let value = visit(Size { least, value: u64::from(*number) });
    *number = u32::try_from(value).unwrap_or(u32::MAX);
}

fn visit_chances<const N: usize>(chances: [&mut u16; N], visit: &mut dyn FnMut(Size) -> u64) {
    for chance in chances {
        let value = visit(Size { least: 0, value: u64::from(*chance) });
        *chance = u16::try_from(value).unwrap_or(u16::MAX);
    }
}
