//! Files that tools send: from the operator's folder and from nowhere else, within limits, as they were shown.

use std::path::Path;

use neon_mcp::engine::{FilesDir, MAX_FILE_BYTES, MAX_INLINE_BYTES};
use serde_json::{Value, json};

use super::{BRANCH, PROJECT, error};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::World;

const ZIP: &[u8] = b"PK\x03\x04the code";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, content).expect("written");
}

#[test]
fn a_regular_file_below_the_folder_is_read() {
    let folder = folder();
    write(folder.path(), "a.zip", "one");
    write(folder.path(), "sub/b.zip", "two");
    write(folder.path(), "..c", "three");
    let dir = FilesDir::open(folder.path()).expect("a folder");
    assert_eq!(dir.read("a.zip").expect("read"), b"one");
    assert_eq!(dir.read("sub/b.zip").expect("read"), b"two");
    assert_eq!(dir.read("..c").expect("read"), b"three");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let outside = folder();
    write(outside.path(), "secret.zip", "secret");
    write(outside.path(), "in/a.zip", "one");
    let dir = FilesDir::open(&outside.path().join("in")).expect("a folder");
    let absolute = outside.path().join("secret.zip");
    for path in [
        "../secret.zip",
        "sub/../../secret.zip",
        "./../secret.zip",
        "..",
        ".",
        "",
        "/",
        "a.zip/../../secret.zip",
        "..\\secret.zip",
        "/etc/hostname",
        absolute.to_str().expect("a path"),
    ] {
        let problem = dir.read(path).expect_err(path);
        assert!(problem.contains("operator's folder"), "{path}: {problem}");
    }
}

#[cfg(unix)]
#[test]
fn a_symlink_is_followed_only_where_it_stays_inside() {
    use std::os::unix::fs::symlink;
    let outside = folder();
    write(outside.path(), "secret.zip", "secret");
    write(outside.path(), "in/a.zip", "one");
    write(outside.path(), "in-the-neighbourhood/b.zip", "two");
    let root = outside.path().join("in");
    for (to, name) in [
        ("a.zip", "inside"),
        ("../secret.zip", "file"),
        ("..", "folder"),
        ("../in-the-neighbourhood", "neighbour"),
        ("nowhere", "broken"),
        ("loop", "loop"),
        (".", "itself"),
    ] {
        symlink(to, root.join(name)).expect("a link");
    }
    let dir = FilesDir::open(&root).expect("a folder");
    assert_eq!(dir.read("inside").expect("read"), b"one");
    assert_eq!(dir.read("itself/a.zip").expect("read"), b"one");
    for path in ["file", "folder/secret.zip", "neighbour/b.zip", "itself"] {
        let problem = dir.read(path).expect_err(path);
        assert!(problem.contains("leads out"), "{path}: {problem}");
    }
    for path in ["broken", "loop", "folder/none"] {
        dir.read(path).expect_err(path);
    }
    // The folder may be named by a link itself.
    symlink(&root, outside.path().join("link")).expect("a link");
    let dir = FilesDir::open(&outside.path().join("link")).expect("a folder");
    assert_eq!(dir.read("a.zip").expect("read"), b"one");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_opened() {
    let folder = folder();
    write(folder.path(), "sub/a.zip", "one");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let dir = FilesDir::open(folder.path()).expect("a folder");
    let mut names = vec!["sub", "socket"];
    if made.is_ok_and(|status| status.success()) {
        names.push("pipe");
    }
    for name in names {
        let problem = dir.read(name).expect_err(name);
        assert!(problem.contains("regular file"), "{name}: {problem}");
    }
    assert!(dir.read("none").expect_err("none").contains("no file"));
    assert!(dir.read("sub/a.zip/b").expect_err("below a file").contains("no file"));
}

#[test]
fn a_file_has_32_mib_at_most() {
    let folder = folder();
    let most = MAX_FILE_BYTES as u64;
    for (name, size) in [("most", most), ("more", most + 1)] {
        let file = std::fs::File::create(folder.path().join(name)).expect("a file");
        file.set_len(size).expect("a size");
    }
    let dir = FilesDir::open(folder.path()).expect("a folder");
    assert_eq!(dir.read("most").expect("read").len(), MAX_FILE_BYTES);
    assert!(dir.read("more").expect_err("too large").contains("32 MiB"));
}

#[cfg(unix)]
mod any_path {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// A folder with links that lead out, in one with a secret.
    static PLACE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let outside = folder();
        write(outside.path(), "secret", "secret");
        write(outside.path(), "in/a", "inside");
        write(outside.path(), "in/sub/a", "inside");
        let root = outside.path().join("in");
        for (to, name) in [
            ("..", "up"),
            ("../..", "sub/up"),
            ("../secret", "file"),
            ("sub", "down"),
            ("/", "root"),
        ] {
            std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
        }
        (outside, root)
    });

    proptest! {
        #[test]
        fn gives_what_is_inside_or_nothing(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("..".to_owned()), Just(".".to_owned()), Just(String::new()), Just("a".to_owned()),
                    Just("sub".to_owned()), Just("up".to_owned()), Just("file".to_owned()), Just("down".to_owned()),
                    Just("root".to_owned()), Just("in".to_owned()), Just("secret".to_owned()), Just("\\".to_owned()),
                    Just("\0".to_owned()), ".{0,3}",
                ],
                0..6,
            )
        ) {
            let dir = FilesDir::open(&PLACE.1).expect("a folder");
            if let Ok(content) = dir.read(&parts.join("/")) {
                prop_assert_eq!(content, b"inside");
            }
        }
    }
}

#[tokio::test]
async fn a_folder_that_is_none_stops_the_start() {
    let folder = folder();
    write(folder.path(), "file", "x");
    for name in ["file", "none"] {
        let path = folder.path().join(name);
        let mut command = program(
            &["--files-dir", path.to_str().expect("a path")],
            "http://127.0.0.1:1/api/v2",
            KEY,
        );
        let mut child = command.spawn().expect("starts");
        drop(child.stdin.take());
        let output = child.wait_with_output().await.expect("ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("files dir") && said.contains(name), "{said}");
    }
}

fn deployment(more: Value) -> Value {
    let mut given = json!({"project_id": PROJECT, "branch_id": BRANCH, "slug": "hello"});
    given
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    given
}

/// A server whose tools may send files of that folder, and whose human approves.
async fn serving(world: &World, folder: Option<&Path>, human: &Human, era: Era) -> TestServer {
    let mut command = program(&["--toolsets", "functions"], &world.url(), KEY);
    if let Some(folder) = folder {
        command.env("NEON_MCP_FILES_DIR", folder);
    }
    TestServer::run(command, TestClient::with(human.clone()), era).await
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// What the last deployment sent, as text.
fn sent(world: &World) -> String {
    let requests = world.upstream.requests();
    let last = requests.iter().rev().find(|request| request.method == "POST");
    String::from_utf8_lossy(&last.expect("a deployment").body).into_owned()
}

#[tokio::test]
async fn a_file_of_the_folder_is_shown_and_sent() {
    let folder = folder();
    write(folder.path(), "build/f.zip", ZIP);
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let human = Human::who(Manner::Accepts);
        let server = serving(&world, Some(folder.path()), &human, era).await;
        let given = json!({"archive_path": "build/f.zip", "environment": {"TOKEN": "s3cret-canary"}});
        let (value, is_error) = server.call("deploy_function", deployment(given)).await;
        assert!(!is_error, "{value}");
        let asked = human.asked();
        assert_eq!(asked.len(), 1);
        assert!(
            asked[0].0.contains("12 bytes") && asked[0].0.contains("sha256"),
            "{}",
            asked[0].0
        );
        assert!(asked[0].0.contains("build/f.zip"), "{}", asked[0].0);
        assert!(!asked[0].0.contains("s3cret-canary"), "{}", asked[0].0);
        let body = sent(&world);
        assert!(body.contains("PK\u{3}\u{4}the code"), "{body}");
        assert!(body.contains("{\"TOKEN\":\"s3cret-canary\"}"), "{body}");
        assert!(!server.stop().await.contains("s3cret-canary"), "a secret is in the log");
    }
}

#[tokio::test]
async fn what_was_shown_is_what_is_sent() {
    for era in [Era::Legacy, Era::Modern] {
        let folder = folder();
        write(folder.path(), "f.zip", ZIP);
        let world = World::start().await;
        let path = folder.path().join("f.zip");
        let human = Human::who(Manner::Accepts).meanwhile(move || {
            std::fs::write(&path, b"PK\x03\x04other code").expect("written");
        });
        let server = serving(&world, Some(folder.path()), &human, era).await;
        let (value, is_error) = server
            .call("deploy_function", deployment(json!({"archive_path": "f.zip"})))
            .await;
        assert!(!is_error, "{value}");
        // Whoever asks while the call runs holds what was read; a repeated call reads anew, and asks anew.
        let (questions, code) = match era {
            Era::Legacy => (1, "the code"),
            Era::Modern => (2, "other code"),
        };
        assert_eq!(human.asked().len(), questions, "{era:?}");
        assert!(sent(&world).contains(code), "{era:?}");
    }
}

#[tokio::test]
async fn an_archive_in_the_arguments_is_sent_up_to_64_kib() {
    let world = World::start().await;
    let human = Human::who(Manner::Accepts);
    let server = serving(&world, None, &human, Era::Legacy).await;
    let mut most = ZIP.to_vec();
    most.resize(MAX_INLINE_BYTES, b'x');
    let given = deployment(json!({"archive_base64": base64(&most)}));
    let (value, is_error) = server.call("deploy_function", given).await;
    assert!(!is_error, "{value}");
    assert!(sent(&world).len() > MAX_INLINE_BYTES);
    assert!(human.asked()[0].0.contains("65536 bytes"), "{}", human.asked()[0].0);
    most.push(b'x');
    let given = deployment(json!({"archive_base64": base64(&most)}));
    let (value, _) = server.call("deploy_function", given).await;
    assert!(
        error(&value)["problems"][0]["message"].to_string().contains("64 KiB"),
        "{value}"
    );
    assert_eq!(human.asked().len(), 1);
}

#[tokio::test]
async fn a_file_that_may_not_be_sent_is_refused_before_anything_is_asked_or_sent() {
    let folder = folder();
    write(folder.path(), "notes.txt", "top secret");
    write(folder.path(), "f.zip", ZIP);
    let world = World::start().await;
    let human = Human::who(Manner::Accepts);
    let server = serving(&world, Some(folder.path()), &human, Era::Legacy).await;
    for (given, told) in [
        (json!({}), "Nothing to deploy"),
        (
            json!({"archive_path": "f.zip", "archive_base64": base64(ZIP)}),
            "not both",
        ),
        (json!({"archive_path": "../f.zip"}), "below the operator's folder"),
        (json!({"archive_path": "none.zip"}), "no file"),
        (json!({"archive_path": "notes.txt"}), "is no application/zip"),
        (json!({"archive_path": ""}), "archive_path"),
        (
            json!({"archive_base64": base64(b"top secret")}),
            "is no application/zip",
        ),
        (json!({"archive_base64": "UEsDB*=="}), "is no base64"),
        (json!({"archive_base64": "UEsDBA"}), "is no base64"),
        (json!({"archive_base64": "x".repeat(87_388)}), "archive_base64"),
    ] {
        let (value, is_error) = server.call("deploy_function", deployment(given)).await;
        assert!(is_error, "{told}: {value}");
        assert_eq!(error(&value)["kind"], "invalid_arguments", "{value}");
        assert!(value.to_string().contains(told), "{told}: {value}");
        assert!(!value.to_string().contains("top secret"), "{value}");
    }
    assert_eq!(world.upstream.count(), 0);
    assert!(human.asked().is_empty());
}

#[tokio::test]
async fn without_a_folder_no_path_is_read() {
    let world = World::start().await;
    let human = Human::who(Manner::Accepts);
    let server = serving(&world, None, &human, Era::Legacy).await;
    let (value, is_error) = server
        .call("deploy_function", deployment(json!({"archive_path": "Cargo.toml"})))
        .await;
    assert!(is_error);
    assert!(value.to_string().contains("--files-dir"), "{value}");
    assert_eq!(world.upstream.count(), 0);
}
