//! Which trace a request belongs to: taken from what the client sent, and handed on to Neon.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header, and the key of `_meta` (MCP 2026-07-28), that names the trace.
const TRACEPARENT: &str = "traceparent";

/// A span of the trace that a text of the W3C names; nothing when it names none.
fn named(text: &str) -> Option<Context> {
    // `tracestate` is free text of whoever sent it: it goes nowhere.
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), text.trim().to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.span().span_context().is_valid().then_some(context)
}

/// Has a span continue the trace that `_meta` names, else the one that the HTTP request does. Where both do, the second is linked.
pub(super) fn continue_trace(span: &Span, meta: Option<&str>, headers: Option<&HeaderMap>) {
    let over_http = headers.and_then(|headers| headers.get(TRACEPARENT)?.to_str().ok());
    let over_http = over_http.and_then(named);
    match (meta.and_then(named), over_http) {
        (Some(parent), over_http) => {
            let _ = span.set_parent(parent);
            if let Some(over_http) = over_http {
                span.add_link(over_http.span().span_context().clone());
            }
        }
        (None, Some(parent)) => {
            let _ = span.set_parent(parent);
        }
        (None, None) => {}
    }
}

/// The ids of the trace and the span that are under way, in hexadecimal; nothing where nothing is traced.
#[must_use]
pub fn ids() -> Option<(String, String)> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid()
        .then(|| (span.trace_id().to_string(), span.span_id().to_string()))
}

/// What a request to Neon says of the trace that it belongs to.
#[must_use]
pub fn traceparent() -> Option<HeaderValue> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    if !span.is_valid() {
        return None;
    }
    let flags = u8::from(span.is_sampled());
    HeaderValue::from_str(&format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_w3c_wants_names_a_trace() {
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = named(whole).unwrap();
        assert_eq!(
            context.span().span_context().trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        for text in [
            "",
            "secret",
            "00-0-0-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert!(named(text).is_none(), "{text}");
        }
    }
}
