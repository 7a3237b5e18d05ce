//! An environment as people have it, and what they are told.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Output;

use crate::support::server::{KEY, program};

const NOWHERE: &str = "http://127.0.0.1:1/api/v2";

async fn said(mut command: tokio::process::Command) -> (Output, String) {
    let output = command.stdin(std::process::Stdio::null()).output().await.expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output, said)
}

#[tokio::test]
async fn somebody_has_a_variable_that_is_not_utf_8() {
    let bytes = OsStr::from_bytes(b"caf\xe9");
    for arguments in [&["stdio"][..], &["tools"], &["policy"], &["approve"], &["log"]] {
        // Somebody else's: nobody minds.
        let mut command = program(arguments, NOWHERE, KEY);
        command.env("LESS", bytes).env(bytes, "x");
        let (_, said) = said(command).await;
        assert!(!said.contains("UTF-8"), "{arguments:?}: {said}");
    }
    for variable in [
        "NEON_API_KEY",
        "NEON_API_HOST",
        "NEON_MCP_TOOLSETS",
        "NEON_MCP_LOG",
        "NEON_MCP_READ_ONLY",
    ] {
        let mut command = program(&["stdio"], NOWHERE, KEY);
        command.env(variable, bytes);
        let (output, said) = said(command).await;
        assert!(!output.status.success(), "{variable}");
        assert!(
            said.contains(&format!("{variable} isn't UTF-8")) && !said.contains("caf"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn somebody_keeps_state_in_a_folder_whose_name_is_not_utf_8() {
    let place = tempfile::tempdir().expect("a directory");
    let folder = place.path().join(OsStr::from_bytes(b"caf\xe9"));
    let mut command = program(&["call", "list_regions", "{}"], NOWHERE, KEY);
    command.env("NEON_MCP_STATE_DIR", &folder);
    said(command).await;
    assert!(
        folder.join("approvals/cli-session").is_file(),
        "the path isn't the one that was given"
    );
}

#[tokio::test]
async fn somebody_started_a_server_on_a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (output, said) = said(program(&["http", "--listen", &address], NOWHERE, KEY)).await;
    assert!(!output.status.success());
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(said.contains(&address), "{said}");
}

#[tokio::test]
async fn somebody_named_a_file_that_is_not_there() {
    for arguments in [
        &["stdio", "--policy", "/nowhere/policy.toml"][..],
        &["stdio", "--api-key-file", "/nowhere/key"],
        &["stdio", "--config", "/nowhere/config.toml"],
        &["stdio", "--files-dir", "/nowhere/files"],
        &["stdio", "--seal-key-file", "/nowhere/key", "--state-dir", "/nowhere"],
        &["http", "--auth-token-file", "/nowhere/token", "--listen", "127.0.0.1:0"],
        &["sandbox", "--faults", "/nowhere/faults"],
        &["sandbox", "--sandbox-dir", "/dev/null/x"],
    ] {
        let mut command = program(arguments, NOWHERE, KEY);
        if arguments.contains(&"--api-key-file") {
            command.env_remove("NEON_API_KEY");
        }
        let (output, said) = said(command).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(said.matches("(os error").count(), 1, "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn somebody_gave_a_call_no_time_or_all_of_it() {
    for (seconds, taken) in [
        ("0", false),
        ("1", true),
        ("86400", true),
        ("86401", false),
        ("18446744073709551615", false),
    ] {
        let flag = said(program(&["stdio", "--call-timeout-seconds", seconds], NOWHERE, KEY)).await;
        let mut command = program(&["stdio"], NOWHERE, KEY);
        command.env("NEON_MCP_CALL_TIMEOUT_SECONDS", seconds);
        let variable = said(command).await;
        for (output, said) in [flag, variable] {
            assert_eq!(output.status.success(), taken, "{seconds}: {said}");
            assert_eq!(!said.contains("86400 seconds"), taken, "{seconds}: {said}");
        }
    }
    let (output, said) = said(program(
        &["stdio", "--wait-timeout-seconds", "18446744073709551615"],
        NOWHERE,
        KEY,
    ))
    .await;
    assert!(!output.status.success() && said.contains("86400 seconds"), "{said}");
}
