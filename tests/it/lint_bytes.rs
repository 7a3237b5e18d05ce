//! Declarations about files and bytes, broken one way each: the lint says where.

use neon_mcp::catalog::{lint, sources};
use serde_json::{Value, json};

/// What is wrong when a tool of a file is changed so.
fn problems(file: &str, tool: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let sources = sources();
    let (_, text) = sources.iter().find(|(name, _)| *name == file).expect("a file");
    let mut area: Value = serde_json::from_str(text).expect("JSON");
    let tools = area["tools"].as_array_mut().expect("tools");
    change(tools.iter_mut().find(|one| one["name"] == tool).expect("a tool"));
    let text = area.to_string();
    let changed: Vec<(&str, &str)> = sources
        .iter()
        .map(|(name, old)| (*name, if *name == file { text.as_str() } else { *old }))
        .collect();
    lint(&changed).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn says(problems: &[String], pointer: &str) {
    assert!(
        problems.iter().any(|problem| problem.contains(pointer)),
        "{pointer}: {problems:?}"
    );
}

fn deploy(change: impl FnOnce(&mut Value)) -> Vec<String> {
    problems("functions.json", "deploy_function", change)
}

fn read(change: impl FnOnce(&mut Value)) -> Vec<String> {
    problems("buckets.json", "get_bucket_object", change)
}

#[test]
fn a_file_in_a_body_comes_from_two_arguments_with_limits() {
    assert_eq!(deploy(|_| {}), [""; 0]);
    let file =
        |tool: &mut Value, field: &str, value: &str| tool["request"]["body"]["files"]["zip"][field] = value.into();
    says(
        &deploy(|tool| file(tool, "path", "nothing")),
        "/request/body/files/zip: `nothing`",
    );
    says(
        &deploy(|tool| file(tool, "path", "environment")),
        "/request/body/files/zip: `environment`",
    );
    says(&deploy(|tool| file(tool, "path", "archive_base64")), "two arguments");
    says(
        &deploy(|tool| file(tool, "begins", "5")),
        "/request/body/files/zip/begins",
    );
    says(
        &deploy(|tool| file(tool, "begins", "zz")),
        "/request/body/files/zip/begins",
    );
    for field in ["name", "content_type"] {
        for value in ["", "a\"b", "a\r\nX: y"] {
            says(&deploy(|tool| file(tool, field, value)), "plain text");
        }
    }
    let longest = |tool: &mut Value| tool["input"]["properties"]["archive_base64"]["maxLength"] = 87_385.into();
    says(&deploy(longest), "/input/properties/archive_base64");
    let required =
        |tool: &mut Value| tool["input"]["required"] = json!(["project_id", "branch_id", "slug", "archive_path"]);
    says(&deploy(required), "/input/required");
    let bound = |tool: &mut Value| tool["request"]["bind"] = json!({"archive_path": "body:/path"});
    says(&deploy(bound), "/request/bind/archive_path");
    says(
        &deploy(|tool| tool["safety"]["effect"] = "read".into()),
        "/request/body",
    );
    says(
        &problems("buckets.json", "list_buckets", |tool| {
            tool["request"]["body"] = json!({"kind": "multipart"})
        }),
        "/request/body",
    );
    says(
        &deploy(|tool| tool["request"]["body"]["kind"] = "zip".into()),
        "functions.json",
    );
}

#[test]
fn an_answer_of_bytes_has_no_fields_and_a_link_that_exists() {
    assert_eq!(read(|_| {}), [""; 0]);
    says(&read(|tool| tool["output"]["keep"] = json!(["a"])), "/output");
    says(&read(|tool| tool["output"]["mask"] = json!(["/a"])), "/output");
    says(&read(|tool| tool["output"]["link"] = "nothing".into()), "/output/link");
    says(&read(|tool| tool["output"]["content"] = "json".into()), "/output/link");
    let posts = |tool: &mut Value| tool["request"]["method"] = "POST".into();
    says(&read(posts), "/output/content");
}

#[test]
fn a_plan_s_read_takes_arguments_that_both_have() {
    let with = |value: Value| move |tool: &mut Value| tool["safety"]["plan"]["with"] = value;
    let deleted = |value: Value| problems("buckets.json", "delete_bucket_object", with(value));
    says(&deleted(json!({"nothing": "object_key"})), "/safety/plan/with/nothing");
    says(&deleted(json!({"prefix": "nothing"})), "/safety/plan/with/prefix");
    let pages = |tool: &mut Value| tool["output"]["pages"]["beside"] = json!(["x"]);
    says(&problems("buckets.json", "list_buckets", pages), "/output/pages/beside");
}
