//! Where it listens, and for whom.

use std::os::unix::fs::PermissionsExt as _;

use neon_mcp::server::http::{Hops, HttpServer, Reach};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{modern, refused, said, signal};
use crate::support::http::OverHttp;
use crate::support::server::{KEY, program, state_home};

#[tokio::test]
async fn address_that_others_reach_wants_known_callers_and_encryption() {
    let said = refused(&["--listen", "0.0.0.0:0"]).await;
    for part in ["loopback", "--auth bearer", "--tls-cert", "--behind-proxy"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = refused(&["--listen", "[::]:0", "--no-auth"]).await;
    assert!(said.contains("--auth bearer"), "{said}");
    // With a proxy in front, who calls is still missing, and nothing else is.
    let proxy = [
        "--behind-proxy",
        "10.0.0.0/8",
        "--public-url",
        "https://mcp.example.com",
    ];
    let said = refused(&[&["--listen", "0.0.0.0:0", "--auth", "token"][..], &proxy].concat()).await;
    assert!(said.contains("--auth bearer") && !said.contains("--tls-cert"), "{said}");
    for (flags, part) in [
        (vec!["--behind-proxy", "10.0.0.0/8"], "--public-url"),
        (vec!["--tls-cert", "/nowhere/cert.pem"], "--tls-key"),
        (vec!["--public-url", "http://mcp.example.com"], "https"),
        (vec!["--max-calls", "0"], "max_calls"),
        (vec!["--max-sessions", "100000000"], "max_sessions"),
    ] {
        let said = refused(&[&["--listen", "127.0.0.1:0", "--no-auth"], &flags[..]].concat()).await;
        assert!(said.contains(part), "{flags:?}: {said}");
    }
}

#[tokio::test]
async fn each_thing_that_is_missing_is_named_and_nothing_else() {
    let reach = |callers_are_known: bool, is_behind_proxy: bool| Reach {
        callers_are_known,
        public: is_behind_proxy.then(|| "https://mcp.example.com".parse().expect("a URL")),
        hops: match is_behind_proxy {
            true => Hops::parse(&["10.0.0.0/8".to_owned()]).expect("a network"),
            false => Hops::default(),
        },
        ..Reach::at("0.0.0.0:0".parse().expect("an address"))
    };
    for (known, proxy) in [(false, false), (true, false), (false, true)] {
        let error = HttpServer::listen(reach(known, proxy)).await.expect_err("it starts");
        let said = error.to_string();
        assert_eq!(said.contains("--auth"), !known, "{said}");
        assert_eq!(said.contains("--tls-cert"), !proxy, "{said}");
    }
    assert!(HttpServer::listen(reach(true, true)).await.is_ok());
}

#[tokio::test]
async fn socket_serves_its_owner_and_is_gone_at_the_end() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("run/http.sock");
    let listen = format!("unix:{}", path.display());
    let start = || {
        program(
            &["http", "--listen", &listen, "--toolsets", "all"],
            "http://127.0.0.1:1",
            KEY,
        )
    };
    let mut server = OverHttp::start(start(), &state_home()).await;
    assert_eq!(server.url, listen);
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    // Another process can't take it.
    let output = start().output().await.expect("runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process listens there"));
    let tokens: Vec<_> = std::fs::read_dir(server.state.join("neon-mcp"))
        .expect("a directory")
        .filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok())
        .collect();
    let token = tokens.first().expect("a token").trim();
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    let body = modern("tools/list", serde_json::json!({})).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         authorization: Bearer {token}\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("describe_project"),
        "{answer:.300}"
    );
    signal(&server.child, "-TERM").await;
    let said = said(&mut server).await;
    assert!(said.contains("this user alone can open it"), "{said}");
    assert!(server.child.wait().await.expect("ends").success());
    assert!(!path.exists());
}

#[tokio::test]
async fn socket_is_opened_by_whom_the_operator_says_and_tells_whether_it_is_ready() {
    let upstream = crate::support::fake_neon::FakeNeon::route(crate::mcp::neon).await;
    let home = tempfile::tempdir().expect("a folder");
    for (mode, socket, folder) in [("0600", 0o600, 0o700), ("0660", 0o660, 0o750), ("0666", 0o666, 0o755)] {
        let path = home.path().join(mode).join("http.sock");
        let listen = format!("unix:{}", path.display());
        let arguments = ["http", "--listen", &listen, "--listen-mode", mode];
        let mut server = OverHttp::start(program(&arguments, &upstream.url(), KEY), &state_home()).await;
        let of = |path: &std::path::Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(
            (of(&path), of(path.parent().expect("a folder"))),
            (socket, folder),
            "{mode}"
        );
        let ready = async || {
            let mut ready = program(&["ready", "--url", &listen], "http://127.0.0.1:1", KEY);
            ready.output().await.expect("runs").status.code()
        };
        assert_eq!(ready().await, Some(0), "{mode}");
        signal(&server.child, "-TERM").await;
        let said = said(&mut server).await;
        let open = said.lines().find(|line| line.contains("listening")).expect("a line");
        assert_eq!(open.contains("alone"), mode == "0600", "{said}");
        assert!(server.child.wait().await.expect("ends").success());
        assert_eq!(ready().await, Some(1), "{mode}");
    }
    let said = refused(&["--listen", "127.0.0.1:0", "--listen-mode", "0660"]).await;
    assert!(said.contains("unix:"), "{said}");
    for wrong in ["0777", "640", "rw"] {
        let mut command = program(
            &["http", "--listen", "unix:/nowhere/s", "--listen-mode", wrong],
            "http://127.0.0.1:1",
            KEY,
        );
        let output = command.output().await.expect("runs");
        assert!(String::from_utf8_lossy(&output.stderr).contains("0660"), "{wrong}");
    }
}

#[tokio::test]
async fn start_says_what_is_open_to_whom() {
    let mut server = OverHttp::start(
        program(
            &[
                "http",
                "--listen",
                "127.0.0.1:0",
                "--no-auth",
                "--behind-proxy",
                "127.0.0.1",
                "--public-url",
                "https://mcp.example.com",
            ],
            "http://127.0.0.1:1",
            KEY,
        ),
        &state_home(),
    )
    .await;
    assert_eq!(server.url, "https://mcp.example.com/mcp");
    signal(&server.child, "-TERM").await;
    let said = said(&mut server).await;
    for part in [
        "every user and every program of this machine can call this server",
        "clients see https://mcp.example.com",
        "from 127.0.0.1 alone",
        "--no-auth",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn server_says_that_it_listens_only_when_what_it_needs_was_found_good() {
    let state = state_home();
    let map = state.join("map.toml");
    super::put(&map, "no_such_key = 1\n");
    let issuer = ["--auth", "oauth", "--oauth-issuer", "http://127.0.0.1:1", "--oauth-map"];
    let map = map.to_string_lossy().into_owned();
    let said = super::refused(&[&["--listen", "127.0.0.1:0"], &issuer[..], &[&map]].concat()).await;
    assert!(said.contains("no_such_key") && !said.contains("listening on"), "{said}");
}
