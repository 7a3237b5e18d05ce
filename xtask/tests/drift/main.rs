//! The comparison with an OpenAPI file: what agrees is quiet, and every way of drifting apart is told in its own words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod intentions;
mod mutations;

use neon_mcp::catalog::Catalog;
use neon_openapi::{Document, DocumentError};
use serde_json::{Value, json};
use xtask::drift::{Intended, Report, changes, compare};

const COMMON: &str = r#"{
  "limit": { "type": "integer", "description": "limit" }, "cursor": { "type": "string", "description": "cursor" },
  "detail": { "enum": ["concise", "full"], "description": "detail" }, "wait": { "type": "boolean", "description": "wait" },
  "from_byte": { "type": "integer", "description": "from" }
}"#;

/// The small API's file.
fn file() -> Value {
    yaml_serde::from_str(include_str!("shelves.yaml")).expect("YAML")
}

fn intended() -> Intended {
    Intended::parse(include_str!("intended.json")).expect("intentions")
}

/// Compares the small API's tools with a file.
fn report(file: &Value, intended: &Intended) -> Report {
    let sources = [("tools.json", include_str!("tools.json")), ("common.json", COMMON)];
    let catalog = Catalog::load(&sources).expect("tools");
    compare(&catalog, &Document::read(file).expect("an OpenAPI file"), intended)
}

/// What is found, one a line: of what, where, what.
fn found(report: &Report) -> Vec<String> {
    let findings = report.findings.iter();
    findings
        .map(|finding| format!("{} {} {}", finding.of, finding.at, finding.says).replace("  ", " "))
        .collect()
}

#[test]
fn what_agrees_is_quiet_and_counted() {
    let report = report(&file(), &intended());
    assert_eq!(found(&report), [""; 0]);
    let counts = (
        report.operations,
        report.claimed,
        report.left_out,
        report.newer.len(),
        report.intended,
    );
    assert_eq!(counts, (7, 6, 1, 1, 1));
    let text = report.to_string();
    let newer = text.lines().find(|line| line.contains("countShelves"));
    assert!(newer.is_some_and(|line| line.contains("shelves 2.0.0")), "{text}");
    assert!(text.ends_with("0 are not."), "{text}");
}

#[test]
fn a_report_groups_by_subject_and_tool() {
    let mut file = file();
    file["paths"]["/shelves"]["get"]["parameters"][0]["name"] = json!("q");
    let text = report(&file, &intended()).to_string();
    let expected =
        "Arguments\n  list_shelves\n    query:/q: is not offered here\n    query:/search: is not known there\n\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let read = |value: Value| Document::read(&value).err();
    assert_eq!(read(json!([])), Some(DocumentError::NotOpenApi));
    assert_eq!(
        read(json!({"swagger": "2.0", "paths": {}})),
        Some(DocumentError::NotOpenApi)
    );
    let nameless = json!({"openapi": "3.0.3", "paths": {"/x": {"get": {"responses": {}}}}});
    let error = read(nameless).expect("an error").to_string();
    assert_eq!(error, "GET /x has no operationId");
    let lost = json!({"openapi": "3.0.3", "paths": {"/x": {"get": {
        "operationId": "x", "responses": {"200": {"$ref": "#/components/responses/Lost"}}
    }}}});
    let error = read(lost).expect("an error").to_string();
    assert_eq!(error, "`#/components/responses/Lost` leads nowhere in this file");
}

#[test]
fn a_newer_file_says_what_changed_in_it() {
    let old = file();
    let mut new = file();
    new["components"]["schemas"]["Shelf"]["properties"]["depth"] = json!({"type": "integer"});
    new["paths"]["/shelves"]["get"]["parameters"][0]["schema"]["maxLength"] = json!(9);
    new["paths"]["/new"] = json!({"get": {"operationId": "newThing", "responses": {}}});
    new["paths"].as_object_mut().expect("paths").remove("/old");
    new["paths"]["/shelves/{shelf_id}"]["delete"]["deprecated"] = json!(true);
    let read = |file: &Value| Document::read(file).expect("an OpenAPI file");
    assert_eq!(changes(&read(&old), &read(&old)), [""; 0]);
    assert_eq!(
        changes(&read(&old), &read(&new)),
        [
            "- oldThing (GET /old)",
            "~ listShelves",
            "    + 200:/shelves/*/depth type: \"integer\"",
            "    + query:/search maxLength: 9",
            "~ getShelf",
            "    + 200:/shelf/depth type: \"integer\"",
            "~ updateShelf",
            "    + 200:/shelf/depth type: \"integer\"",
            "~ deleteShelf",
            "    ~ deprecated: false → true",
            "+ newThing (GET /new)",
        ]
    );
}
