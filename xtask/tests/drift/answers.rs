//! Every way in which answers of a file can drift from the declarations, secrets among them, one at a time.

use serde_json::json;

use super::mutations::{KEYS, LIST, SHELF, remove, set, told, with, without};

const PATCH_ANSWER: &str = "/patch/responses/200/content/application~1json/schema";
const LIST_ANSWER: &str = "/responses/200/content/application~1json/schema";
const SHELF_FIELDS: &str = "/components/schemas/Shelf/properties";

#[test]
fn answers_that_change() {
    without(
        &format!("{SHELF_FIELDS}/owner/properties/email"),
        &["describe_shelf answer:/shelf/owner/email is not in the answer there"],
    );
    without(
        &format!("{SHELF_FIELDS}/name"),
        &[
            "list_shelves answer:/shelves/name is not in the answer there",
            "update_shelf answer:/shelf/name is not in the answer of getShelf there",
        ],
    );
    without(
        &format!("{SHELF_FIELDS}/width"),
        &["update_shelf answer:/shelf/width is not in the answer of getShelf there"],
    );
    without(
        &format!("{SHELF}{PATCH_ANSWER}/properties/shelf"),
        &["update_shelf answer:/shelf/id is not in the answer of updateShelf there"],
    );
    without(
        &format!("{LIST}{LIST_ANSWER}/allOf/1/properties/pagination/properties/next"),
        &["list_shelves answer:/pagination/next is not in the answer there"],
    );
    without(
        &format!("{SHELF}{PATCH_ANSWER}/properties/operations"),
        &["update_shelf answer:/operations is waited for, and has no operations there"],
    );
    let operations = json!({ "type": "object", "properties": { "operations": { "type": "array" } } });
    let answer = json!({ "content": { "application/json": { "schema": operations } } });
    with(
        &format!("{SHELF}/delete/responses/200"),
        answer,
        &["delete_shelf answer:/operations has operations there, and isn't waited for"],
    );
    let list =
        json!({ "content": { "application/json": { "schema": { "type": "array", "items": { "type": "object" } } } } });
    with(
        &format!("{SHELF}/delete/responses/200"),
        list,
        &["delete_shelf answer: is an object here, a bare list there"],
    );
    told(
        |file| {
            let content = remove(
                file,
                &format!("{SHELF}~1picture/get/responses/200/content/application~1octet-stream"),
            );
            set(
                file,
                &format!("{SHELF}~1picture/get/responses/200/content/application~1json"),
                content,
            );
        },
        &["get_picture answer: is bytes here, JSON there"],
    );
    told(
        |file| drop(remove(file, &format!("{KEYS}/responses/201/content"))),
        &[
            "create_key answer:/api_key is not in the answer there",
            "create_key answer: is empty there, and nothing is said when it is done",
        ],
    );
}

#[test]
fn published_types_that_change() {
    let members = "/components/responses/Shelf/content/application~1json/schema/properties/members";
    let email = format!("{members}/items/properties/email");
    for (type_there, told) in [
        (json!({ "type": "integer" }), "integer"),
        (
            json!({ "oneOf": [{ "type": "string" }, { "type": "object" }] }),
            "object or string",
        ),
        (json!({}), "any"),
    ] {
        let expected = format!("describe_shelf answer:/members/email the type is string here, {told} there");
        with(&email, type_there, &[expected.as_str()]);
    }
    // What lists its values, and what may be null, is a string all the same.
    with(&email, json!({ "enum": ["a", "b"], "nullable": true }), &[]);
    with(
        members,
        json!({ "type": "object", "properties": { "email": { "type": "string" }, "has_mfa": { "type": "boolean" } } }),
        &["describe_shelf answer:/members the type is array here, object there"],
    );
    with(
        &format!("{members}/items/type"),
        json!("string"),
        &["describe_shelf answer:/members the type is object here, string there"],
    );
    // What is gone is told once.
    without(
        &email,
        &["describe_shelf answer:/members/email is not in the answer there"],
    );
}

#[test]
fn secrets_that_appear() {
    with(
        &format!("{SHELF_FIELDS}/owner/properties/session_token"),
        json!({ "type": "string" }),
        &[
            "list_shelves answer:/shelves/*/owner/session_token looks like a secret, and isn't masked",
            "describe_shelf answer:/shelf/owner/session_token looks like a secret, and isn't masked",
            "update_shelf answer:/shelf/owner/session_token looks like a secret, and isn't masked",
        ],
    );
    with(
        &format!("{KEYS}/responses/201/content/application~1json/schema/properties/backup_uris"),
        json!({
            "type": "array", "items": { "type": "object", "properties": { "connection_uri": { "type": "string" } } }
        }),
        &["create_key answer:/backup_uris/*/connection_uri looks like a secret, and isn't masked"],
    );
    // A name that tells nothing, which the file itself marks.
    with(
        &format!("{KEYS}/responses/201/content/application~1json/schema/properties/note"),
        json!({
            "type": "string", "x-sensitive": true
        }),
        &["create_key answer:/note looks like a secret, and isn't masked"],
    );
    told(
        |file| {
            let fields = format!("{KEYS}/responses/201/content/application~1json/schema/properties");
            let key = remove(file, &format!("{fields}/api_key"));
            set(file, &format!("{fields}/key_secret"), key);
        },
        &[
            "create_key answer:/api_key is not in the answer there",
            "create_key answer:/key_secret looks like a secret, and isn't masked",
        ],
    );
}
