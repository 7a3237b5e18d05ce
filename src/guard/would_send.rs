//! The request that a call would send, as plans and dry runs show it.

use serde_json::{Map, Value, json};

use super::arguments::{can_be_shown, file_in_short, without_secrets};
use super::mask;
use crate::catalog::Tool;
use crate::neon::Request;
use crate::text::{escaped, one_line};

/// The request, in a line, and its body. This is what a dry run answers, too.
#[must_use]
pub fn would_send(tool: &Tool, arguments: &Map<String, Value>, request: &Request) -> Value {
    let mut line = format!("{} {}", request.method(), escaped(&mask::mask_text(request.path())));
    for (index, (name, value)) in request.query().iter().enumerate() {
        line.push_str(if index == 0 { "?" } else { "&" });
        line.push_str(&format!("{name}={}", escaped(&mask::mask_text(value))));
    }
    let mut sent = json!({"request": line});
    if let Some(body) = request.body() {
        let mut body = bounded(body, tool, arguments);
        if !body.is_object() {
            mask::mask(&mut body, &[], &[]);
        }
        if let Some(sent) = sent.as_object_mut() {
            sent.insert("body".into(), body);
        }
    }
    if let (Some(files), Some(sent)) = (request.form(), sent.as_object_mut()) {
        let files = files.iter().map(|file| {
            let shown = format!("{}: {}", file.name, file_in_short(&file.bytes));
            (file.field.clone(), Value::from(shown))
        });
        sent.insert("files".into(), files.collect::<Map<_, _>>().into());
    }
    sent
}

/// A copy without secrets. What is longer than a human can be shown is cut: nobody is asked about that.
fn bounded(value: &Value, tool: &Tool, arguments: &Map<String, Value>) -> Value {
    let Value::Object(object) = value else {
        return cut(value);
    };
    object
        .iter()
        .map(|(name, value)| {
            // What stands deeper in the body has its argument's name there, too.
            let shown = match value {
                Value::Object(_) if tool.property(name).is_none() => bounded(value, tool, arguments),
                value => without_secrets(tool, name, value, arguments),
            };
            (name.clone(), cut(&shown))
        })
        .collect::<Map<_, _>>()
        .into()
}

fn cut(value: &Value) -> Value {
    if can_be_shown(value) {
        return value.clone();
    }
    match value {
        Value::String(text) => format!("{} ({} characters in all)", one_line(text, 120), text.chars().count()).into(),
        Value::Array(items) => {
            let more = items.len().saturating_sub(20);
            let shown = items.iter().take(20).map(cut);
            shown
                .chain((more > 0).then(|| format!("… and {more} more").into()))
                .collect()
        }
        Value::Object(object) => {
            let shown: Map<String, Value> = object.iter().map(|(name, value)| (name.clone(), cut(value))).collect();
            shown.into()
        }
        other => other.clone(),
    }
}
