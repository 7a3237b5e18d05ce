//! What a server tells its operator while it runs: metrics and traces.
//!
//! Whatever is measured, its labels come from here or from the catalogue, so that their number is bounded: no id, no argument, no name of
//! a caller. Spans have the same bounds. Nothing is measured before [`set_up`] says so, and nothing without the feature `http-server`.
//!
//! ```
//! use std::time::Duration;
//!
//! // Nobody listens: nothing happens.
//! neon_mcp::telemetry::rate_limit_wait(Duration::from_millis(3));
//! ```

#[cfg(feature = "http-server")]
mod export;
#[cfg(feature = "http-server")]
mod instruments;
#[cfg(feature = "http-server")]
mod parent;
#[cfg(not(feature = "http-server"))]
mod silent;
pub mod spans;
mod table;
#[cfg(feature = "http-server")]
mod traces;

#[cfg(feature = "http-server")]
use instruments as backend;
#[cfg(not(feature = "http-server"))]
use silent as backend;

use std::time::Duration;

#[cfg(feature = "http-server")]
pub use export::{Wanted, end};
#[cfg(feature = "http-server")]
pub use instruments::{exposition, set_up};
#[cfg(feature = "http-server")]
pub use parent::{ids, traceparent};
#[cfg(not(feature = "http-server"))]
pub use silent::{ids, traceparent};
pub use table::{BUCKETS, Metric, MetricKind, Row, TABLE, metrics_reference};
#[cfg(feature = "http-server")]
pub use traces::{Traces, layer};

/// What stands for a tool that the catalogue doesn't have.
pub const OTHER: &str = "other";

/// The outcome of a call whose answer was lost, as the audit log has it.
const UNKNOWN: &str = "unknown";

/// How a reload ends.
const RELOADS: [&str; 2] = ["done", "failed"];

/// The operations of the store, as its trait has them.
const STORE_OPERATIONS: [&str; 10] = [
    "put",
    "room",
    "get",
    "list",
    "find",
    "change",
    "take",
    "give_back",
    "mark",
    "redeem",
];

/// Counts a tool call that ended. `tool` is a name of the catalogue; nothing for any other.
pub fn call(tool: Option<&str>, effect: &'static str, outcome: &'static str, took: Duration) {
    let tool = tool.unwrap_or(OTHER);
    backend::count(
        Metric::Calls,
        &[("tool", tool), ("effect", effect), ("outcome", outcome)],
    );
    backend::took(Metric::CallDuration, took, &[("tool", tool), ("effect", effect)]);
}

/// Counts what came of an approval, and how long that took, where it is over.
pub fn approval(channel: &'static str, outcome: &'static str, waited: Option<Duration>) {
    let labels = [("channel", channel), ("outcome", outcome)];
    backend::count(Metric::Approvals, &labels);
    if let Some(waited) = waited {
        backend::took(Metric::ApprovalWait, waited, &labels);
    }
}

/// Counts an attempt of a request to Neon. `route` is the template of its path; `status` is a status or why there is none.
pub fn upstream(method: &'static str, route: &str, status: &str, took: Duration) {
    let labels = [("method", method), ("route", route), ("status", status)];
    backend::count(Metric::UpstreamRequests, &labels);
    backend::took(Metric::UpstreamDuration, took, &[("method", method), ("route", route)]);
}

/// Notes how long a request waited for Neon's rate limits.
pub fn rate_limit_wait(waited: Duration) {
    backend::took(Metric::RateLimitWait, waited, &[]);
}

/// Counts an answer over HTTP to a request for that path.
pub fn http_response(path: &str, status: u16) {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let endpoint = match first {
        "mcp" => "mcp",
        "approve" => "approve",
        "healthz" | "readyz" => "health",
        ".well-known" => "well-known",
        _ => OTHER,
    };
    let status = status.to_string();
    backend::count(Metric::HttpResponses, &[("endpoint", endpoint), ("status", &status)]);
}

/// Whether anything is measured: whoever asks others only to measure them needn't otherwise.
#[must_use]
pub fn is_on() -> bool {
    backend::is_on()
}

/// Has calls of a tool whose outcome isn't known be counted from 0 on: an alert sees no increase in a series that begins at 1.
pub fn begin_unknown(tool: &str, effect: &'static str) {
    let labels = [("tool", tool), ("effect", effect), ("outcome", UNKNOWN)];
    backend::begin(Metric::Calls, &labels);
}

/// Has reloads of a part of the settings be counted from 0 on.
pub fn begin_reloads(part: &'static str) {
    for outcome in RELOADS {
        backend::begin(Metric::Reloads, &[("part", part), ("outcome", outcome)]);
    }
}

/// Has failures of the store be counted from 0 on.
pub fn begin_store_errors() {
    for operation in STORE_OPERATIONS {
        backend::begin(Metric::StoreErrors, &[("operation", operation)]);
    }
}

/// Notes whether what replicas share answers: Neon, or the store.
pub fn shared(part: &'static str, is_up: bool) {
    backend::set(Metric::SharedUp, u64::from(is_up), &[("part", part)]);
}

/// Counts a reload of a part of the settings, such as the policy.
pub fn reload(part: &'static str, is_done: bool) {
    let [done, failed] = RELOADS;
    let outcome = if is_done { done } else { failed };
    backend::count(Metric::Reloads, &[("part", part), ("outcome", outcome)]);
}

/// Counts a failure of the store, at that operation of its trait.
pub fn store_error(operation: &'static str) {
    backend::count(Metric::StoreErrors, &[("operation", operation)]);
}

/// Has a gauge say what that function counts. One for each gauge: a second one isn't heard.
pub fn watch(gauge: Metric, count: impl Fn() -> u64 + Send + Sync + 'static) {
    backend::watch(gauge, Box::new(count));
}
