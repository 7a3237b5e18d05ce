//! Every operation of Neon's OpenAPI file, answered by the sandbox as the file says.

use std::io::Write;

use neon_openapi::Document;
use serde_json::Value;

use super::expected::{left_out, newer};
use super::{anonymization, auth, consumption, credentials, data_api, reference};

/// Runs the walks of other tests one after the other, and counts what they were answered together.
#[test]
fn every_operation_of_the_file_is_answered_as_it_says() {
    let Some(path) = std::env::var_os("NEON_OPENAPI_FILE") else {
        // Written past the test harness, which keeps the output of tests that pass.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no answer was checked against Neon's OpenAPI file; set NEON_OPENAPI_FILE to what tests/openapi/fetch prints"
        );
        return;
    };
    reference::every_served_operation_answers_in_the_documented_shape();
    auth::every_operation_answers_in_the_documented_shape();
    data_api::a_data_api_is_opened_seen_changed_and_closed();
    anonymization::an_anonymized_branch_is_made_then_masked();
    anonymization::rules_are_replaced_as_a_whole_and_a_run_can_be_repeated();
    consumption::storage_is_what_branches_and_snapshots_held();
    consumption::branches_are_told_apart_and_remembered();
    consumption::what_is_asked_is_checked();
    credentials::a_credential_shows_its_secrets_where_they_are_asked_for();
    credentials::storage_and_ai_gateway_say_where_they_are_or_why_they_are_not();

    let file: Value = yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let document = Document::read(&file).unwrap();
    let left_out = left_out();
    let wanted = document.operations.iter().map(|operation| operation.id.as_str());
    let wanted: Vec<&str> = wanted.filter(|id| !left_out.iter().any(|left| left == id)).collect();
    let seen = reference::seen();
    let missing: Vec<_> = wanted.iter().filter(|id| !seen.operations.contains(**id)).collect();
    assert!(missing.is_empty(), "not answered: {missing:?}");
    let newer: Vec<_> = newer().into_iter().filter(|id| !seen.newer.contains(id)).collect();
    assert!(newer.is_empty(), "newer than the file, and not answered: {newer:?}");
    let _ = writeln!(
        std::io::stderr(),
        "{} of {} operations answered as Neon's OpenAPI file says, {} bodies; {} answered that are newer than it",
        seen.operations.len(),
        wanted.len(),
        seen.bodies,
        seen.newer.len()
    );
}
