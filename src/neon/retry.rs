//! When a request is sent again, and how long to wait before: numbers and rules, no I/O.
//!
//! The rules follow `GeneralError` in Neon's OpenAPI file (423 and 503 are safe to retry, a changing request whose answer was
//! lost isn't) and the waits of Neon's own SDK.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use super::request::Method;

/// How often, and how far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent in all, the first time included. 0 counts as 1.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles from one attempt to the next.
    pub first: Duration,
    /// The longest wait between two attempts. A `Retry-After` above it ends the retries.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// Four attempts, from 250 ms, 10 s at most.
    fn default() -> Self {
        Self {
            attempts: 4,
            first: Duration::from_millis(250),
            cap: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The longest that the wait after attempt number `attempt` (counted from 1) may be, by our own reckoning.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// The wait after attempt number `attempt`: full jitter, so `fraction` (0 to 1) of the ceiling, but at least what
    /// the server asked for.
    #[must_use]
    pub fn wait(&self, attempt: u32, fraction: f64, retry_after: Option<Duration>) -> Duration {
        let ours = self.ceiling(attempt).mul_f64(if fraction.is_finite() {
            fraction.clamp(0.0, 1.0)
        } else {
            1.0
        });
        ours.max(retry_after.unwrap_or_default())
    }

    /// What to do after attempt number `attempt` ended in `fault`, with `left` until the deadline.
    #[must_use]
    pub fn decide(&self, method: Method, fault: Fault, attempt: u32, left: Duration, fraction: f64) -> Decision {
        if attempt >= self.attempts.max(1) || !fault.may_be_retried(method) {
            return Decision::Stop;
        }
        let retry_after = match fault {
            Fault::Status { retry_after, .. } => retry_after,
            Fault::Network => None,
        };
        if retry_after.is_some_and(|asked| asked > self.cap) {
            return Decision::Stop;
        }
        let wait = self.wait(attempt, fraction, retry_after);
        if wait >= left {
            Decision::Stop
        } else {
            Decision::After(wait)
        }
    }
}

/// How an attempt failed, as far as retrying is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No whole answer: refused, reset, timed out or cut off.
    Network,
    /// An answer with an error status.
    Status {
        /// The status.
        status: u16,
        /// What the server asked to wait.
        retry_after: Option<Duration>,
    },
}

impl Fault {
    /// Whether sending again is safe: after 423, 429 and 503, which say that nothing was done, for every method;
    /// after network faults, 502 and 504 for GET alone.
    #[must_use]
    pub fn may_be_retried(self, method: Method) -> bool {
        match self {
            Self::Status {
                status: 423 | 429 | 503,
                ..
            } => true,
            Self::Status { status: 502 | 504, .. } | Self::Network => !method.changes(),
            Self::Status { .. } => false,
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send again after this long.
    After(Duration),
    /// Report it.
    Stop,
}

/// What `Retry-After` (RFC 9110, 10.2.3) asks for: seconds, or an HTTP date. A date is measured from the answer's own `Date`,
/// so that a clock that goes wrong on either side doesn't shorten the wait; without one, from `now`.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a wait for ever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let from = headers
        .get(DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| httpdate::parse_http_date(date.trim()).ok())
        .unwrap_or(now);
    Some(until.duration_since(from).unwrap_or_default())
}
