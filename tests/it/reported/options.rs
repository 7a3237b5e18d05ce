//! Numbers that people write, in every option that takes one.

use serde_json::{Value, json};

use crate::support::server::{KEY, program};
use harness::sandbox_process::{Places, Running};

const CLOCK: &str = "/sandbox/clock";

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
            let said = refused(&["stdio", &format!("{flag}={value}")], None).await;
            assert!(said.contains("e.g. 120"), "{said}");
        }
        let said = refused(&["sandbox", "--no-project", &format!("--operation-time={value}")], None).await;
        assert!(said.contains("e.g. 80"), "{said}");
        let said = refused(&["sandbox", "--no-project", &format!("--port={value}")], None).await;
        assert!(said.contains("e.g. 7374"), "{said}");
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

#[tokio::test]
async fn somebody_gave_an_address_that_is_none() {
    for value in [
        "",
        "7373",
        "localhost",
        "localhost:7373",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:18446744073709551615",
        "::1:7373",
        "http://127.0.0.1:7373",
    ] {
        let said = refused(&["http", &format!("--listen={value}")], None).await;
        assert!(said.contains("e.g. 127.0.0.1:7373"), "{value}: {said}");
    }
    for port in ["65536", "-1", "http", "127.0.0.1:80"] {
        let said = refused(&["sandbox", "--no-project", &format!("--port={port}")], None).await;
        assert!(said.contains("e.g. 7374"), "{port}: {said}");
    }
    let said = refused(&["sandbox", "--no-project", "--seed=18446744073709551616"], None).await;
    assert!(said.contains("e.g. 7"), "{said}");
    let said = refused(&["log", "--last=-1"], None).await;
    assert!(said.contains("e.g. 20"), "{said}");
}

/// What no number of a policy or a fault can be.
const NO_SUCH_NUMBER: [&str; 7] = [
    "18446744073709551615",
    "9223372036854775807",
    "-1",
    "-9223372036854775808",
    "1e300",
    "-1e300",
    "99999999999999999999999999",
];

#[tokio::test]
async fn somebody_wrote_numbers_into_a_policy_that_it_can_not_hold() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("policy.toml");
    let path = file.to_str().unwrap();
    for (table, key, right) in [
        ("caps", "throwaway_lifetime_hours", "e.g. 720"),
        ("caps", "compute_cu", "e.g. 56"),
        ("caps", "changes_per_minute", "e.g. 600"),
        ("sql", "unasked_rows", "e.g. 1000000"),
        ("approval", "question_seconds", "e.g. 3600"),
        ("approval", "approver_seconds", "e.g. 86400"),
        ("approval", "approval_seconds", "e.g. 3600"),
    ] {
        for number in NO_SUCH_NUMBER
            .iter()
            .chain(&["nan", "inf", "-inf", "1e999", "0x7fffffffffffffff", "\"5\""])
        {
            std::fs::write(&file, format!("[{table}]\n{key} = {number}\n")).unwrap();
            let said = refused(&["stdio", "--policy", path], None).await;
            assert!(
                said.contains("line 2") && said.contains(key),
                "{key} = {number}: {said}"
            );
            assert!(said.contains(right), "{key} = {number}: {said}");
        }
    }
    // The least of each is more than nothing, but for rows.
    for (table, key) in [
        ("caps", "throwaway_lifetime_hours"),
        ("caps", "branches_per_project"),
        ("caps", "compute_cu"),
    ] {
        std::fs::write(&file, format!("[{table}]\n{key} = 0\n")).unwrap();
        let said = refused(&["stdio", "--policy", path], None).await;
        assert!(said.contains("line 2") && said.contains("e.g. "), "{key}: {said}");
    }
}

#[tokio::test]
async fn somebody_wrote_numbers_into_faults_that_are_none() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("faults.json");
    let path = file.to_str().unwrap();
    for number in NO_SUCH_NUMBER {
        for fault in [
            format!(r#"{{"kind":{{"type":"status","status":{number}}}}}"#),
            format!(r#"{{"kind":{{"type":"status","status":503}},"times":{number}}}"#),
            format!(r#"{{"kind":{{"type":"status","status":503}},"probability":{number}}}"#),
            format!(r#"{{"kind":{{"type":"delay","millis":{number}}}}}"#),
            format!(r#"{{"kind":{{"type":"slow_body","millis":{number}}}}}"#),
        ] {
            std::fs::write(&file, format!("[{fault}]")).unwrap();
            let said = refused(
                &["sandbox", "--no-project", "--sandbox-postgres=off", "--faults", path],
                None,
            )
            .await;
            assert!(
                said.contains("faults.json") && said.contains("e.g. {"),
                "{fault}: {said}"
            );
        }
    }
    for text in ["", "{", "5", "{}", "null", r#"[{"kind":{"type":"status","status":0}}]"#] {
        std::fs::write(&file, text).unwrap();
        let said = refused(
            &["sandbox", "--no-project", "--sandbox-postgres=off", "--faults", path],
            None,
        )
        .await;
        assert!(said.contains("faults.json") && said.contains("e.g. "), "{text}: {said}");
    }
}

#[tokio::test]
async fn somebody_moved_the_clock_beyond_its_end() {
    let places = Places::new(crate::support::sandbox_program());
    let sandbox = Running::of(places.command(&["--no-project", "--sandbox-postgres", "off"])).await;
    for number in NO_SUCH_NUMBER.iter().chain(&["3153600001", "1.5", "\"60\"", "null"]) {
        let body: Result<Value, _> = serde_json::from_str(&format!(r#"{{"advance_seconds":{number}}}"#));
        let Ok(body) = body else { continue };
        let (status, answer) = sandbox.try_call("POST", CLOCK, Some(body)).await;
        assert_eq!(status, 400, "{number}: {answer}");
        assert!(answer.to_string().contains("3600"), "{number}: {answer}");
    }
    // As far as it goes, and no further, however often.
    for _ in 0..3 {
        let far = json!({"advance_seconds": 3_153_600_000_u64});
        let (status, answer) = sandbox.try_call("POST", CLOCK, Some(far)).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (status, answer) = sandbox.try_call("GET", CLOCK, None).await;
    assert_eq!(status, 200, "{answer}");
}
