//! Every way in which operations and requests of a file can drift from the declarations, one at a time.

use serde_json::{Value, json};

use super::{file, found, intended, report};

pub(super) const LIST: &str = "/paths/~1shelves/get";
pub(super) const SHELF: &str = "/paths/~1shelves~1{shelf_id}";
pub(super) const KEYS: &str = "/paths/~1shelves~1{shelf_id}~1keys/post";
const LOCK: &str = "/requestBody/content/application~1json/schema/properties/lock";
const PATCH_BODY: &str = "/patch/requestBody/content/application~1json/schema/properties/shelf";

/// Puts a value at a pointer; a new field of an object, and at `-` a new item of a list.
pub(super) fn set(file: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
    let last = last.replace("~1", "/");
    match file.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Object(fields) => drop(fields.insert(last, value)),
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => items[last.parse::<usize>().expect("an index")] = value,
        other => panic!("{parent} is {other}"),
    }
}

/// Takes away what is at a pointer.
pub(super) fn remove(file: &mut Value, pointer: &str) -> Value {
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
    let last = last.replace("~1", "/");
    let removed = match file.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Object(fields) => fields.shift_remove(&last),
        Value::Array(items) => Some(items.remove(last.parse().expect("an index"))),
        _ => None,
    };
    removed.unwrap_or_else(|| panic!("{pointer}"))
}

/// Changes the file, and expects exactly this to be told.
#[track_caller]
pub(super) fn told(change: impl FnOnce(&mut Value), expected: &[&str]) {
    let mut file = file();
    change(&mut file);
    assert_eq!(found(&report(&file, &intended())), expected);
}

/// Puts one value, and expects exactly this to be told.
#[track_caller]
pub(super) fn with(pointer: &str, value: Value, expected: &[&str]) {
    told(|file| set(file, pointer, value), expected);
}

/// Takes one thing away, and expects exactly this to be told.
#[track_caller]
pub(super) fn without(pointer: &str, expected: &[&str]) {
    told(|file| drop(remove(file, pointer)), expected);
}

#[test]
fn operations_that_come_and_go() {
    without(KEYS, &["create_key its operation createKey is gone there"]);
    with(
        "/paths/~1new",
        json!({ "get": { "operationId": "newThing", "responses": {} } }),
        &["newThing is new there, and no tool stands for it (GET /new)"],
    );
    with(
        "/paths/~1new",
        json!({ "get": { "operationId": "newThing", "deprecated": true, "responses": {} } }),
        &["newThing is deprecated there: leave it out with a reason (GET /new)"],
    );
    with(
        &format!("{LIST}/deprecated"),
        json!(true),
        &["listShelves is deprecated there, and a tool stands for it"],
    );
    with(
        &format!("{LIST}/x-internal"),
        json!(true),
        &["listShelves is internal there, and a tool stands for it"],
    );
    with(
        "/paths/~1old/get/deprecated",
        json!(false),
        &["oldThing is left out, and neither deprecated nor internal there"],
    );
    without("/paths/~1old", &["oldThing is left out, but isn't in the file"]);
    let count = json!({ "get": { "operationId": "countShelves", "responses": { "200": {
        "content": { "application/json": { "schema": { "type": "object" } } }
    } } } });
    with(
        "/paths/~1shelves~1count",
        count,
        &["countShelves is in the file now: take it off `newer`"],
    );
}

#[test]
fn methods_and_paths_that_change() {
    told(
        |file| {
            let operation = remove(file, &format!("{SHELF}/patch"));
            set(file, &format!("{SHELF}/put"), operation);
        },
        &["update_shelf the method is PATCH here, PUT there"],
    );
    told(
        |file| {
            let operations = remove(file, "/paths/~1shelves");
            set(file, "/paths/~1bookshelves", operations);
        },
        &["list_shelves the path is /shelves here, /bookshelves there"],
    );
    told(
        |file| {
            let operations = remove(file, "/paths/~1shelves~1{shelf_id}~1picture");
            set(file, "/paths/~1shelves~1{id}~1picture", operations);
            let parameter = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
            set(file, "/paths/~1shelves~1{id}~1picture/parameters/0", parameter);
        },
        &[
            "get_picture the path is /shelves/{shelf_id}/picture here, /shelves/{id}/picture there",
            "get_picture path:/shelf_id is no parameter of the path there",
        ],
    );
    told(
        |file| {
            let content = remove(file, &format!("{KEYS}/requestBody/content/application~1json"));
            set(
                file,
                &format!("{KEYS}/requestBody/content/multipart~1form-data"),
                content,
            );
        },
        &["create_key the body is application/json here, multipart/form-data there"],
    );
}

#[test]
fn parameters_that_come_go_and_move() {
    let new =
        |required: bool| json!({ "name": "near", "in": "query", "required": required, "schema": { "type": "string" } });
    let parameters = format!("{LIST}/parameters");
    with(
        &format!("{parameters}/0/name"),
        json!("q"),
        &[
            "list_shelves query:/q is not offered here",
            "list_shelves query:/search is not known there",
        ],
    );
    without(
        &format!("{parameters}/3"),
        &["list_shelves query:/cursor is not known there"],
    );
    with(
        &format!("{parameters}/-"),
        new(false),
        &["list_shelves query:/near is not offered here"],
    );
    with(
        &format!("{parameters}/-"),
        new(true),
        &["list_shelves query:/near is required there, and not offered here"],
    );
    with(
        &format!("{parameters}/0/required"),
        json!(true),
        &["list_shelves query:/search is optional here, required there"],
    );
    // What isn't given is sent as the declaration's default.
    with(&format!("{parameters}/1/required"), json!(true), &[]);
    with(
        &format!("{parameters}/0/in"),
        json!("header"),
        &[
            "list_shelves header:/search is not offered here",
            "list_shelves query:/search is not known there",
        ],
    );
    with(
        &format!("{parameters}/5/deprecated"),
        json!(false),
        &["list_shelves query:/order is not offered here"],
    );
    // What the query held is in a body.
    told(
        |file| {
            let parameter = remove(file, &format!("{parameters}/0"));
            let schema = json!({ "type": "object", "properties": { "search": parameter["schema"] } });
            set(
                file,
                &format!("{LIST}/requestBody"),
                json!({ "content": { "application/json": { "schema": schema } } }),
            );
        },
        &[
            "list_shelves query:/search is not known there",
            "list_shelves body:/search is not offered here",
        ],
    );
}

#[test]
fn fields_of_bodies_that_come_and_go() {
    let fields = format!("{SHELF}{PATCH_BODY}/properties");
    with(
        &format!("{fields}/depth"),
        json!({ "type": "integer" }),
        &["update_shelf body:/shelf/depth is not offered here"],
    );
    without(
        &format!("{fields}/name"),
        &["update_shelf body:/shelf/name is not known there"],
    );
    with(
        &format!("{SHELF}{PATCH_BODY}/required"),
        json!(["name"]),
        &[
            "update_shelf body:/shelf the value {} is sent here, and refused there",
            "update_shelf body:/shelf/name is optional here, required there",
        ],
    );
    told(
        |file| {
            set(
                file,
                &format!("{fields}/boards/items/properties/wood"),
                json!({ "type": "string" }),
            );
            set(
                file,
                &format!("{fields}/boards/items/required"),
                json!(["height", "wood"]),
            );
        },
        &["update_shelf body:/shelf/boards/0/wood is required there, and not offered here"],
    );
    with(
        &format!("{KEYS}/requestBody/content/application~1json/schema/required"),
        json!(["kind", "lock"]),
        &["create_key body:/name is required here, optional there"],
    );
    without(
        &format!("{SHELF}/patch/requestBody"),
        &[
            "update_shelf body:/shelf/name there is no body there",
            "update_shelf body:/shelf/width there is no body there",
            "update_shelf body:/shelf/lent_until there is no body there",
            "update_shelf body:/shelf/boards/0/height there is no body there",
            "update_shelf body:/shelf there is no body there",
            "update_shelf body:/shelf/width is not so any more: minimum is 20 here, 10 there",
        ],
    );
}

#[test]
fn values_that_change() {
    let parameters = format!("{LIST}/parameters");
    let fields = format!("{SHELF}{PATCH_BODY}/properties");
    let key = format!("{KEYS}/requestBody/content/application~1json/schema/properties");
    with(
        &format!("{parameters}/0/schema/type"),
        json!("integer"),
        &["list_shelves query:/search the type is string here, integer there"],
    );
    with(
        &format!("{parameters}/1/schema/items/enum"),
        json!(["oak", "pine", "ash"]),
        &["list_shelves query:/woods/* the value \"ash\" is known there, and not offered here"],
    );
    with(
        &format!("{parameters}/1/schema/items/enum"),
        json!(["oak"]),
        &["list_shelves query:/woods/* the value \"pine\" is taken here, and not known there"],
    );
    without(
        &format!("{parameters}/1/schema/items/enum"),
        &["list_shelves query:/woods/* only \"oak\", \"pine\" here, any value there"],
    );
    with(
        &format!("{parameters}/0/schema/enum"),
        json!(["a"]),
        &["list_shelves query:/search any value here, only \"a\" there"],
    );
    with(
        &format!("{parameters}/2/explode"),
        json!(true),
        &["list_shelves query:/tags a list is joined by commas here, repeated there"],
    );
    with(
        &format!("{parameters}/4/schema/maximum"),
        json!(50),
        &["list_shelves query:/limit the largest page is 100 here, 50 there"],
    );
    with(
        &format!("{fields}/name/maxLength"),
        json!(40),
        &["update_shelf body:/shelf/name maxLength is 60 here, 40 there"],
    );
    without(
        &format!("{fields}/name/minLength"),
        &["update_shelf body:/shelf/name minLength is 1 here, none there"],
    );
    with(
        &format!("{fields}/name/pattern"),
        json!("^[a-z]+$"),
        &["update_shelf body:/shelf/name pattern is none here, ^[a-z]+$ there"],
    );
    without(
        &format!("{fields}/lent_until/format"),
        &["update_shelf body:/shelf/lent_until format is date-time here, none there"],
    );
    without(
        &format!("{fields}/lent_until/nullable"),
        &["update_shelf body:/shelf/lent_until the type is null or string here, string there"],
    );
    with(
        &format!("{fields}/boards/items/properties/height/type"),
        json!("integer"),
        &["update_shelf body:/shelf/boards/0/height the type is number here, integer there"],
    );
    with(
        &format!("{key}/kind/enum"),
        json!(["robot"]),
        &["create_key body:/kind the value \"user\" is sent here, and refused there"],
    );
    with(
        &format!("{KEYS}{LOCK}/discriminator/mapping/gold"),
        json!("#/components/schemas/Iron"),
        &["create_key body:/lock/made_of the value \"gold\" is known there, and not offered here"],
    );
    with(
        "/components/schemas/Iron/properties/rust",
        json!({ "type": "boolean" }),
        &["create_key body:/lock/rust is not offered here"],
    );
    // What is meant is explained for what it was.
    with(
        &format!("{fields}/width/minimum"),
        json!(15),
        &[
            "update_shelf body:/shelf/width minimum is 20 here, 15 there",
            "update_shelf body:/shelf/width is not so any more: minimum is 20 here, 10 there",
        ],
    );
}
