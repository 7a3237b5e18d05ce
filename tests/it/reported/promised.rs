//! What was promised: the tools for programs, completions for shells.

use std::process::Output;

use serde_json::Value;

use crate::support::server::{KEY, program};

const NOWHERE: &str = "http://127.0.0.1:1/api/v2";

async fn run(arguments: &[&str]) -> (Output, String) {
    let mut command = program(arguments, NOWHERE, KEY);
    let output = command.stdin(std::process::Stdio::null()).output().await.expect("runs");
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    (output, text)
}

#[tokio::test]
async fn somebody_asked_for_the_tools_in_json() {
    let (output, text) = run(&["tools", "--toolsets", "all", "--format", "json"]).await;
    assert!(output.status.success());
    let tools: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let named = |name: &str| tools.iter().find(|tool| tool["name"] == name).expect("the tool");
    let branch = named("delete_branch");
    assert_eq!(branch["operation"], serde_json::json!(["deleteProjectBranch"]));
    assert_eq!(branch["toolset"], "branches");
    assert_eq!(branch["effect"], "destructive");
    assert_eq!(branch["hints"]["destructiveHint"], true);
    assert_eq!(branch["asks"][0]["effect"], "destructive");
    assert_eq!(named("list_projects")["asks"], serde_json::json!([]));
    assert_eq!(named("list_projects")["hints"]["readOnlyHint"], true);
    assert_eq!(named("run_sql")["asks"][0]["always"], false);
    for tool in &tools {
        for field in ["name", "title", "toolset", "effect", "operation", "hints", "asks"] {
            assert!(!tool[field].is_null(), "{tool}: {field}");
        }
        // Nothing destroys without a word about when it asks.
        let destroys = tool["effect"] == "destructive" || tool["effect"] == "access";
        assert!(
            !destroys || tool["asks"].as_array().is_some_and(|asks| !asks.is_empty()),
            "{tool}"
        );
    }
    let (_, read_only) = run(&["tools", "--toolsets", "all", "--read-only", "--format", "json"]).await;
    let read_only: Vec<Value> = serde_json::from_str(&read_only).expect("a list");
    assert!(read_only.len() < tools.len());
    assert!(
        read_only
            .iter()
            .all(|tool| tool["effect"] == "read" && tool["asks"] == serde_json::json!([]))
    );
}

#[tokio::test]
async fn somebody_asked_for_the_tools_in_markdown_and_as_a_table() {
    let (output, text) = run(&["tools", "--format", "markdown"]).await;
    assert!(output.status.success());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "| tool | toolset | effect | operation | asks |");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("| `delete_branch` |") && line.contains("| destructive |"))
    );
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(lines.iter().all(|line| columns(line) == 6));
    let (_, table) = run(&["tools", "--format", "table"]).await;
    assert_eq!(table, run(&["tools"]).await.1);
    let (output, _) = run(&["tools", "--format", "xml"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && ["table", "json", "markdown"].iter().all(|format| said.contains(format)),
        "{said}"
    );
}

#[tokio::test]
async fn somebody_asked_for_completions() {
    for (shell, holds) in [
        ("bash", "complete -F _neon"),
        ("zsh", "#compdef neon-mcp"),
        ("fish", "complete -c neon-mcp"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let (output, text) = run(&["completions", shell]).await;
        assert!(output.status.success(), "{shell}");
        assert!(
            text.contains(holds) && text.contains("toolsets") && text.contains("sandbox"),
            "{shell}"
        );
    }
    let (output, _) = run(&["completions", "tcsh"]).await;
    assert!(!output.status.success());
}
