//! Parameters as Postgres reads them: each is a text, and what a JSON value's text is depends on the type that the statement
//! expects there.
//!
//! A list is where that matters: `[[]]` is a document for `jsonb`, and `{{}}`, a Postgres array, for `int[]`. Neon's proxy takes
//! every list for an array, and so a `json` column would get an object. So Postgres is asked which types it expects.

use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::ResultSet;
use crate::json;

/// What a statement expects in the place of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The type's name, as Postgres writes it.
    pub type_name: String,
    /// The character between the items, where it is an array.
    delimiter: Option<char>,
    /// The items are documents themselves.
    of_documents: bool,
}

/// Asks what a prepared statement's parameters are. `$1` is its name.
pub(super) const TYPES: &str = include_str!("parameters.sql");

/// Whether what some value's text is depends on the type that is expected.
#[must_use]
pub fn depend_on_types(values: &[Value]) -> bool {
    values.iter().any(|value| list(value).is_some())
}

/// Whether a text is an array as Postgres writes it: `{…}`, or `[0:1]={…}`.
#[must_use]
pub fn is_array_literal(text: &str) -> bool {
    let text = text.trim();
    let braces = match text.split_once('=') {
        Some((bounds, braces)) if bounds.starts_with('[') => braces.trim_start(),
        _ => text,
    };
    braces.starts_with('{') && braces.ends_with('}')
}

impl Expected {
    /// Whether a value of that type can be any text, so that the JSON text of a list is one.
    #[must_use]
    pub fn is_any_text(&self) -> bool {
        let plain = self.type_name.split('(').next().unwrap_or_default();
        matches!(
            plain,
            "text" | "character varying" | "character" | "name" | "bytea" | "\"char\""
        )
    }

    /// Whether a list can be a value of that type: an array, a document, or a type of an extension that reads `[1, 2]`.
    #[must_use]
    pub fn takes_lists(&self) -> bool {
        const ONE: [&str; 23] = [
            "integer",
            "bigint",
            "smallint",
            "oid",
            "numeric",
            "real",
            "double precision",
            "money",
            "text",
            "name",
            "character",
            "character varying",
            "\"char\"",
            "boolean",
            "uuid",
            "date",
            "timestamp",
            "timestamp with time zone",
            "timestamp without time zone",
            "time without time zone",
            "time with time zone",
            "interval",
            "bytea",
        ];
        let plain = self.type_name.split('(').next().unwrap_or_default();
        self.is_array() || !ONE.contains(&plain)
    }

    /// What Postgres answered.
    #[must_use]
    pub fn all(answer: &ResultSet) -> Vec<Self> {
        let read = |row: Value| {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Self {
                type_name: text("type"),
                delimiter: text("delimiter").chars().next(),
                of_documents: row.get("of_documents") == Some(&Value::Bool(true)),
            }
        };
        answer.objects().into_iter().map(read).collect()
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.delimiter.is_some()
    }

    /// Whether it is a range or several: a list of two numbers reads as one that leaves its end out.
    #[must_use]
    pub fn is_range(&self) -> bool {
        let plain = self.type_name.rsplit('.').next().unwrap_or_default();
        !self.is_array() && (plain.ends_with("range\"") || plain.ends_with("range"))
    }
}

/// The text of a JSON list that a value is: a list itself, or one that is sent as its text. No array that Postgres writes is one.
fn list(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) => Some(value.to_string()),
        Value::String(text) if text.trim_start().starts_with('[') => {
            serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
            Some(text.clone())
        }
        _ => None,
    }
}

/// The values as texts, or NULL. Of those that [depend on types](depend_on_types), `expected` says which.
///
/// # Errors
/// The parameters, counted from 0, that can't be said exactly, and what to write.
pub fn texts(values: &[Value], expected: &[Expected]) -> Result<Vec<Value>, Vec<(usize, String)>> {
    let mut wrong = Vec::new();
    let texts = values
        .iter()
        .enumerate()
        .map(|(index, value)| match (list(value), expected.get(index)) {
            (
                Some(list),
                Some(Expected {
                    delimiter: Some(delimiter),
                    type_name,
                    of_documents,
                }),
            ) => {
                let items = Items {
                    delimiter: *delimiter,
                    of_documents: *of_documents,
                };
                match items.literal(&list) {
                    Ok((literal, _)) => literal.into(),
                    Err(why) => {
                        wrong.push((index, format!("Postgres expects {type_name} for ${}: {why}", index + 1)));
                        Value::Null
                    }
                }
            }
            // A list or an object is its own text for everything else: a document, text, a vector.
            _ => match value {
                Value::Null | Value::String(_) => value.clone(),
                other => other.to_string().into(),
            },
        })
        .collect();
    if wrong.is_empty() { Ok(texts) } else { Err(wrong) }
}

/// How the items of an array are written.
struct Items {
    delimiter: char,
    of_documents: bool,
}

impl Items {
    /// A JSON list as an array of Postgres, and how long it is in each dimension.
    fn literal(&self, text: &str) -> Result<(String, Vec<usize>), String> {
        let items: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| format!("the list can't be read: {error}"))?;
        let mut out = String::from("{");
        let mut inside: Option<Option<Vec<usize>>> = None;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            let item = item.get();
            let mut sizes = None;
            match item.as_bytes().first() {
                Some(b'n') => out.push_str("NULL"),
                Some(b'[') if !self.of_documents => {
                    let (literal, lengths) = self.literal(item)?;
                    if lengths.contains(&0) {
                        return Err("it has no empty arrays inside of others; write [] for an empty one".to_owned());
                    }
                    out.push_str(&literal);
                    sizes = Some(lengths);
                }
                Some(b'[' | b'{') => quote(&mut out, item),
                Some(b'"') => {
                    let text: String =
                        serde_json::from_str(item).map_err(|error| format!("an item can't be read: {error}"))?;
                    quote(&mut out, &text);
                }
                Some(b't' | b'f') => out.push_str(item),
                _ => match json::whole(item) {
                    Some(whole) if !self.of_documents => out.push_str(&whole.to_string()),
                    _ => out.push_str(item),
                },
            }
            match &inside {
                Some(other) if *other != sizes => {
                    return Err("its arrays are rectangular: every list inside must be as long as the others, without NULL beside \
                                them"
                        .to_owned());
                }
                _ => inside = Some(sizes),
            }
        }
        out.push('}');
        let mut lengths = vec![items.len()];
        lengths.extend(inside.flatten().unwrap_or_default());
        Ok((out, lengths))
    }
}

/// An item of an array: there, a backslash takes the next character as it is.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(type_name: &str, delimiter: Option<char>, of_documents: bool) -> Expected {
        Expected {
            type_name: type_name.to_owned(),
            delimiter,
            of_documents,
        }
    }

    fn text(value: Value, expected: Expected) -> Result<Value, String> {
        texts(&[value], &[expected])
            .map(|mut texts| texts.remove(0))
            .map_err(|mut wrong| wrong.remove(0).1)
    }

    #[test]
    fn lists_are_documents_or_arrays_as_the_type_wants() {
        for (value, array, document) in [
            (json!([]), "{}", "[]"),
            (json!([1, null, 2.5]), "{1,NULL,2.5}", "[1,null,2.5]"),
            (json!([[1, 2], [3, 4]]), "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            (
                json!(["a", "b\"\\", "NULL", ""]),
                r#"{"a","b\"\\","NULL",""}"#,
                r#"["a","b\"\\","NULL",""]"#,
            ),
            (json!([true, false]), "{true,false}", "[true,false]"),
            (json!([{"a": 1}]), r#"{"{\"a\":1}"}"#, r#"[{"a":1}]"#),
            (json!("[5.0, 1e3]"), "{5,1000}", "[5.0, 1e3]"),
            (
                json!("[0.1234567890123456789]"),
                "{0.1234567890123456789}",
                "[0.1234567890123456789]",
            ),
        ] {
            assert_eq!(
                text(value.clone(), expected("numeric[]", Some(','), false)),
                Ok(array.into())
            );
            assert_eq!(text(value, expected("jsonb", None, false)), Ok(document.into()));
        }
        assert_eq!(
            text(json!([[1], {"a": 2}, 1.0, null]), expected("jsonb[]", Some(','), true)),
            Ok(r#"{"[1]","{\"a\":2}",1.0,NULL}"#.into())
        );
        assert_eq!(
            text(json!([1, 2]), expected("box[]", Some(';'), false)),
            Ok("{1;2}".into())
        );
        for value in [json!("{1,2}"), json!("[0:1]={1,2}"), json!("abc"), json!(null)] {
            assert_eq!(text(value.clone(), expected("integer[]", Some(','), false)), Ok(value));
        }
    }

    #[test]
    fn what_is_no_array_of_postgres_is_refused() {
        for value in [
            json!([[]]),
            json!([[1], [2, 3]]),
            json!([1, [2]]),
            json!([null, [1]]),
            json!([[1], []]),
        ] {
            let why = text(value.clone(), expected("integer[]", Some(','), false)).unwrap_err();
            assert!(why.contains("integer[] for $1"), "{value}: {why}");
        }
    }

    #[test]
    fn types_matter_to_lists_alone() {
        for value in [
            json!("a"),
            json!(1),
            json!({"a": []}),
            json!(null),
            json!("{1,2}"),
            json!("[0:1]={1}"),
            json!("[x"),
        ] {
            assert!(!depend_on_types(std::slice::from_ref(&value)), "{value}");
        }
        for value in [json!([]), json!("[1]"), json!(" [[]]")] {
            assert!(depend_on_types(&[json!(1), value.clone()]), "{value}");
        }
        assert!(is_array_literal("{}") && is_array_literal(" [0:1]={1,2}") && !is_array_literal("1,2"));
    }
}
