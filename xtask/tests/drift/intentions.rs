//! What is meant to differ: only what is so, with a reason, from a source that is named.

use serde_json::{Value, json};
use xtask::drift::Intended;

use super::{file, found, report};

/// The intentions with a change.
fn changed(change: impl FnOnce(&mut Value)) -> Intended {
    let mut value: Value = serde_json::from_str(include_str!("intended.json")).expect("JSON");
    change(&mut value);
    Intended::parse(&value.to_string()).expect("intentions")
}

fn told(change: impl FnOnce(&mut Value)) -> Vec<String> {
    found(&report(&file(), &changed(change)))
}

#[test]
fn an_entry_that_explains_nothing_is_an_error() {
    let extra =
        json!({ "because": "x", "says": "is not offered here", "of": { "update_shelf": ["body:/shelf/depth"] } });
    assert_eq!(
        told(|intended| intended["differences"].as_array_mut().expect("a list").push(extra)),
        ["update_shelf body:/shelf/depth is not so any more: is not offered here"]
    );
    let twice = |intended: &mut Value| {
        let entry = intended["differences"][0].clone();
        intended["differences"].as_array_mut().expect("a list").push(entry);
    };
    assert_eq!(
        told(twice),
        ["update_shelf body:/shelf/width is not so any more: minimum is 20 here, 10 there"]
    );
}

#[test]
fn a_difference_is_explained_word_for_word() {
    assert_eq!(
        told(|intended| intended["differences"][0]["says"] = json!("minimum is 20 here, 5 there")),
        [
            "update_shelf body:/shelf/width minimum is 20 here, 10 there",
            "update_shelf body:/shelf/width is not so any more: minimum is 20 here, 5 there"
        ]
    );
}

#[test]
fn no_entry_goes_without_a_reason() {
    assert_eq!(
        told(|intended| intended["differences"][0]["because"] = json!("")),
        [
            "update_shelf body:/shelf/width minimum is 20 here, 10 there",
            "update_shelf body:/shelf/width is explained without a reason"
        ]
    );
    assert_eq!(
        told(|intended| intended["left_out"][0]["because"] = json!("")),
        ["oldThing is left out without a reason"]
    );
}

#[test]
fn sources_are_named() {
    assert_eq!(
        told(|intended| intended["newer"][0]["source"] = json!("hearsay")),
        ["hearsay is no source"]
    );
    assert_eq!(
        told(|intended| intended["differences"][0]["source"] = json!("hearsay")),
        ["hearsay is no source"]
    );
}

#[test]
fn an_operation_is_left_out_or_claimed_and_newer_or_there() {
    let entry = |operation: &str| json!({ "operation": operation, "because": "x" });
    assert_eq!(
        told(|intended| intended["left_out"]
            .as_array_mut()
            .expect("a list")
            .push(entry("getShelf"))),
        ["getShelf is left out, but a tool stands for it"]
    );
    assert_eq!(
        told(|intended| intended["newer"]
            .as_array_mut()
            .expect("a list")
            .push(json!({ "operation": "x", "source": "sdk" }))),
        ["x is newer than the file, but no tool stands for it"]
    );
    assert_eq!(
        told(|intended| intended["left_out"][0]["deprecated_in"] = json!("sdk")),
        ["oldThing is deprecated in the file itself now: take `deprecated_in` off"]
    );
    assert_eq!(
        told(|intended| intended["left_out"] = json!([])),
        ["oldThing is deprecated there: leave it out with a reason (GET /old)"]
    );
    assert_eq!(
        told(|intended| intended["newer"] = json!([])),
        ["count_shelves its operation countShelves is gone there"]
    );
}

#[test]
fn unknown_keys_are_refused() {
    for pointer in ["", "/left_out/0", "/newer/0", "/differences/0", "/sources/sdk"] {
        let mut value: Value = serde_json::from_str(include_str!("intended.json")).expect("JSON");
        value.pointer_mut(pointer).expect("a place")["reason"] = json!("x");
        let error = Intended::parse(&value.to_string())
            .expect_err("an unknown key")
            .to_string();
        assert!(error.contains("`reason`"), "{error}");
    }
}

#[test]
fn ours_name_the_version_that_ci_fetches() {
    let ours = Intended::embedded().expect("tools/drift.json");
    let fetch = include_str!("../../../tests/openapi/fetch");
    let source = &ours.sources["api-client"];
    assert!(
        fetch.contains(&format!("version=${{1:-{}}}", source.version)),
        "{source:?}"
    );
    assert!(fetch.contains(&source.package), "{source:?}");
    assert_eq!(ours.newer.len(), 17);
    assert_eq!(ours.left_out.len(), 16);
}
