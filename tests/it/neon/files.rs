//! Bodies that carry files, and answers that are bytes.

use bytes::Bytes;
use neon_mcp::neon::{Changed, Client, ErrorKind, FilePart, Method, Read, Request};
use serde_json::json;

use super::{client, config, context};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::permit::permit;

fn deployment() -> Request {
    let file = FilePart {
        field: "zip".into(),
        name: "function.zip".into(),
        content_type: "application/zip".into(),
        bytes: Bytes::from_static(b"PK\x03\x04\r\n--\0\xff"),
    };
    Request::new(Method::Post, "/deployments", &[])
        .unwrap()
        .with_body(json!({ "runtime": "nodejs24", "environment": { "A": "1" } }))
        .with_form(vec![file])
}

/// The parts of a form: head and content.
fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.split_once("boundary=").unwrap().1;
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark.as_bytes()) {
        if at > 0 {
            let part = &rest[2..at - 2];
            let head = part.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let text = String::from_utf8(part[..head].to_vec()).unwrap();
            parts.push((text, part[head + 4..].to_vec()));
        }
        rest = &rest[at + mark.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

#[tokio::test]
async fn a_form_carries_fields_and_files_and_a_retry_the_same_bytes() {
    let upstream = FakeNeon::start(vec![Reply::status(503), Reply::json(201, json!({}))]).await;
    let answer = client(&upstream).send(permit(deployment()), &context()).await.unwrap();
    assert_eq!(answer.attempts, 2);
    let requests = upstream.requests();
    let read = |index: usize| {
        let request = &requests[index];
        parts(request.header("content-type").unwrap(), &request.body)
    };
    let first = read(0);
    assert_eq!(first.len(), 3);
    assert_eq!(first[0].0, "Content-Disposition: form-data; name=\"runtime\"");
    assert_eq!(first[0].1, b"nodejs24");
    assert_eq!(first[1].1, br#"{"A":"1"}"#);
    assert!(
        first[2]
            .0
            .contains("filename=\"function.zip\"\r\nContent-Type: application/zip")
    );
    assert_eq!(first[2].1, b"PK\x03\x04\r\n--\0\xff");
    assert_eq!(first, read(1));
}

#[tokio::test]
async fn a_form_whose_answer_is_lost_is_not_sent_again() {
    for lost in [
        Reply::reset_after_reading(),
        Reply::cut(201, "{", 9),
        Reply::status(502),
    ] {
        let upstream = FakeNeon::start(vec![lost.clone(), Reply::json(201, json!({}))]).await;
        let error = client(&upstream)
            .send(permit(deployment()), &context())
            .await
            .unwrap_err();
        assert_eq!(upstream.count(), 1, "{lost:?}");
        assert_ne!(error.changed(), Changed::No, "{lost:?}");
    }
}

#[test]
fn a_request_shows_no_content_of_its_files() {
    let shown = format!("{:?}", deployment());
    assert!(shown.contains("(10 bytes)"), "{shown}");
    assert!(!shown.contains("PK") && !shown.contains("nodejs24"), "{shown}");
    assert!(Read::try_from(deployment()).is_err());
}

fn download(most: usize) -> Request {
    Request::new(Method::Get, "/download", &[])
        .unwrap()
        .with_bytes_answer(most)
}

async fn read(upstream: &FakeNeon, most: usize) -> Result<neon_mcp::neon::Answer, neon_mcp::neon::Error> {
    client(upstream).send(permit(download(most)), &context()).await
}

#[tokio::test]
async fn an_answer_of_bytes_is_taken_as_it_is() {
    for bytes in [&b"\0\xff{"[..], b"{\"a\":1}", b"", b"  \n"] {
        let reply = Reply::raw(200, bytes).header("content-type", "text/x");
        let upstream = FakeNeon::start(vec![reply]).await;
        let answer = read(&upstream, 100).await.unwrap();
        assert_eq!(answer.body, None);
        let content = answer.content.clone().unwrap();
        assert_eq!(
            (&content.bytes[..], content.media_type.as_deref()),
            (bytes, Some("text/x"))
        );
        assert!(!format!("{answer:?}").contains("255"));
        assert_eq!(upstream.requests()[0].header("accept"), Some("*/*"));
    }
}

#[tokio::test]
async fn an_answer_of_too_many_bytes_is_refused_by_its_length_and_without_one() {
    let upstream = FakeNeon::start(vec![Reply::raw(200, "12345"); 2]).await;
    assert!(read(&upstream, 5).await.is_ok());
    let error = read(&upstream, 4).await.unwrap_err();
    assert_eq!((error.kind(), error.changed()), (ErrorKind::TooLarge, Changed::No));
    assert!(error.summary().contains("4 bytes"), "{error}");
    let chunked = Reply::raw(200, "5\r\n12345\r\n0\r\n\r\n").header("transfer-encoding", "chunked");
    let upstream = FakeNeon::start(vec![chunked]).await;
    assert_eq!(read(&upstream, 4).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_download_that_fails_says_what_neon_said_and_is_repeated_like_any_read() {
    let upstream = FakeNeon::start(vec![Reply::status(503), Reply::error(404, "", "object x not found")]).await;
    let client = Client::new(config(&upstream.url()));
    let error = client.send(permit(download(10)), &context()).await.unwrap_err();
    assert_eq!((error.status(), upstream.count()), (Some(404), 2));
    assert_eq!(error.message(), Some("object x not found"));
}
