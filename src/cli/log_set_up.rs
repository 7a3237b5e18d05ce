//! The log of this process, from its first line on, and the traces beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum as _;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::log_format::{Lines, catch_panics, choose};
use super::{log_lines, style};
use crate::settings::{LogFormat, log_format_of};
use crate::telemetry;

/// Libraries that log bodies, headers or whole addresses below `info`: what a caller wrote, or a secret.
const TALKATIVE: [&str; 7] = [
    "h2",
    "hyper",
    "opentelemetry_http",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "redis",
    "reqwest",
];

/// The library of the protocol logs whole messages at `info`, and at `warn` the errors that they are answered with, which repeat what a
/// caller wrote, as long as it is.
const PROTOCOL: &str = "rmcp";

/// Its part that answers: an error of that is a client that hung up, which it may as often as it calls.
const PROTOCOL_SERVICE: &str = "rmcp::service";

/// The variable of the format, for what is logged before the settings are read.
const FORMAT: &str = "NEON_MCP_LOG_FORMAT";

/// The variable of the settings file, which may say the format.
const CONFIG: &str = "NEON_MCP_CONFIG";

/// Chooses the format of the log before its first line: what the flag says, else the variable, else the settings file that `config` or its
/// variable names. One that can't be read is told of when the settings are.
pub(super) fn choose_format(flag: Option<LogFormat>, config: Option<&Path>) -> LogFormat {
    let of_variable = || LogFormat::from_str(&std::env::var(FORMAT).ok()?, true).ok();
    let of_file = || {
        let named = || {
            std::env::var_os(CONFIG)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        log_format_of(&config.map(Path::to_owned).or_else(named)?)
    };
    let format = flag.or_else(of_variable).or_else(of_file).unwrap_or_default();
    choose(format);
    format
}

/// Begins the log. `filter` is what `NEON_MCP_LOG` says. A server (`serves`) sends its traces where the environment says so.
pub(super) fn begin(filter: &str, format: LogFormat, serves: bool) -> anyhow::Result<()> {
    let filter: Targets = filter
        .parse()
        .with_context(|| format!("NEON_MCP_LOG is `{filter}`, and looks like warn,neon_mcp=info"))?;
    catch_panics();
    let is_json = format == LogFormat::Json;
    // Standard output belongs to the protocol.
    let lines = fmt::layer()
        .with_writer(log_lines::Redacted::to_stderr)
        .with_ansi(style::Style::of(&std::io::stderr()).colours() && !is_json)
        .event_format(Lines)
        .with_filter(filter.and(filter_fn(is_line)));
    let registry = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "http-server")]
    {
        let wanted = telemetry::Wanted::of_environment();
        let traces = (serves && (wanted.traces || is_json)).then(|| telemetry::Traces::set_up(&wanted));
        let (traces, failed) = match traces.transpose() {
            Ok(traces) => (traces, None),
            Err(why) => (None, Some(why)),
        };
        registry.with(traces.as_ref().map(telemetry::layer)).init();
        if let Some(why) = failed {
            tracing::warn!("there are no traces: {why}");
        }
    }
    #[cfg(not(feature = "http-server"))]
    {
        let _ = serves;
        registry.init();
    }
    Ok(())
}

/// Whether something may stand in the log, whatever was asked for.
fn is_line(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let library = target.split("::").next().unwrap_or_default();
    let most = match library {
        PROTOCOL => Level::ERROR,
        library if TALKATIVE.contains(&library) => Level::INFO,
        _ => Level::TRACE,
    };
    ![telemetry::spans::TARGET, PROTOCOL_SERVICE].contains(&target) && *metadata.level() <= most
}
