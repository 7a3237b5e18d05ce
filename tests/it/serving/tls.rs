//! TLS of the server's own: who is answered, and certificates that change while it runs.

use std::path::Path;
use std::time::Duration;

use harness::wait::until_async;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::{post, put, refused, said, signal};
use crate::support::http::OverHttp;
use crate::support::server::{KEY, program, state_home};

/// A certificate and its key, PEM.
fn made() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    (cert.pem(), signing_key.serialize_pem())
}

/// A client that believes that certificate alone.
fn believing(cert: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cert = reqwest::Certificate::from_pem(cert.as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([cert]);
    client.build().expect("a client")
}

async fn serve(folder: &Path) -> OverHttp {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let flags = [
        "http",
        "--listen",
        "127.0.0.1:0",
        "--no-auth",
        "--header-timeout-seconds",
        "1",
    ];
    let mut command = program(&flags, "http://127.0.0.1:1", KEY);
    command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
    OverHttp::start(command, &state_home()).await
}

/// The same URL by the name that the certificate has.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn certificates_are_read_again_and_a_broken_one_keeps_the_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (made(), made());
    let place = |(cert, key): &(String, String)| {
        put(&folder.path().join("cert.pem"), cert);
        put(&folder.path().join("key.pem"), key);
    };
    place(&first);
    let mut server = serve(folder.path()).await;
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let url = by_name(&server.url);
    let list = async |cert: &str| post(&believing(cert), &url, "tools/list", json!({})).send().await;
    assert_eq!(list(&first.0).await.expect("an answer").status(), 200);
    assert!(list(&second.0).await.is_err(), "another certificate is believed");
    // The key of another certificate: nothing changes.
    put(&folder.path().join("key.pem"), &second.1);
    signal(&server.child, "-HUP").await;
    assert_eq!(list(&first.0).await.expect("an answer").status(), 200);
    place(&second);
    signal(&server.child, "-HUP").await;
    until_async("the second certificate", async || list(&second.0).await.is_ok()).await;
    assert!(list(&first.0).await.is_err());
    put(&folder.path().join("cert.pem"), "no certificate");
    signal(&server.child, "-HUP").await;
    assert_eq!(list(&second.0).await.expect("an answer").status(), 200);
    signal(&server.child, "-TERM").await;
    let said = said(&mut server).await;
    assert!(
        said.contains("not read again") && said.contains("holds no certificate"),
        "{said}"
    );
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}

#[tokio::test]
async fn who_does_not_shake_hands_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = made();
    put(&folder.path().join("cert.pem"), &cert);
    put(&folder.path().join("key.pem"), &key);
    let server = serve(folder.path()).await;
    let address = server.url.trim_start_matches("https://").trim_end_matches("/mcp");
    let mut silent = TcpStream::connect(address).await.expect("connects");
    let mut nothing = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut nothing)).await;
    assert!(end.is_ok() && nothing.is_empty());
    // Nor is plain HTTP answered.
    let plain = crate::support::http::plain().get(format!("http://{address}/healthz"));
    assert!(plain.send().await.is_err());
}

#[tokio::test]
async fn files_that_cannot_be_used_let_nothing_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let (one, other) = (made(), made());
    let flags = |cert: &Path, key: &Path| {
        let path = |path: &Path| path.display().to_string();
        vec![
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--no-auth".to_owned(),
            "--tls-cert".to_owned(),
            path(cert),
            "--tls-key".to_owned(),
            path(key),
        ]
    };
    let why = async || {
        let flags = flags(&cert, &key);
        refused(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    assert!(why().await.contains("cert.pem"));
    put(&cert, &one.0);
    put(&key, &other.1);
    assert!(why().await.contains("key.pem"));
    put(&key, "no key");
    assert!(why().await.contains("no private key"));
    put(&key, &one.1);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    assert!(why().await.contains("chmod go-w"));
}
