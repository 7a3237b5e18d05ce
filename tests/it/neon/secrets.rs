//! The key: sent in one header, seen nowhere else.

use neon_mcp::neon::{Client, Credential, InvalidCredential, Method};
use serde_json::json;

use super::{KEY, changing, client, config, context, get, read, send};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::permit::permit;

#[test]
fn a_credential_is_trimmed_and_checked() {
    assert_eq!(Credential::new(format!("  {KEY}\n")).unwrap().expose(), KEY);
    for (text, why) in [
        ("", InvalidCredential::Empty),
        (" \r\n\t", InvalidCredential::Empty),
        ("a\nb", InvalidCredential::Characters),
        ("a\0b", InvalidCredential::Characters),
        ("a b", InvalidCredential::Characters),
        ("schlüssel", InvalidCredential::Characters),
        ("a\u{200b}b", InvalidCredential::Characters),
        ("a\u{7f}", InvalidCredential::Characters),
    ] {
        assert_eq!(Credential::new(text.to_owned()).unwrap_err(), why);
    }
    assert_eq!(
        Credential::new("x".repeat(8_193)).unwrap_err(),
        InvalidCredential::TooLong
    );
}

#[test]
fn refusals_never_repeat_the_key() {
    let error = Credential::new(format!("{KEY} {KEY}")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
}

#[test]
fn debug_hides_the_key() {
    let credential = Credential::new(KEY.to_owned()).unwrap();
    assert_eq!(format!("{credential:?}"), "[hidden]");
    let config = config("http://127.0.0.1:1");
    assert!(!format!("{config:?}").contains(KEY));
    assert!(!format!("{:?}", Client::new(config)).contains(KEY));
}

#[test]
fn debug_of_a_request_shows_no_values() {
    let request = changing(Method::Post)
        .with_query("token", "query-secret")
        .with_body(json!({ "password": "body-secret" }));
    let shown = format!("{request:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("password"), "{shown}");
    let permitted = format!("{:?}", permit(request));
    assert!(!permitted.contains("secret"), "{permitted}");
}

#[tokio::test]
async fn the_key_goes_into_the_authorization_header_alone() {
    let upstream = FakeNeon::start(vec![Reply::status(204)]).await;
    send(&upstream, Method::Post).await.unwrap();
    let request = &upstream.requests()[0];
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert!(!request.target.contains(KEY));
    for (name, value) in &request.headers {
        assert!(name == "authorization" || !value.contains(KEY), "{name}");
    }
    assert_eq!(request.header("referer"), None);
}

#[tokio::test]
async fn an_echoed_key_is_blotted_out_of_errors() {
    let echo = Reply::json(
        401,
        json!({
            "code": KEY,
            "message": format!("bad key Bearer {KEY}!"),
            "request_id": KEY,
        }),
    )
    .header("x-request-id", KEY);
    let upstream = FakeNeon::always(echo).await;
    for error in [
        read(&upstream).await.unwrap_err(),
        send(&upstream, Method::Post).await.unwrap_err(),
    ] {
        let shown = format!("{error} {error:?} {:?}", error.request_id());
        assert!(!shown.contains(KEY), "{shown}");
        assert!(shown.contains("[hidden]"), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_shows_no_body_in_debug() {
    let upstream = FakeNeon::always(Reply::json(200, json!({ "password": "hunter2" }))).await;
    let answer = client(&upstream).read(get(), &context()).await.unwrap();
    assert!(!format!("{answer:?}").contains("hunter2"));
}
