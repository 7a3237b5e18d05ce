//! JSON as it is written: what of a text a parsed value would lose, and where.
//!
//! A parsed value holds numbers as doubles or 64-bit integers, and one value for each name. So a number with more digits would come
//! out as another one, and a name that stands twice would lose a value, and nobody would know. What must stay exact is kept as its
//! own text; everything else that a value can't hold is refused, with its place.

mod flaw;
mod made;
mod number;
mod scan;

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

pub(crate) use flaw::Flaw;
pub(crate) use made::{Made, weight};
pub(crate) use number::{MAX_NUMBER, is_exact_number, whole};
use scan::{PARAMETERS, Scan};

/// The most values that are made of one text.
const MAX_VALUES: usize = 100_000;

/// Why a text doesn't become a value.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It isn't JSON.
    Syntax(serde_json::Error),
    /// It is, and holds what no value can.
    Flaw(Flaw),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(formatter),
            Self::Flaw(flaw) => flaw.fmt(formatter),
        }
    }
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// What it says.
    pub(crate) value: Value,
    /// The value says it in another form than the text: some SQL parameters are text now.
    pub(crate) rewritten: bool,
}

/// Reads a text, each SQL parameter exactly: what a value couldn't hold of one (digits, names that stand twice, deep nesting)
/// becomes a string that holds its JSON text, which is what Postgres would be sent anyway. The items of lists called `params` are
/// parameters.
///
/// # Errors
/// When it isn't JSON, or holds what can't be taken exactly: numbers beyond a double, lone surrogates, and outside of parameters
/// names that stand twice and too much nesting.
pub(crate) fn read(text: &str) -> Result<Read, Unread> {
    // Whatever looked at the text before it came here: this is where values are made of it.
    if Made::of(text.as_bytes()).values > MAX_VALUES {
        return Err(Unread::Flaw(Flaw {
            place: String::new(),
            what: format!("holds more than {MAX_VALUES} values"),
            id: None,
        }));
    }
    read_below(text, 0)
}

/// Reads a message of JSON-RPC as [`read`] does: its own `params` are none of SQL.
///
/// # Errors
/// As those of [`read`].
pub(crate) fn read_message(text: &str) -> Result<Read, Unread> {
    read_below(text, 1)
}

fn read_below(text: &str, depth: usize) -> Result<Read, Unread> {
    // Neither numbers nor depth matter to this pass, so what it refuses is the grammar.
    serde_json::from_str::<IgnoredAny>(text).map_err(Unread::Syntax)?;
    let found = Scan::of(text, depth);
    if let Some(flaw) = found.flaw {
        return Err(Unread::Flaw(Flaw { id: found.id, ..flaw }));
    }
    let rewritten = !found.kept.is_empty();
    let parsed = if rewritten {
        serde_json::from_str(&with_strings(text, &found.kept))
    } else {
        serde_json::from_str(text)
    };
    Ok(Read {
        value: parsed.map_err(Unread::Syntax)?,
        rewritten,
    })
}

/// Reads the text of a list of SQL parameters, each exactly, as [`read`] does.
pub(crate) fn read_parameters(text: &str) -> Option<Value> {
    let head = format!("{{\"{PARAMETERS}\":");
    let read = read(&format!("{head}{text}}}")).ok()?;
    // What is no value by itself isn't one inside either.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    read.value.get(PARAMETERS).cloned()
}

/// The value that a text says, where the value holds all that it says; `None` where digits, names or more would be lost, or where
/// it is no JSON.
pub(crate) fn exact(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok()?;
    let found = Scan::of(text, 0);
    (found.flaw.is_none() && !found.inexact).then_some(value)
}

/// The text with each of these pieces as a JSON string of itself.
fn with_strings(text: &str, pieces: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut done = 0;
    for piece in pieces {
        out.push_str(text.get(done..piece.start).unwrap_or_default());
        out.push_str(&Value::from(text.get(piece.clone()).unwrap_or_default()).to_string());
        done = piece.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::number::digits;
    use super::*;

    fn parameters(text: &str) -> Value {
        read(&format!(r#"{{"arguments":{{"params":{text}}}}}"#))
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .value
            .pointer("/arguments/params")
            .cloned()
            .unwrap()
    }

    fn flaw(text: &str) -> Flaw {
        match read(text) {
            Err(Unread::Flaw(flaw)) => flaw,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn parameters_are_values_as_long_as_those_hold_all_of_them() {
        for text in [
            r#"[1,-2,0.5,"a",null,true,[1,[2]],{"a":{"b":0.25}},9007199254740991,[],{}]"#,
            r#"["1e400","\u00e9","\ud83d\ude00"]"#,
        ] {
            assert_eq!(parameters(text), serde_json::from_str::<Value>(text).unwrap());
        }
        for (text, is) in [
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9007199254740993", "-9007199254740993"),
            ("1.10", "1.10"),
            ("1e20", "1e20"),
            ("5.00000000000000000001", "5.00000000000000000001"),
            (r#"{"a": 1, "a": 2}"#, r#"{"a": 1, "a": 2}"#),
            (r#"{"a": [1.0]}"#, r#"{"a": [1.0]}"#),
            ("[0.1234567890123456789]", "[0.1234567890123456789]"),
        ] {
            assert_eq!(parameters(&format!(" [1, {text} ,2]")), json!([1, is, 2]), "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(parameters(&format!("[{deep}]")), json!([deep]));
        assert_eq!(parameters("[5.0,1e3]"), json!([5.0, 1e3]), "whole numbers stay numbers");
    }

    #[test]
    fn what_no_value_holds_is_refused_with_its_place() {
        for (text, place, says) in [
            (
                r#"{"id":7,"params":{"arguments":{"a":[0,1e400]}}}"#,
                "/params/arguments/a/1",
                "1e400",
            ),
            (r#"{"params":[-1e999],"id":7}"#, "/params/0", "as a string"),
            (r#"{"id":7,"a/b":"\ud800"}"#, "/a~1b", "half of a character"),
            (r#"{"id":7,"a":"\udc00\ud800"}"#, "/a", "half of a character"),
            (r#"{"id":7,"a":{"b":1,"b":2}}"#, "/a/b", "twice"),
            (r#"{"id":7,"a":{"b":1,"\u0062":2}}"#, "/a/b", "twice"),
            (r#"{"id":7,"a":1e-400}"#, "/a", "too small"),
        ] {
            let flaw = flaw(text);
            assert_eq!(flaw.place, place, "{text}");
            assert!(flaw.what.contains(says), "{text}: {flaw}");
        }
        assert_eq!(flaw(r#"{"id":7,"a":{"b":1,"b":2}}"#).id, Some(json!(7)));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(300), "]".repeat(300));
        assert!(flaw(&deep).what.contains("nested"), "{deep}");
        assert!(matches!(read("{"), Err(Unread::Syntax(_))));
        assert!(matches!(read("nope"), Err(Unread::Syntax(_))));
    }

    #[test]
    fn documents_are_values_where_nothing_is_lost() {
        for text in [
            r#"{"a": [1, 2.5, "x", null]}"#,
            "1.10",
            "9007199254740992",
            "1e300",
            "0.0",
            "-0",
        ] {
            assert!(exact(text).is_some(), "{text}");
        }
        for text in [
            "0.1234567890123456789",
            "9007199254740993",
            "1e400",
            r#"{"a": 1, "a": 1}"#,
            r#""\ud800""#,
            &format!("{}{}", "[".repeat(500), "]".repeat(500)),
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_exact_or_kept(token in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?") {
            let read = parameters(&format!("[{token}]"));
            match &read[0] {
                Value::String(text) => prop_assert_eq!(text, &token),
                number => prop_assert_eq!(digits(&number.to_string()), digits(&token)),
            }
        }
    }
}
