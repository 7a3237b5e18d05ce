//! Traces at a collector: whose they continue, what they hold, who decides whether they are kept.

use std::time::{Duration, Instant};

use serde_json::json;

use super::collector::{Collector, hex, holds};
use super::{PROJECT, Watched, call_body, post};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::server::{Era, call};
use crate::support::server::{KEY, TestClient, TestServer, program};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const TRACES: &str = "/v1/traces";

async fn neon() -> FakeNeon {
    FakeNeon::always(Reply::json(200, json!({"project": {"id": PROJECT, "name": "shop"}}))).await
}

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{PARENT}-{flags}")
}

async fn serve(upstream: &FakeNeon, collector: &Collector, variables: &[(&str, &str)]) -> Watched {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    Watched::start(&upstream.url(), KEY, &[], &[&[endpoint], variables].concat()).await
}

/// The trace that the first request to Neon named, and its flags.
fn sent(upstream: &FakeNeon) -> (String, String) {
    let requests = upstream.requests();
    let header = requests[0].header("traceparent").expect("a trace").to_owned();
    let parts: Vec<&str> = header.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{header}");
    assert_ne!(parts[2], PARENT, "the request has a span of its own");
    (parts[1].to_owned(), parts[3].to_owned())
}

#[tokio::test]
async fn trace_of_meta_is_continued_and_carried_to_neon() {
    let (upstream, collector) = (neon().await, Collector::start().await);
    let mut server = serve(
        &upstream,
        &collector,
        &[
            ("OTEL_SERVICE_NAME", "team-neon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "zone=here"),
        ],
    )
    .await;
    let meta = json!({"traceparent": traceparent(TRACE, "00"), "tracestate": "canary=state"});
    let body = call_body("describe_project", &json!({"project_id": PROJECT}), &meta);
    // What the HTTP request says is of another trace, and only linked.
    let other = "11111111111111111111111111111111";
    post(&server.http.url, &body, &[("traceparent", &traceparent(other, "01"))]).await;
    assert_eq!(sent(&upstream).0, TRACE);
    assert!(upstream.requests()[0].header("tracestate").is_none());
    // The exporter waits for five seconds: what is left is sent at the end.
    server.stop().await;
    let spans = collector.bytes(TRACES);
    for told in [
        "tools/call describe_project",
        "mcp.method.name",
        "gen_ai.tool.name",
        "execute_tool describe_project",
        "decide",
        "GET /projects/{project_id}",
        "http.response.status_code",
        "2026-07-28",
        "team-neon",
        "zone",
        "service.version",
    ] {
        assert!(holds(&spans, told), "{told}");
    }
    assert!(holds(&spans, hex(TRACE)) && holds(&spans, hex(PARENT)) && holds(&spans, hex(other)));
    for kept in [PROJECT, "canary=state", KEY] {
        assert!(!holds(&spans, kept), "{kept}");
    }
    assert!(!collector.bytes("/v1/metrics").is_empty(), "metrics are sent, too");
    let (_, headers, _) = collector.received().into_iter().next().unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
}

#[tokio::test]
async fn trace_of_the_http_request_is_continued_where_meta_names_none() {
    let (upstream, collector) = (neon().await, Collector::start().await);
    let mut server = serve(&upstream, &collector, &[]).await;
    let body = call_body(
        "describe_project",
        &json!({"project_id": PROJECT}),
        &json!({"traceparent": "not one"}),
    );
    post(&server.http.url, &body, &[("traceparent", &traceparent(TRACE, "01"))]).await;
    assert_eq!(sent(&upstream).0, TRACE);
    server.stop().await;
    assert!(holds(&collector.bytes(TRACES), hex(TRACE)));
}

#[tokio::test]
async fn operator_decides_what_is_kept_and_not_the_clients_flag() {
    for (sampler, flags, is_kept) in [
        ("", "00", true),
        ("always_off", "01", false),
        ("traceidratio", "00", true),
        ("parentbased_always_on", "00", false),
    ] {
        let (upstream, collector) = (neon().await, Collector::start().await);
        let mut server = serve(
            &upstream,
            &collector,
            &[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "1.0")],
        )
        .await;
        let meta = json!({"traceparent": traceparent(TRACE, flags)});
        let body = call_body("describe_project", &json!({"project_id": PROJECT}), &meta);
        post(&server.http.url, &body, &[]).await;
        let (trace, sampled) = sent(&upstream);
        assert_eq!((trace.as_str(), sampled == "01"), (TRACE, is_kept), "{sampler}");
        server.stop().await;
        assert_eq!(holds(&collector.bytes(TRACES), hex(TRACE)), is_kept, "{sampler}");
    }
}

#[tokio::test]
async fn nothing_is_sent_anywhere_unless_an_endpoint_is_named() {
    let (upstream, elsewhere) = (neon().await, Collector::start().await);
    for variables in [
        vec![],
        vec![("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")],
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", elsewhere.url()),
            ("OTEL_SDK_DISABLED", "true"),
        ],
    ] {
        // Whatever goes out goes by here: Neon is on this machine.
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"].map(|name| (name, elsewhere.url()));
        let mut server = Watched::start(&upstream.url(), KEY, &[], &[&proxies[..], &variables].concat()).await;
        let body = call_body("describe_project", &json!({"project_id": PROJECT}), &json!({}));
        post(&server.http.url, &body, &[]).await;
        assert!(
            upstream
                .requests()
                .iter()
                .all(|request| request.header("traceparent").is_none())
        );
        server.stop().await;
        assert!(elsewhere.received().is_empty(), "{variables:?}");
    }
}

#[tokio::test]
async fn end_waits_for_a_collector_no_longer_than_two_seconds() {
    let (upstream, collector) = (neon().await, Collector::answering(Duration::from_secs(60)).await);
    let mut command = program(&["stdio"], &upstream.url(), KEY);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let server = TestServer::run(command, TestClient::alone(), Era::Modern).await;
    server.call("describe_project", json!({"project_id": PROJECT})).await;
    let began = Instant::now();
    server.stop().await;
    collector.has(TRACES).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn stdio_continues_traces_too() {
    let (upstream, collector) = (neon().await, Collector::start().await);
    let mut command = program(&["stdio"], &upstream.url(), KEY);
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/own", collector.url()));
    let server = TestServer::run(command, TestClient::alone(), Era::Modern).await;
    call(&server.client, "describe_project", json!({"project_id": PROJECT})).await;
    server.stop().await;
    assert!(holds(&collector.bytes("/own"), "tools/call describe_project"));
    assert!(holds(&collector.bytes("/own"), "pipe"));
    assert!(collector.bytes("/v1/metrics").is_empty());
}

#[tokio::test]
async fn endpoint_that_is_none_stops_nothing_and_is_not_told() {
    let upstream = neon().await;
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "canary secret of a key")];
    let mut server = Watched::start(&upstream.url(), KEY, &[], &variables).await;
    let body = call_body("describe_project", &json!({"project_id": PROJECT}), &json!({}));
    post(&server.http.url, &body, &[]).await;
    server.stop().await;
    let log = server.log();
    assert!(log.contains("OTEL_EXPORTER_OTLP_") && !log.contains("canary"), "{log}");
}
