//! The instruments of the table, once somebody listens.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Registry, TextEncoder};

use super::export::{self, Wanted};
use super::table::{BUCKETS, Metric, MetricKind, Row, TABLE};

/// What a process measures with.
struct Instruments {
    meter: Meter,
    counters: BTreeMap<Metric, Counter<u64>>,
    seconds: BTreeMap<Metric, Histogram<f64>>,
    /// The gauges that have labels: whoever knows says their values.
    gauges: BTreeMap<Metric, Gauge<u64>>,
    /// What `/metrics` shows, where it is served.
    shown: Option<Registry>,
    /// The gauges that have somebody who counts.
    watched: Mutex<Vec<Metric>>,
}

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// Begins to measure, where somebody listens: with `is_shown`, [`exposition`] gives the text; with an endpoint for metrics, they are sent
/// there, the last of them by [`super::end`].
///
/// # Errors
/// When the endpoint can't be used. The message names the variable.
pub fn set_up(is_shown: bool, wanted: &Wanted) -> Result<(), String> {
    if !is_shown && !wanted.metrics {
        return Ok(());
    }
    let mut provider = SdkMeterProvider::builder().with_resource(export::resource());
    let mut shown = None;
    if is_shown {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| error.to_string())?;
        provider = provider.with_reader(reader);
        shown = Some(registry);
    }
    if wanted.metrics {
        let exporter = export::metrics()?;
        provider = provider.with_reader(PeriodicReader::builder(exporter).build());
    }
    let provider = provider.build();
    let scope = InstrumentationScope::builder("neon-mcp").build();
    let instruments = Instruments::new(provider.meter_with_scope(scope), shown);
    // A second set-up in one process goes on with the first one's.
    if INSTRUMENTS.set(instruments).is_ok() {
        export::keep_meters(provider);
    }
    Ok(())
}

impl Instruments {
    fn new(meter: Meter, shown: Option<Registry>) -> Self {
        let rows = |kind| TABLE.iter().filter(move |row| row.kind == kind);
        let counters = rows(MetricKind::Counter).map(|row| {
            let counter = meter.u64_counter(row.name).with_description(row.help).build();
            (row.metric, counter)
        });
        let seconds = rows(MetricKind::Seconds).map(|row| {
            let histogram = meter.f64_histogram(row.name).with_description(row.help);
            let histogram = histogram.with_unit("s").with_boundaries(BUCKETS.to_vec());
            (row.metric, histogram.build())
        });
        let labelled = rows(MetricKind::Gauge).filter(|row| !row.labels.is_empty());
        let gauges = labelled.map(|row| {
            let gauge = meter.u64_gauge(row.name).with_description(row.help).build();
            (row.metric, gauge)
        });
        Self {
            counters: counters.collect(),
            seconds: seconds.collect(),
            gauges: gauges.collect(),
            watched: Mutex::default(),
            meter,
            shown,
        }
    }
}

/// The metrics as Prometheus reads them; nothing where they aren't shown.
#[must_use]
pub fn exposition() -> Option<String> {
    let registry = INSTRUMENTS.get()?.shown.as_ref()?;
    TextEncoder::new().encode_to_string(&registry.gather()).ok()
}

fn values(labels: &[(&'static str, &str)]) -> Vec<KeyValue> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| KeyValue::new(*name, (*value).to_owned()))
        .collect()
}

/// Whether anything is measured.
pub(super) fn is_on() -> bool {
    INSTRUMENTS.get().is_some()
}

pub(super) fn count(metric: Metric, labels: &[(&'static str, &str)]) {
    add(metric, 1, labels);
}

/// Has a series of a counter be there, at 0 where nothing was counted yet.
pub(super) fn begin(metric: Metric, labels: &[(&'static str, &str)]) {
    add(metric, 0, labels);
}

fn add(metric: Metric, how_many: u64, labels: &[(&'static str, &str)]) {
    let counter = INSTRUMENTS.get().and_then(|all| all.counters.get(&metric));
    if let Some(counter) = counter {
        counter.add(how_many, &values(labels));
    }
}

pub(super) fn set(metric: Metric, value: u64, labels: &[(&'static str, &str)]) {
    let gauge = INSTRUMENTS.get().and_then(|all| all.gauges.get(&metric));
    if let Some(gauge) = gauge {
        gauge.record(value, &values(labels));
    }
}

pub(super) fn took(metric: Metric, time: Duration, labels: &[(&'static str, &str)]) {
    let histogram = INSTRUMENTS.get().and_then(|all| all.seconds.get(&metric));
    if let Some(histogram) = histogram {
        histogram.record(time.as_secs_f64(), &values(labels));
    }
}

pub(super) fn watch(gauge: Metric, count: Box<dyn Fn() -> u64 + Send + Sync>) {
    let Some((all, row)) = INSTRUMENTS.get().zip(Row::of(gauge)) else {
        return;
    };
    let mut watched = all.watched.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.contains(&gauge) {
        return;
    }
    watched.push(gauge);
    let built = all.meter.u64_observable_gauge(row.name).with_description(row.help);
    let _gauge = built.with_callback(move |told| told.observe(count(), &[])).build();
}
