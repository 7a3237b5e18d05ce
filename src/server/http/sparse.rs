//! Lines of the log that anyone can cause: at most one a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long there is no second line.
const PAUSE: Duration = Duration::from_secs(1);

/// A kind of line that anyone can cause.
#[derive(Debug, Default)]
pub(super) struct Sparse(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    at: Option<Instant>,
    left_out: u64,
}

impl Sparse {
    /// Whether a line is written now; if so, how many were left out since the last one.
    pub(super) fn turn(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            last.left_out += 1;
            return None;
        }
        last.at = Some(now);
        Some(std::mem::take(&mut last.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_written_once_a_second_and_tells_how_many_were_left_out() {
        let (lines, start) = (Sparse::default(), Instant::now());
        let at = |milliseconds| lines.turn(start + Duration::from_millis(milliseconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(0), at(500), at(999)), (None, None, None));
        assert_eq!(at(1_000), Some(3));
        assert_eq!((at(1_001), at(60_000)), (None, Some(1)));
    }
}
