//! The real defaults of retrying, as numbers.

use std::time::Duration;

use neon_mcp::neon::retry::{Decision, Fault};
use neon_mcp::neon::{Method, PollPolicy, RetryPolicy};

const MINUTE: Duration = Duration::from_secs(60);

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

#[test]
fn the_ceilings_double_from_250_ms_to_10_s() {
    let policy = RetryPolicy::default();
    let ceilings: Vec<u128> = (1..=8).map(|attempt| policy.ceiling(attempt).as_millis()).collect();
    assert_eq!(ceilings, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    assert_eq!(policy.ceiling(u32::MAX), Duration::from_secs(10));
    assert_eq!(policy.attempts, 4);
}

#[test]
fn the_jitter_is_full() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.wait(3, 0.0, None), Duration::ZERO);
    assert_eq!(policy.wait(3, 0.5, None), Duration::from_millis(500));
    assert_eq!(policy.wait(3, 1.0, None), Duration::from_secs(1));
    assert_eq!(policy.wait(3, f64::NAN, None), Duration::from_secs(1));
}

#[test]
fn retry_after_is_a_lower_bound() {
    let policy = RetryPolicy::default();
    let asked = Some(Duration::from_millis(700));
    assert_eq!(policy.wait(1, 1.0, asked), Duration::from_millis(700));
    assert_eq!(policy.wait(3, 1.0, asked), Duration::from_secs(1));
}

#[test]
fn decisions_follow_attempt_method_and_fault() {
    let policy = RetryPolicy::default();
    let decide = |method, fault, attempt| policy.decide(method, fault, attempt, MINUTE, 1.0);
    let after = |milliseconds| Decision::After(Duration::from_millis(milliseconds));
    assert_eq!(decide(Method::Get, Fault::Network, 1), after(250));
    assert_eq!(decide(Method::Get, Fault::Network, 3), after(1_000));
    assert_eq!(decide(Method::Get, Fault::Network, 4), Decision::Stop);
    for changing in super::CHANGING {
        assert_eq!(decide(changing, Fault::Network, 1), Decision::Stop);
        assert_eq!(decide(changing, status(502), 1), Decision::Stop);
        assert_eq!(decide(changing, status(504), 1), Decision::Stop);
        assert_eq!(decide(changing, status(500), 1), Decision::Stop);
        assert_eq!(decide(changing, status(423), 1), after(250));
        assert_eq!(decide(changing, status(429), 2), after(500));
        assert_eq!(decide(changing, status(503), 3), after(1_000));
        assert_eq!(decide(changing, status(503), 4), Decision::Stop);
    }
    assert_eq!(decide(Method::Get, status(500), 1), Decision::Stop);
    assert_eq!(decide(Method::Get, status(504), 1), after(250));
}

#[test]
fn ten_seconds_are_waited_and_eleven_are_not() {
    let policy = RetryPolicy::default();
    let asks = |seconds| Fault::Status {
        status: 429,
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let decide = |seconds, left| policy.decide(Method::Get, asks(seconds), 1, left, 0.0);
    assert_eq!(decide(10, MINUTE), Decision::After(Duration::from_secs(10)));
    assert_eq!(decide(11, MINUTE), Decision::Stop);
    assert_eq!(decide(10, Duration::from_secs(10)), Decision::Stop);
}

#[test]
fn polling_grows_from_200_ms_to_5_s() {
    let policy = PollPolicy::default();
    let longest: Vec<u128> = (1..=7).map(|look| policy.wait(look, 1.0).as_millis()).collect();
    assert_eq!(longest, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    assert_eq!(policy.wait(7, 0.0), Duration::from_millis(2_500));
    assert_eq!(policy.wait(u32::MAX, 1.0), Duration::from_secs(5));
}
