//! What a message must be before anything is done with it: one of JSON-RPC 2.0, with parameters that its method takes.
//!
//! rmcp reads a message as the first of many forms that fits. A call whose parameters fit none of them is "method not found"
//! then, or a message that has no id, and who sent it can't tell what was wrong.

use std::borrow::Cow;

use rmcp::model::{
    CallToolRequestParams, ErrorData, InitializeRequestParams, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use serde_json::{Map, Value, json};

use crate::json::{self, Flaw, Unread, weight};

/// The longest id of a request, in bytes: it is kept as long as the request runs. The longest that is known of clients is a UUID.
const MAX_ID: usize = 256;

/// The longest name of a method, in bytes.
const MAX_METHOD: usize = 256;

/// The most that a client may say of itself, in bytes of memory (see [`weight`]): it is kept as long as its session. What known
/// clients say takes less than a tenth of it.
const MAX_HELLO: usize = 64 * 1024;

/// A message that is refused: whose it was, as far as that can be told, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) id: Option<RequestId>,
    pub(super) error: ErrorData,
}

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Checked {
    /// It can be looked at as it is.
    Fine,
    /// It is looked at in this form.
    Changed(Value),
    /// It is answered with an error.
    Refused(Refused),
    /// It wants no answer, and can't be understood.
    Dropped,
}

/// What a message asks for, as far as whoever passes it on must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// A tool call.
    Call(RequestId),
    /// The list of tools.
    ToolList(RequestId),
    /// What reads something that the server has at hand, or asks whether it is there: nothing is begun by it.
    Read(RequestId),
    /// Anything else that wants an answer.
    Other(RequestId),
}

impl Request {
    fn of(message: &Value) -> Option<Self> {
        let id = message.get("id").and_then(request_id)?;
        Some(match message.get("method")?.as_str()? {
            "tools/call" => Self::Call(id),
            "tools/list" => Self::ToolList(id),
            "ping" | "server/discover" | "resources/read" => Self::Read(id),
            method if method.ends_with("/list") => Self::Read(id),
            _ => Self::Other(id),
        })
    }

    /// Whether it only reads: a client that was given a result may look with it whether the result is as promised.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::ToolList(_) | Self::Read(_))
    }

    /// Its id.
    pub(super) fn id(&self) -> &RequestId {
        match self {
            Self::Call(id) | Self::ToolList(id) | Self::Read(id) | Self::Other(id) => id,
        }
    }
}

/// Reads a message and looks at it.
///
/// # Errors
/// When it is no JSON.
pub(super) fn read(text: &[u8]) -> Result<Checked, serde_json::Error> {
    read_request(text).map(|(checked, _)| checked)
}

/// Reads a message, looks at it, and says what it asks for. Nothing where it asks for nothing: a notification, or an answer.
///
/// # Errors
/// When it is no JSON.
pub(super) fn read_request(text: &[u8]) -> Result<(Checked, Option<Request>), serde_json::Error> {
    let Ok(text) = std::str::from_utf8(text) else {
        // It says where.
        return serde_json::from_slice::<Value>(text).map(|message| (check(&message), Request::of(&message)));
    };
    match json::read_message(text) {
        Ok(read) => {
            let request = Request::of(&read.value);
            let checked = match check(&read.value) {
                Checked::Fine if read.rewritten => Checked::Changed(read.value),
                checked => checked,
            };
            Ok((checked, request))
        }
        Err(Unread::Syntax(error)) => Err(error),
        Err(Unread::Flaw(flaw)) => Ok((Checked::Refused(flawed(&flaw)), None)),
    }
}

/// A message as it goes out. An error that answers what has no id, or none that can be read, has the id `null` (JSON-RPC 2.0,
/// section 5); rmcp leaves it out, and clients then take the answer for none.
///
/// # Errors
/// When it can't be written as JSON.
pub(super) fn written(message: &ServerJsonRpcMessage) -> Result<Vec<u8>, serde_json::Error> {
    match message {
        JsonRpcMessage::Error(error) if error.id.is_none() => {
            serde_json::to_vec(&json!({"jsonrpc": "2.0", "id": null, "error": error.error}))
        }
        message => serde_json::to_vec(message),
    }
}

/// What isn't a message because of something in it that can't be taken for what it is.
fn flawed(flaw: &Flaw) -> Refused {
    Refused {
        id: flaw.id.as_ref().and_then(request_id),
        error: ErrorData::parse_error(format!("the message can't be taken: {flaw}"), None),
    }
}

/// Looks at a message.
fn check(message: &Value) -> Checked {
    let Some(object) = message.as_object() else {
        let text = match message {
            Value::Array(_) => "several messages at once are not taken: send one at a time",
            _ => "a message is a JSON object",
        };
        return invalid(None, text);
    };
    let id = object.get("id");
    let known = id.and_then(request_id);
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid(known, "`jsonrpc` must be \"2.0\"");
    }
    let Some(method) = object.get("method") else {
        // An answer to nobody's question is nobody's.
        return match (object.contains_key("result") || object.contains_key("error"), known) {
            (true, Some(_)) => Checked::Fine,
            (true, None) => Checked::Dropped,
            (false, known) => invalid(
                known,
                "a message has a `method`, or is an answer with `result` or `error`",
            ),
        };
    };
    let Some(method) = method.as_str() else {
        return invalid(known, "`method` must be a string");
    };
    if method.len() > MAX_METHOD {
        return invalid(known, "`method` is longer than any that there is");
    }
    let params = object.get("params").unwrap_or(&Value::Null);
    let Some(_) = id else {
        // JSON-RPC 2.0, section 4.1: a notification is never answered.
        return match params {
            Value::Null | Value::Object(_) => Checked::Fine,
            _ => Checked::Dropped,
        };
    };
    let Some(id) = known else {
        return match id {
            Some(Value::String(_)) => invalid(None, format!("`id` must be of at most {MAX_ID} bytes")),
            _ => invalid(None, "`id` must be a string or a whole number"),
        };
    };
    match problem(method, params) {
        Some(text) => Checked::Refused(Refused {
            id: Some(id),
            error: ErrorData::invalid_params(format!("{method}: {text}"), None),
        }),
        None if method == "initialize" => hello(object, id),
        None => arguments_read(object).map_or(Checked::Fine, Checked::Changed),
    }
}

/// What of a client's first message nothing here looks at, and clients send at length: pictures of theirs, experiments.
const UNREAD: [(&str, &str); 2] = [("clientInfo", "icons"), ("capabilities", "experimental")];

/// The first message of a client, without what is [`UNREAD`].
fn hello(message: &Map<String, Value>, id: RequestId) -> Checked {
    let Some(params) = message.get("params").and_then(Value::as_object) else {
        return Checked::Fine;
    };
    let unread = || {
        let found = |(of, unread): &(&str, &str)| params.get(*of)?.get(unread);
        UNREAD.iter().filter_map(found)
    };
    let all = params.values().map(weight).sum::<usize>();
    if all.saturating_sub(unread().map(weight).sum()) > MAX_HELLO {
        return Checked::Refused(Refused {
            id: Some(id),
            error: ErrorData::invalid_params(
                "initialize: what the client says of itself is too much: leave out what isn't needed",
                None,
            ),
        });
    }
    if unread().next().is_none() {
        return Checked::Fine;
    }
    let mut message = message.clone();
    for (of, unread) in UNREAD {
        let holder = message.get_mut("params").and_then(|params| params.get_mut(of));
        if let Some(holder) = holder.and_then(Value::as_object_mut) {
            holder.shift_remove(unread);
        }
    }
    Checked::Changed(Value::Object(message))
}

fn request_id(id: &Value) -> Option<RequestId> {
    let is_one = match id {
        Value::String(text) => text.len() <= MAX_ID,
        id => id.is_i64(),
    };
    is_one.then(|| serde_json::from_value(id.clone()).ok())?
}

fn invalid(id: Option<RequestId>, text: impl Into<Cow<'static, str>>) -> Checked {
    Checked::Refused(Refused {
        id,
        error: ErrorData::invalid_request(text, None),
    })
}

/// What is wrong with the parameters of a method, if anything is.
fn problem(method: &str, params: &Value) -> Option<String> {
    let none = Map::new();
    let params = match params {
        Value::Object(params) => params,
        Value::Null => &none,
        _ => return Some("`params` must be an object".to_owned()),
    };
    if params.get("_meta").is_some_and(|meta| !meta.is_object()) {
        return Some("`_meta` must be an object".to_owned());
    }
    let read = |error: serde_json::Error| format!("the parameters can't be read: {error}");
    match method {
        "initialize" => serde_json::from_value::<InitializeRequestParams>(Value::Object(params.clone()))
            .err()
            .map(read),
        "tools/call" => {
            if !params.get("name").is_some_and(Value::is_string) {
                return Some("`name` must be the name of a tool".to_owned());
            }
            match params.get("arguments") {
                None | Some(Value::Null | Value::Object(_)) => {}
                Some(Value::String(text)) => match object_of(text) {
                    Ok(_) => {}
                    Err(text) => return Some(text),
                },
                Some(_) => return Some("`arguments` must be an object".to_owned()),
            }
            // The arguments, which may be large, are looked at when the tool is known.
            let others = params.iter().filter(|(name, _)| *name != "arguments");
            let others = others.map(|(name, value)| (name.clone(), value.clone())).collect();
            serde_json::from_value::<CallToolRequestParams>(Value::Object(others))
                .err()
                .map(read)
        }
        _ if method.ends_with("/list") => match params.get("cursor") {
            None | Some(Value::Null | Value::String(_)) => None,
            Some(_) => Some("`cursor` must be a string".to_owned()),
        },
        _ => None,
    }
}

/// The arguments that a client sent as the text of an object.
///
/// # Errors
/// When they aren't that, or hold what can't be taken; the text says what and where.
pub(super) fn object_of(text: &str) -> Result<Map<String, Value>, String> {
    const NO_OBJECT: &str = "`arguments` must be an object";
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match json::read(text).map(|read| read.value) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) | Err(Unread::Syntax(_)) => Err(NO_OBJECT.to_owned()),
        Err(Unread::Flaw(flaw)) => Err(format!("`arguments`: {flaw}")),
    }
}

/// The message with its arguments as an object, where a client sent them as the text of one.
fn arguments_read(message: &Map<String, Value>) -> Option<Value> {
    if message.get("method").and_then(Value::as_str) != Some("tools/call") {
        return None;
    }
    let arguments = object_of(message.get("params")?.get("arguments")?.as_str()?).ok()?;
    let mut message = message.clone();
    let params = message.get_mut("params")?.as_object_mut()?;
    params.insert("arguments".to_owned(), Value::Object(arguments));
    Some(Value::Object(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(more: Value) -> Value {
        let mut params =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    }

    #[test]
    fn what_a_client_says_of_itself_is_kept_as_far_as_it_is_looked_at() {
        assert!(matches!(check(&hello(json!({}))), Checked::Fine));
        let capabilities = json!({"elicitation": {}, "experimental": {"a": {"b": 1}}, "extensions": {"x": {}}});
        let Checked::Changed(kept) = check(&hello(json!({"capabilities": capabilities}))) else {
            panic!("it is left as it is")
        };
        assert_eq!(
            kept["params"]["capabilities"],
            json!({"elicitation": {}, "extensions": {"x": {}}})
        );
        let many: Map<String, Value> = (0..300)
            .map(|number| (format!("k{number}"), json!({"a": {}})))
            .collect();
        let checked = check(&hello(json!({"capabilities": {"extensions": many}})));
        assert!(matches!(checked, Checked::Refused(_)));
    }

    #[test]
    fn long_ids_and_methods_are_no_messages() {
        let of = |id: Value, method: &str| check(&json!({"jsonrpc": "2.0", "id": id, "method": method}));
        assert!(matches!(of(json!("a".repeat(MAX_ID)), "ping"), Checked::Fine));
        for checked in [
            of(json!("a".repeat(MAX_ID + 1)), "ping"),
            of(json!(1), &"m".repeat(MAX_METHOD + 1)),
        ] {
            assert!(matches!(checked, Checked::Refused(_)));
        }
    }
}
