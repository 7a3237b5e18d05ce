//! The spans of a trace: a request, a tool call, its decision and approval, each request to Neon. Their names and attributes follow
//! OpenTelemetry's conventions for MCP, GenAI, HTTP and databases; none holds an argument, an id, a row or a statement.

use http::HeaderMap;
use tracing::field::Empty;
use tracing::{Span, info_span};

/// What marks them: they are no lines of the log.
pub const TARGET: &str = "neon_mcp::spans";

/// The revisions of MCP that a span may name. A client may send any text in their place.
const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// By which transport a request came.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// The revision of the protocol, as the client says.
    pub revision: Option<&'a str>,
    /// The client's `traceparent` in `_meta`.
    pub traceparent: Option<&'a str>,
    /// The headers, where it came over HTTP.
    pub headers: Option<&'a HeaderMap>,
}

/// A request of a client. `tool` is a name of the catalogue.
#[must_use]
pub fn request(method: &'static str, tool: Option<&str>, came: Came<'_>) -> Span {
    let name = match tool {
        Some(tool) => format!("{method} {tool}"),
        None => method.to_owned(),
    };
    let revision = came.revision.filter(|revision| REVISIONS.contains(revision));
    let over_http = came.headers.is_some();
    let span = info_span!(
        target: TARGET,
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        mcp.method.name = method,
        mcp.protocol.version = revision,
        gen_ai.tool.name = tool,
        gen_ai.operation.name = tool.map(|_| "execute_tool"),
        network.transport = if over_http { "tcp" } else { "pipe" },
        network.protocol.name = over_http.then_some("http"),
        "error.type" = Empty,
        rpc.response.status_code = Empty,
    );
    #[cfg(feature = "http-server")]
    if !span.is_disabled() {
        super::parent::continue_trace(&span, came.traceparent, came.headers);
    }
    #[cfg(not(feature = "http-server"))]
    let _ = came.traceparent;
    span
}

/// A tool call in the engine. `tool` is a name of the catalogue.
#[must_use]
pub fn tool_call(tool: &str, effect: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "tool call",
        otel.name = format!("execute_tool {tool}"),
        otel.kind = "internal",
        otel.status_code = Empty,
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = tool,
        neon_mcp.effect = effect,
        neon_mcp.outcome = Empty,
        "error.type" = Empty,
    )
}

/// What the call does, and whether it may.
#[must_use]
pub fn decide() -> Span {
    info_span!(target: TARGET, "decide", otel.kind = "internal", neon_mcp.effect = Empty)
}

/// A human's approval.
#[must_use]
pub fn approve() -> Span {
    info_span!(target: TARGET, "approve", otel.kind = "internal", neon_mcp.outcome = Empty)
}

/// A request to Neon's API, one attempt. `route` is the template of its path.
#[must_use]
pub fn upstream(method: &'static str, route: &str, attempt: u32) -> Span {
    info_span!(
        target: TARGET,
        "upstream request",
        otel.name = format!("{method} {route}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        url.template = route,
        http.request.resend_count = attempt.checked_sub(1).filter(|again| *again > 0),
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// A request for SQL over HTTP.
#[must_use]
pub fn sql(kind: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "sql",
        otel.name = format!("SQL {kind}"),
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = kind,
        "error.type" = Empty,
    )
}

/// Says that what a span is about failed, and how: a word of a bounded set.
pub fn failed(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind);
}
