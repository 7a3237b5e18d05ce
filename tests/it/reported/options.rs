//! Numbers that people write, in every option that takes one.

use crate::support::server::{KEY, program};

const NOWHERE: &str = "http://127.0.0.1:1/api/v2";

/// What no time and no size can be.
const BEYOND: [&str; 8] = [
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "1e9",
    "-1",
    "1.5",
    "",
    "ten",
];

async fn refused(arguments: &[&str], variable: Option<(&str, &str)>) -> String {
    let mut command = program(arguments, NOWHERE, KEY);
    if let Some((name, value)) = variable {
        command.env(name, value);
    }
    let run = command.stdin(std::process::Stdio::null()).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(20), run)
        .await
        .unwrap_or_else(|_| panic!("{arguments:?} {variable:?} runs on"))
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{arguments:?} {variable:?}: {said}");
    assert!(!output.status.success(), "{arguments:?} {variable:?} was taken: {said}");
    said
}

#[tokio::test]
async fn somebody_gave_a_time_that_no_clock_holds() {
    for value in BEYOND {
        for flag in ["--call-timeout-seconds", "--wait-timeout-seconds"] {
            refused(&["stdio", &format!("{flag}={value}")], None).await;
        }
        let said = refused(&["sandbox", "--no-project", &format!("--operation-time={value}")], None).await;
        assert!(said.contains("e.g. 80"), "{said}");
        refused(&["sandbox", "--no-project", &format!("--port={value}")], None).await;
        refused(&["log", &format!("--since={value}")], None).await;
        if !value.is_empty() {
            for variable in ["NEON_MCP_CALL_TIMEOUT_SECONDS", "NEON_MCP_WAIT_TIMEOUT_SECONDS"] {
                let said = refused(&["stdio"], Some((variable, value))).await;
                assert!(
                    said.to_lowercase().contains(&variable.to_lowercase()) || said.contains("timeout"),
                    "{said}"
                );
            }
        }
    }
    for age in ["4294967295w", "99999999999999999999d", "0x1s", "-1d"] {
        refused(&["log", &format!("--since={age}")], None).await;
    }
}
