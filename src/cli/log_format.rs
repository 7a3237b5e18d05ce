//! How a line of the log is written: for people, or as one JSON object.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format};
use tracing_subscriber::registry::LookupSpan;

use crate::settings::LogFormat;
use crate::telemetry;
use crate::text::escaped_in_json;

/// Whether lines are JSON: one log, one format.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Has lines be written so from now on.
pub(super) fn choose(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Tells whoever started the program something on standard error, whatever the log holds.
pub(super) fn tell(text: &str) {
    write("INFO", text);
}

/// Tells why the program ends, as the last line of its log.
pub(super) fn fail(text: &str) {
    write("ERROR", text);
}

/// Has a panic be a line, too, where lines are JSON: what collects them reads nothing else.
pub(super) fn catch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match IS_JSON.load(Ordering::Relaxed) {
        true => fail(&panic.to_string()),
        false => usual(panic),
    }));
}

fn write(level: &str, text: &str) {
    if !IS_JSON.load(Ordering::Relaxed) {
        return super::said::complain(&format!("neon-mcp: {text}"));
    }
    let mut line = beginning(level, module_path!());
    line.insert("message".to_owned(), text.into());
    super::said::complain(&escaped_in_json(&Value::Object(line).to_string()));
}

/// What every line begins with.
fn beginning(level: &str, target: &str) -> Map<String, Value> {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    [("timestamp", time.as_str()), ("level", level), ("target", target)]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into_iter()
        .collect()
}

/// Lines in the format that was chosen.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if !IS_JSON.load(Ordering::Relaxed) {
            return format().with_target(false).format_event(context, writer, event);
        }
        let mut spans = Vec::new();
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<N>>();
                spans.push(match fields.filter(|fields| !fields.is_empty()) {
                    Some(fields) => format!("{}{{{fields}}}", span.name()).into(),
                    None => span.name().into(),
                });
            }
        }
        writeln!(writer, "{}", object(event, spans))
    }
}

/// The object of an event.
fn object(event: &Event<'_>, spans: Vec<Value>) -> Value {
    let metadata = event.metadata();
    let mut line = beginning(metadata.level().as_str(), metadata.target());
    let mut fields = Fields::default();
    event.record(&mut fields);
    line.insert("message".to_owned(), fields.message.into());
    if !fields.others.is_empty() {
        line.insert("fields".to_owned(), fields.others.into());
    }
    if !spans.is_empty() {
        line.insert("spans".to_owned(), spans.into());
    }
    if let Some((trace, span)) = telemetry::ids() {
        line.insert("trace_id".to_owned(), trace.into());
        line.insert("span_id".to_owned(), span.into());
    }
    Value::Object(line)
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.put(field, format!("{value:?}").into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _ => self.put(field, value.into()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
