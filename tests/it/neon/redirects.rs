//! Redirects: followed for reads within the same origin, refused otherwise, and never with the key elsewhere.

use neon_mcp::neon::{Changed, ErrorKind};
use serde_json::json;

use super::{CHANGING, read, send};
use crate::support::fake_neon::{FakeNeon, Reply};

fn ok() -> Reply {
    Reply::json(200, json!({ "here": true }))
}

#[tokio::test]
async fn a_read_follows_redirects_within_the_origin() {
    for status in [301, 302, 303, 307, 308] {
        let upstream = FakeNeon::start(vec![Reply::redirect(status, "/api/v2/elsewhere?x=1"), ok()]).await;
        let answer = read(&upstream).await.unwrap();
        assert_eq!(answer.body, Some(json!({ "here": true })));
        let requests = upstream.requests();
        assert_eq!(requests[1].target, "/api/v2/elsewhere?x=1");
        assert!(requests[1].header("authorization").is_some());
        assert_ne!(requests[0].header("x-request-id"), requests[1].header("x-request-id"));
    }
}

#[tokio::test]
async fn a_read_follows_three_redirects_and_no_more() {
    let hop = Reply::redirect(302, "/api/v2/next");
    let upstream = FakeNeon::start(vec![hop.clone(), hop.clone(), hop.clone(), ok()]).await;
    read(&upstream).await.unwrap();

    let upstream = FakeNeon::start(vec![hop; 8]).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RedirectRefused);
    assert_eq!(upstream.count(), 4);
}

#[tokio::test]
async fn another_origin_never_hears_of_the_key() {
    let other = FakeNeon::always(ok()).await;
    let port = other.origin();
    let host = port.replace("127.0.0.1", "localhost");
    let secure = port.replace("http:", "https:");
    let protocol_relative = port.replace("http:", "");
    for location in [
        port.as_str(),
        &host,
        &secure,
        &protocol_relative,
        "https://evil.example/api/v2/projects",
        "ftp://evil.example/",
        "\\\\evil.example/x",
        "http://",
    ] {
        let upstream = FakeNeon::start(vec![Reply::redirect(302, location), ok()]).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectRefused, "{location}");
        assert_eq!(error.status(), Some(302));
        assert_eq!(upstream.count(), 1, "{location}");
        assert!(!error.to_string().contains("evil"), "{error}");
    }
    assert_eq!(other.count(), 0);
}

/// Redirects every request to where `address` makes of the request's own `Host`.
async fn redirecting(address: impl Fn(&str) -> String + Send + Sync + 'static) -> FakeNeon {
    FakeNeon::route(move |request| Reply::redirect(307, &address(request.header("host").unwrap()))).await
}

#[tokio::test]
async fn the_same_port_under_another_name_is_another_origin() {
    // `localhost` and `127.0.0.1` are the same machine and still not the same origin.
    let upstream = redirecting(|host| format!("http://{}/x", host.replace("127.0.0.1", "localhost"))).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RedirectRefused);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn user_info_in_a_redirect_is_refused() {
    for user in ["a:b@", "a@", ":b@"] {
        let upstream = redirecting(move |host| format!("http://{user}{host}/x")).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectRefused);
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test]
async fn the_whole_address_of_the_same_origin_is_followed() {
    let upstream = redirecting(|host| format!("http://{host}/x")).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RedirectRefused);
    assert_eq!(upstream.count(), 4);
}

#[tokio::test]
async fn a_change_follows_no_redirect() {
    for method in CHANGING {
        for status in [301, 302, 303, 307, 308] {
            let upstream = FakeNeon::start(vec![Reply::redirect(status, "/api/v2/elsewhere"), ok()]).await;
            let error = send(&upstream, method).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RedirectRefused);
            assert_eq!(error.changed(), Changed::Unknown, "{method} {status}");
            assert_eq!(upstream.count(), 1);
        }
    }
}

#[tokio::test]
async fn other_3xx_and_redirects_without_an_address_are_refused() {
    for reply in [Reply::status(302), Reply::status(300), Reply::status(304)] {
        let upstream = FakeNeon::start(vec![reply, ok()]).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectRefused);
        assert_eq!(upstream.count(), 1);
    }
}
