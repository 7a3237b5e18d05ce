//! The metrics: one table, from which the instruments and their reference are made.

use std::fmt::Write as _;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Tool calls that ended.
    Calls,
    /// How long they took.
    CallDuration,
    /// What came of approvals.
    Approvals,
    /// How long a decision took.
    ApprovalWait,
    /// Requests to Neon.
    UpstreamRequests,
    /// How long they took.
    UpstreamDuration,
    /// How long they waited for a rate limit first.
    RateLimitWait,
    /// Answers over HTTP.
    HttpResponses,
    /// Sessions that are open.
    Sessions,
    /// Connections that are open.
    Connections,
    /// Reloads of the settings.
    Reloads,
    /// Failures of the store.
    StoreErrors,
    /// Whether what replicas share answers.
    SharedUp,
}

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Seconds, by how many took at most so long.
    Seconds,
    /// How many there are now.
    Gauge,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Which metric.
    pub metric: Metric,
    /// Its name at a collector of OpenTelemetry.
    pub name: &'static str,
    /// How it counts.
    pub kind: MetricKind,
    /// Its labels, each of which has a bounded number of values.
    pub labels: &'static [&'static str],
    /// What it says, and what the values of its labels are.
    pub help: &'static str,
}

/// The upper bounds of the buckets of a time, in seconds: from an answer that is at hand to a human's decision.
pub const BUCKETS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0,
];

/// Every metric.
pub const TABLE: [Row; 13] = [
    Row {
        metric: Metric::Calls,
        name: "neon_mcp.calls",
        kind: MetricKind::Counter,
        labels: &["tool", "effect", "outcome"],
        help: "Tool calls that ended. `tool`: its name, `other` for one that there is none of; `effect`: read, write, access, \
               destructive; `outcome`: as in the audit log",
    },
    Row {
        metric: Metric::CallDuration,
        name: "neon_mcp.call.duration",
        kind: MetricKind::Seconds,
        labels: &["tool", "effect"],
        help: "How long tool calls took, the time of a human who was asked meanwhile among it",
    },
    Row {
        metric: Metric::Approvals,
        name: "neon_mcp.approvals",
        kind: MetricKind::Counter,
        labels: &["channel", "outcome"],
        help: "What came of approvals. `channel`: client, terminal, page, or outside where terminal and page are both open; \
               `outcome`: asked (each answer that says so), approved, rejected, expired, changed, or as in the audit log",
    },
    Row {
        metric: Metric::ApprovalWait,
        name: "neon_mcp.approval.wait",
        kind: MetricKind::Seconds,
        labels: &["channel", "outcome"],
        help: "How long it took from the question to the call that brought the decision",
    },
    Row {
        metric: Metric::UpstreamRequests,
        name: "neon_mcp.upstream.requests",
        kind: MetricKind::Counter,
        labels: &["method", "route", "status"],
        help: "Requests to Neon, each attempt. `route`: the template of its path, `sql` for SQL over HTTP; `status`: the status, \
               or no_answer, not_sent, cancelled, out_of_time",
    },
    Row {
        metric: Metric::UpstreamDuration,
        name: "neon_mcp.upstream.duration",
        kind: MetricKind::Seconds,
        labels: &["method", "route"],
        help: "How long requests to Neon took, each attempt, its wait for a rate limit among it",
    },
    Row {
        metric: Metric::RateLimitWait,
        name: "neon_mcp.rate_limit.wait",
        kind: MetricKind::Seconds,
        labels: &[],
        help: "How long requests waited for Neon's rate limits before they were sent",
    },
    Row {
        metric: Metric::HttpResponses,
        name: "neon_mcp.http.responses",
        kind: MetricKind::Counter,
        labels: &["endpoint", "status"],
        help: "Answers over HTTP. `endpoint`: mcp, approve, health, well-known, other; `status`: the status",
    },
    Row {
        metric: Metric::Sessions,
        name: "neon_mcp.sessions",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Sessions that are open",
    },
    Row {
        metric: Metric::Connections,
        name: "neon_mcp.connections",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Connections that are open",
    },
    Row {
        metric: Metric::Reloads,
        name: "neon_mcp.reloads",
        kind: MetricKind::Counter,
        labels: &["part", "outcome"],
        help: "Reloads of the settings. `part`: policy, tokens, tls, ...; `outcome`: done, failed (what was there before goes on; a broken file of tokens or a map gives nothing new)",
    },
    Row {
        metric: Metric::StoreErrors,
        name: "neon_mcp.store.errors",
        kind: MetricKind::Counter,
        labels: &["operation"],
        help: "Failures of the store of approvals and prepared work. `operation`: put, room, get, list, find, \
               change, take, give_back, mark, redeem",
    },
    Row {
        metric: Metric::SharedUp,
        name: "neon_mcp.shared.up",
        kind: MetricKind::Gauge,
        labels: &["part"],
        help: "Whether what replicas share answered when it was last asked, which is every 15 seconds: 1 or 0. `part`: neon, store",
    },
];

impl Row {
    /// The row of a metric.
    #[must_use]
    pub fn of(metric: Metric) -> Option<&'static Self> {
        const { &TABLE }.iter().find(|row| row.metric == metric)
    }

    /// The name in Prometheus' text. A histogram's series have `_bucket`, `_sum` and `_count` behind it.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let name = self.name.replace('.', "_");
        match self.kind {
            MetricKind::Counter => format!("{name}_total"),
            MetricKind::Seconds => format!("{name}_seconds"),
            MetricKind::Gauge => name,
        }
    }
}

/// What docs/metrics.md holds.
#[must_use]
pub fn metrics_reference() -> String {
    let mut page = "# Metrics\n\n\
        Made from the table in `src/telemetry/table.rs` (`cargo xtask metrics`). `neon-mcp http --metrics-listen ADDRESS` serves them as \
        text for Prometheus at `/metrics` on that address; with `OTEL_EXPORTER_OTLP_ENDPOINT` they are sent to a collector, under \
        their names with dots. No label holds an id, an argument or the name of a caller.\n\n\
        | metric | kind | labels | what it says |\n|---|---|---|---|\n"
        .to_owned();
    for row in &TABLE {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match row.kind {
            MetricKind::Counter => "counter",
            MetricKind::Seconds => "histogram, seconds",
            MetricKind::Gauge => "gauge",
        };
        let _ = writeln!(
            page,
            "| `{}` (`{}`) | {kind} | {} | {}. |",
            row.prometheus_name(),
            row.name,
            labels.join(", "),
            row.help.trim_end_matches('.'),
        );
    }
    page.push_str(
        "\n`target_info` has what `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say, and the version. A metric is there from \
         its first value on, but these are there from the start, at 0, so that an alert sees the first event, too: calls with the \
         outcome `unknown` of each tool that changes something, reloads of each part, and failures of the store.\n",
    );
    page
}
