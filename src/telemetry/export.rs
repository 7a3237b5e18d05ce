//! Sending metrics and traces to the operator's collector: OTLP over http/protobuf, where the environment names one.

use std::env;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;

/// How long an export may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what is left may take to be sent when the process ends.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// The most of an answer that is read, in bytes: the protocol wants a few words.
const MAX_ANSWER: usize = 64 * 1024;

/// What is sent to a collector, as the environment says. Nothing is, where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Metrics.
    pub metrics: bool,
    /// Traces.
    pub traces: bool,
}

impl Wanted {
    /// What the variables of OpenTelemetry say: `OTEL_EXPORTER_OTLP_ENDPOINT` and the two for one signal each, unless
    /// `OTEL_SDK_DISABLED` is true or `OTEL_METRICS_EXPORTER` and `OTEL_TRACES_EXPORTER` are `none`.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::read(|name| env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).is_some_and(|value| !value.trim().is_empty());
        let is = |name: &str, value: &str| variable(name).is_some_and(|set| set.trim().eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") {
            return Self::default();
        }
        let wanted = |signal: &str| {
            let endpoint = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
            let exporter = format!("OTEL_{signal}_EXPORTER");
            (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set(&endpoint)) && !is(&exporter, "none")
        };
        Self {
            metrics: wanted("METRICS"),
            traces: wanted("TRACES"),
        }
    }
}

/// What is being sent, to be ended.
#[derive(Debug, Default)]
struct Exporting {
    sender: Option<Arc<Sender>>,
    meters: Option<SdkMeterProvider>,
    tracers: Option<SdkTracerProvider>,
}

static EXPORTING: Mutex<Exporting> = Mutex::new(Exporting {
    sender: None,
    meters: None,
    tracers: None,
});

fn exporting() -> MutexGuard<'static, Exporting> {
    EXPORTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what makes metrics until [`end`].
pub(super) fn keep_meters(meters: SdkMeterProvider) {
    exporting().meters = Some(meters);
}

/// Keeps what makes traces until [`end`].
pub(super) fn keep_tracers(tracers: SdkTracerProvider) {
    exporting().tracers = Some(tracers);
}

/// Sends what is left, for two seconds at most. Not to be called from a task.
pub fn end() {
    let Exporting {
        sender,
        meters,
        tracers,
    } = std::mem::take(&mut *exporting());
    if sender.is_none() {
        return;
    }
    let began = Instant::now();
    let left = move || LAST_EXPORT.saturating_sub(began.elapsed());
    let (done, waits) = std::sync::mpsc::channel();
    // What the exporters do when they shut down isn't bounded by themselves.
    let ending = std::thread::spawn(move || {
        if let Some(tracers) = tracers {
            let _ = tracers.shutdown_with_timeout(left());
        }
        if let Some(meters) = meters {
            let _ = meters.shutdown();
        }
        let _ = done.send(());
    });
    if waits.recv_timeout(left()).is_ok() {
        let _ = ending.join();
    }
}

/// One client for both signals, made when first wanted.
fn sending() -> Result<Sending, String> {
    let mut exporting = exporting();
    let sender = match &exporting.sender {
        Some(sender) => sender.clone(),
        None => {
            let made = Arc::new(Sender::new()?);
            exporting.sender = Some(made.clone());
            made
        }
    };
    Ok(Sending(sender))
}

/// Whose telemetry it is: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, else this program's name; and its version.
pub(super) fn resource() -> Resource {
    let named = |variable: &str, text: &str| env::var(variable).is_ok_and(|value| value.contains(text));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let is_named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || named("OTEL_RESOURCE_ATTRIBUTES", "service.name=");
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name("neon-mcp");
    }
    if !named("OTEL_RESOURCE_ATTRIBUTES", "service.version=") {
        resource = resource.with_attribute(version);
    }
    resource.build()
}

pub(super) fn metrics() -> Result<MetricExporter, String> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary);
    let exporter = exporter.with_http_client(sending()?);
    exporter.build().map_err(|_| cannot_be_sent("metrics"))
}

pub(super) fn spans() -> Result<SpanExporter, String> {
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let exporter = exporter.with_http_client(sending()?);
    exporter.build().map_err(|_| cannot_be_sent("traces"))
}

/// What is said of variables that can't be used. The library's own words quote their values, which may hold a key.
fn cannot_be_sent(what: &str) -> String {
    format!(
        "{what} can't be sent: one of the variables OTEL_EXPORTER_OTLP_... isn't understood. The endpoint is an http or https URL, and nothing is compressed"
    )
}

/// The HTTP client of exports, on a thread of its own: exporters call it from threads that know no runtime, and when the program's own
/// has ended.
struct Sender {
    runtime: Option<Runtime>,
    client: reqwest::Client,
    /// Whether the last export failed: a collector that is away is told of once.
    failing: AtomicBool,
}

impl Sender {
    fn new() -> Result<Self, String> {
        // A second installation in the same process fails, and the first one serves just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build();
        let client = reqwest::Client::builder()
            .user_agent(concat!("neon-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build();
        Ok(Self {
            runtime: Some(runtime.map_err(|error| error.to_string())?),
            client: client.map_err(|_| "the HTTP client of telemetry could not be set up".to_owned())?,
            failing: AtomicBool::new(false),
        })
    }

    /// Says in the log when a collector goes away, and when it is back. The address isn't ours to tell: it may hold a key.
    fn note(&self, failure: Option<&str>) {
        match (failure, self.failing.swap(failure.is_some(), Ordering::Relaxed)) {
            (Some(why), false) => tracing::warn!("the collector takes no telemetry: {why}"),
            (None, true) => tracing::info!("the collector takes telemetry again"),
            _ => {}
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sender")
    }
}

/// A handle on the client.
#[derive(Debug, Clone)]
struct Sending(Arc<Sender>);

impl HttpClient for Sending {
    fn send_bytes<'a, 'task>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'task>>
    where
        'a: 'task,
        Self: 'task,
    {
        Box::pin(async move {
            let sender = &self.0;
            let runtime = sender.runtime.as_ref().ok_or("the client has ended")?;
            let sent = runtime.spawn(send(sender.client.clone(), request));
            let answer = sent.await.map_err(HttpError::from).flatten();
            match &answer {
                Ok(answer) if answer.status().is_success() => sender.note(None),
                Ok(answer) => sender.note(Some(&format!("it answers {}", answer.status().as_u16()))),
                Err(_) => sender.note(Some("it can't be reached")),
            }
            answer
        })
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("the answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Wanted {
        Wanted::read(|name| {
            let set = variables.iter().find(|(set, _)| *set == name);
            set.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        let both = Wanted {
            metrics: true,
            traces: true,
        };
        let none = Wanted::default();
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert_eq!(of(&[]), none);
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), none);
        assert_eq!(of(&[("OTEL_TRACES_EXPORTER", "otlp")]), none);
        assert_eq!(of(&[endpoint]), both);
        assert_eq!(of(&[endpoint, ("OTEL_SDK_DISABLED", "True")]), none);
        let traces = Wanted { metrics: false, ..both };
        assert_eq!(of(&[endpoint, ("OTEL_METRICS_EXPORTER", "none")]), traces);
        assert_eq!(
            of(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]),
            traces
        );
    }
}
