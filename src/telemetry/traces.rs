//! Traces: which spans become part of one, and who decides whether it is kept.

use std::env;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::export::{self, Wanted};
use super::spans;

/// The samplers that are known (`OTEL_TRACES_SAMPLER`).
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// Where traces go.
#[derive(Debug)]
pub struct Traces {
    tracer: SdkTracer,
}

impl Traces {
    /// Traces that are sent where the environment says so, the last of them by [`super::end`]; else their ids stand in the log alone.
    ///
    /// # Errors
    /// When the endpoint can't be used, or the sampler isn't known. The message names the variable.
    pub fn set_up(wanted: &Wanted) -> Result<Self, String> {
        let mut provider = SdkTracerProvider::builder().with_resource(export::resource());
        match env::var("OTEL_TRACES_SAMPLER").unwrap_or_default().as_str() {
            // What the client says of its trace proves nothing: unless the operator says so, it decides nothing either.
            "" => provider = provider.with_sampler(Sampler::AlwaysOn),
            // The library reads it.
            known if SAMPLERS.contains(&known) => {}
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER isn't known: write one of {}",
                    SAMPLERS.join(", ")
                ));
            }
        }
        if wanted.traces {
            provider = provider.with_batch_exporter(export::spans()?);
        }
        let provider = provider.build();
        let tracer = provider.tracer("neon-mcp");
        export::keep_tracers(provider);
        Ok(Self { tracer })
    }
}

/// What makes traces of the server's own spans, and of nothing else: no event, no span of another library.
pub fn layer<S>(traces: &Traces) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let own = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == spans::TARGET;
    tracing_opentelemetry::layer()
        .with_tracer(traces.tracer.clone())
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false)
        .with_filter(filter_fn(own))
}
