//! In a build without it: nothing is measured.

use std::time::Duration;

use http::HeaderValue;

use super::table::Metric;

pub(super) fn is_on() -> bool {
    false
}

pub(super) fn count(_: Metric, _: &[(&'static str, &str)]) {}

pub(super) fn begin(_: Metric, _: &[(&'static str, &str)]) {}

pub(super) fn set(_: Metric, _: u64, _: &[(&'static str, &str)]) {}

pub(super) fn took(_: Metric, _: Duration, _: &[(&'static str, &str)]) {}

pub(super) fn watch(_: Metric, _: Box<dyn Fn() -> u64 + Send + Sync>) {}

/// The ids of the trace and the span that are under way: none in this build.
#[must_use]
pub fn ids() -> Option<(String, String)> {
    None
}

/// What a request to Neon says of the trace that it belongs to: nothing in this build.
#[must_use]
pub fn traceparent() -> Option<HeaderValue> {
    None
}
