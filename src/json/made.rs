//! How much memory the values take that are made of a text: a small object takes far more than its text.

use serde_json::Value;

/// What a map takes that has room for its first members, in bytes.
const MAP: usize = 320;

/// What each member of a map takes, in bytes beside the text of its name and its value: its hash and its place in the table.
const MEMBER: usize = 80;

/// What is made of a text, before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// At most so many values.
    pub(crate) values: usize,
    /// At most so many bytes beside the text, for one copy of them.
    pub(crate) bytes: usize,
}

impl Made {
    /// What an object takes with its first member, in bytes.
    pub(crate) const OBJECT: usize = MAP + MEMBER;

    /// What is made of that text at most. What separates its values is counted; its grammar is looked at by whoever reads it. Texts
    /// within that may be JSON themselves (arguments are sent so, and lists of parameters) count as if they were read, too: those that
    /// begin with a brace, a bracket or an escape, with whatever is escaped in them.
    pub(crate) fn of(text: &[u8]) -> Self {
        let (mut objects, mut others) = (0_usize, 0_usize);
        let mut inside = Inside::Nothing;
        let mut is_escaped = false;
        let is = |at: usize, code: &[u8; 4]| {
            let there = text.get(at..at + 4);
            there.is_some_and(|there| there.eq_ignore_ascii_case(code))
        };
        for (at, byte) in text.iter().enumerate() {
            if inside == Inside::Nothing {
                match byte {
                    b'"' => inside = Inside::Begin,
                    b'{' => objects += 1,
                    b',' | b'[' => others += 1,
                    _ => {}
                }
                continue;
            }
            if inside == Inside::Begin && !byte.is_ascii_whitespace() && *byte != b'"' {
                inside = match byte {
                    b'{' | b'[' | b'\\' => Inside::Json,
                    _ => Inside::Text,
                };
            }
            if inside == Inside::Json {
                match byte {
                    b'{' => objects += 1,
                    b',' | b'[' => others += 1,
                    // `\u007b` is a brace, however often its backslash is escaped itself.
                    b'u' if is(at + 1, b"007b") => objects += 1,
                    b'u' if is(at + 1, b"002c") || is(at + 1, b"005b") => others += 1,
                    _ => {}
                }
            }
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => inside = Inside::Nothing,
                _ => {}
            }
        }
        Self {
            values: objects + others,
            bytes: objects * Self::OBJECT + others * MEMBER,
        }
    }
}

/// Where in a JSON text a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// In no string.
    Nothing,
    /// At the beginning of one.
    Begin,
    /// In one that may be JSON itself.
    Json,
    /// In another.
    Text,
}

/// About how much memory a value takes, in bytes, itself included: a small object takes far more than its text.
pub(crate) fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(members) if members.is_empty() => 0,
            Value::Object(members) => {
                let of = |(name, value): (&String, &Value)| MEMBER + name.len() + weight(value);
                MAP + members.iter().map(of).sum::<usize>()
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_texts_that_may_be_json_counts_as_if_it_were_read() {
        let values = |text: &str| Made::of(text.as_bytes()).values;
        assert_eq!(values(r#"{"a":[1,2],"b":"x,y{[","c":{}}"#), 6);
        // However the text is escaped, and whatever stands around it.
        for inner in [
            r#"" [{},{}]""#,
            r#""\u005b\u007b},{}]""#,
            r#""\n[\u007B},{}]""#,
            r#""\\u005b{}\\u002C{}]""#,
        ] {
            assert_eq!(values(&format!(r#"{{"a":{inner}}}"#)), 5, "{inner}");
        }
        // What begins otherwise is no JSON to anybody.
        assert_eq!(values(r#"{"sql":"INSERT INTO t VALUES ('{}', '[1,2]')"}"#), 1);
        assert_eq!(values(r#"{"a":"\"","b":""}"#), 2);
    }
}
