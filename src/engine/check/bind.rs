//! From arguments to the request: path, query, body.

use serde_json::{Map, Value};

use crate::catalog::{BodyForm, Place, Tool};
use crate::engine::check::files::Files;
use crate::neon::{Method, PathSegment, Request};

/// Puts the request together. Arguments are checked, and names in them are ids by now (but for a plan, which shows
/// what was given). `files` are those that the arguments give.
///
/// # Errors
/// When an argument can't stand where the declaration puts it: a defect of the declaration.
pub(in crate::engine) fn bind(tool: &Tool, arguments: &Map<String, Value>, files: &Files) -> Result<Request, String> {
    let declaration = &tool.declaration;
    let mut segments: Vec<(&str, PathSegment)> = Vec::new();
    for placeholder in &tool.placeholders {
        let value = arguments
            .get(placeholder)
            .ok_or_else(|| format!("`{placeholder}` is missing"))?;
        segments.push((
            placeholder.as_str(),
            segment(value).map_err(|error| format!("`{placeholder}` {error}"))?,
        ));
    }
    let mut request = Request::new(declaration.request.method, declaration.request.path.as_str(), &segments)
        .map_err(|error| error.to_string())?;
    let mut body = None;
    for (name, value) in arguments.iter().filter(|(name, _)| !tool.placeholders.contains(name)) {
        request = put(request, &mut body, &tool.place(name), value)?;
    }
    for constant in &declaration.request.set {
        let applies = constant
            .when
            .as_ref()
            .is_none_or(|condition| condition.fits(arguments) == Some(true));
        if applies {
            request = put(request, &mut body, &constant.at, &constant.value)?;
        }
    }
    // What wraps its fields ({"branch": {…}}) must be there even when no field is given: some APIs refuse an absent body.
    if body.is_none() && matches!(declaration.request.method, Method::Put | Method::Patch) {
        body = Some(Value::Object(Map::new()));
    }
    let request = match body {
        Some(body) => request.with_body(body),
        None => request,
    };
    Ok(match declaration.request.body {
        BodyForm::Json => request,
        BodyForm::Multipart { .. } => request.with_form(files.parts.clone()),
    })
}

fn segment(value: &Value) -> Result<PathSegment, String> {
    match value {
        Value::String(text) => PathSegment::name(text).map_err(|error| error.to_string()),
        Value::Number(number) => number
            .as_i64()
            .map(PathSegment::integer)
            .ok_or_else(|| "is no whole number".to_owned()),
        _ => Err("is neither text nor number".to_owned()),
    }
}

/// Puts a value where it goes.
pub(in crate::engine) fn put(
    request: Request,
    body: &mut Option<Value>,
    place: &Place,
    value: &Value,
) -> Result<Request, String> {
    Ok(match place {
        Place::Local => request,
        Place::Query(name) => match value {
            Value::Array(items) => items
                .iter()
                .fold(request, |request, item| request.with_query(name, plain(item))),
            value => request.with_query(name, plain(value)),
        },
        Place::QueryComma(name) => match value {
            Value::Array(items) => request.with_query(name, items.iter().map(plain).collect::<Vec<_>>().join(",")),
            value => request.with_query(name, plain(value)),
        },
        Place::Body(pointer) => {
            insert(
                body.get_or_insert_with(|| Value::Object(Map::new())),
                pointer,
                value.clone(),
            )?;
            request
        }
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Puts a value at a JSON pointer, making what is missing on the way: an array where the next step is a number.
fn insert(root: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let mut at = root;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if let Ok(index) = step.parse::<usize>() {
            if !at.is_array() {
                *at = Value::Array(Vec::new());
            }
            let items = at
                .as_array_mut()
                .ok_or_else(|| format!("{pointer} is no place in the body"))?;
            if index > items.len() {
                return Err(format!("{pointer} leaves a gap in a list"));
            }
            if index == items.len() {
                items.push(Value::Null);
            }
            at = items
                .get_mut(index)
                .ok_or_else(|| format!("{pointer} is no place in the body"))?;
        } else {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            let object = at
                .as_object_mut()
                .ok_or_else(|| format!("{pointer} is no place in the body"))?;
            at = object.entry(step).or_insert(Value::Null);
        }
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::insert;

    #[test]
    fn a_pointer_makes_objects_and_arrays_on_its_way() {
        let mut body = Value::Null;
        insert(&mut body, "/branch/name", json!("dev")).unwrap();
        insert(&mut body, "/endpoints/0/type", json!("read_write")).unwrap();
        insert(&mut body, "/endpoints/0/min", json!(1)).unwrap();
        assert_eq!(
            body,
            json!({"branch": {"name": "dev"}, "endpoints": [{"type": "read_write", "min": 1}]})
        );
        assert!(insert(&mut body, "/endpoints/2/type", json!("read_only")).is_err());
    }
}
