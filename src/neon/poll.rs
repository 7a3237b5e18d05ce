//! How often operations are looked at while waiting for them.

use std::time::Duration;

/// How often operations are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPolicy {
    /// The wait before the second look at an operation; it doubles from look to look.
    pub first: Duration,
    /// The longest wait between two looks.
    pub cap: Duration,
    /// For how long after the start "not found" is taken for "not yet listed".
    pub not_found_grace: Duration,
}

impl Default for PollPolicy {
    /// 200 ms growing to 5 s, which Neon's docs suggest (`manage/operations`); 10 s of grace, for reads can lag behind
    /// the POST that started the work.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            cap: Duration::from_secs(5),
            not_found_grace: Duration::from_secs(10),
        }
    }
}

impl PollPolicy {
    /// The wait after look number `look` (counted from 1): between half and the whole of the step, by `fraction` (0 to 1).
    #[must_use]
    pub fn wait(&self, look: u32, fraction: f64) -> Duration {
        let step = self
            .first
            .saturating_mul(2_u32.saturating_pow(look.saturating_sub(1)))
            .min(self.cap);
        step.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
    }
}
