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
    /// begin with a brace or a bracket behind what [`trimmed`](crate::text::trimmed) takes off, with whatever is escaped in them. SQL
    /// parameters, the texts in lists called `params`, are never read as JSON.
    pub(crate) fn of(text: &[u8]) -> Self {
        let (mut objects, mut others) = (0_usize, 0_usize);
        let (mut inside, mut is_escaped) = (Inside::Nothing, false);
        let (mut depth, mut parameters) = (0_usize, None);
        for (at, byte) in text.iter().enumerate() {
            if inside == Inside::Nothing {
                match byte {
                    b'"' if parameters.is_some_and(|list| depth >= list) => inside = Inside::Text,
                    b'"' => inside = Inside::Begin,
                    b'{' | b'[' => {
                        depth += 1;
                        if *byte == b'[' && parameters.is_none() && is_of_parameters(text.get(..at).unwrap_or_default())
                        {
                            parameters = Some(depth);
                        }
                    }
                    b'}' | b']' => {
                        parameters = parameters.filter(|list| *list != depth);
                        depth = depth.saturating_sub(1);
                    }
                    _ => {}
                }
                match byte {
                    b'{' => objects += 1,
                    b',' | b'[' => others += 1,
                    _ => {}
                }
                continue;
            }
            if is_escaped {
                is_escaped = false;
                inside = match (inside, byte) {
                    (Inside::Begin, b'n' | b'r' | b't' | b'f') => Inside::Begin,
                    // Whatever it is: a blank, or what JSON begins with.
                    (Inside::Begin, b'u') => Inside::Json,
                    (Inside::Begin, _) => Inside::Text,
                    (inside, _) => inside,
                };
            } else {
                inside = match (inside, byte) {
                    (_, b'"') => Inside::Nothing,
                    (Inside::Begin, b'{' | b'[') => Inside::Json,
                    // Many blanks aren't ASCII.
                    (Inside::Begin, byte) if byte.is_ascii_whitespace() || !byte.is_ascii() || *byte == b'\\' => {
                        Inside::Begin
                    }
                    (Inside::Begin, _) => Inside::Text,
                    (inside, _) => inside,
                };
                is_escaped = *byte == b'\\';
            }
            if inside == Inside::Json {
                match byte {
                    b'{' => objects += 1,
                    b',' | b'[' => others += 1,
                    // However often it is escaped, what opens a value has an escape of its own that is written out.
                    b'u' if escapes_structure(text.get(at + 1..at + 5)) => objects += 1,
                    _ => {}
                }
            }
        }
        Self {
            values: objects + others,
            bytes: objects * Self::OBJECT + others * MEMBER,
        }
    }
}

/// Whether the list that begins behind that text is called `params`.
fn is_of_parameters(before: &[u8]) -> bool {
    let name = before.trim_ascii_end().strip_suffix(b":");
    let begun = name.and_then(|name| name.trim_ascii_end().strip_suffix(b"\"params\""));
    begun.is_some_and(|begun| begun.last() != Some(&b'\\'))
}

/// Whether four digits of an escape are those of what separates values (`{`, `[`, `,`), or of what an escape of it is written with.
fn escapes_structure(digits: Option<&[u8]>) -> bool {
    let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let character = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
    character
        .is_some_and(|character| matches!(character, '{' | '[' | ',' | '\\' | 'u') || character.is_ascii_hexdigit())
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
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> usize {
        Made::of(text.as_bytes()).values
    }

    #[test]
    fn what_is_in_texts_that_may_be_json_counts_as_if_it_were_read() {
        assert_eq!(values(r#"{"a":[1,2],"b":"x,y{[","c":{}}"#), 6);
        // However the text is escaped, and whatever stands around it.
        for inner in [
            r#"" [{},{}]""#,
            r#""\u005b\u007b},{}]""#,
            r#""\n[\u007B},{}]""#,
            r#""\t\r \f[{},{}]""#,
            "\"\u{a0}\u{2003}\u{200b}[{},{}]\"",
            r#""\u00a0[{}\u002c{}]""#,
        ] {
            assert!(values(&format!(r#"{{"a":{inner}}}"#)) >= 5, "{inner}");
        }
        assert!(values(r#"{"a":"{\"b\":\"[\\u0\\u00307b}\"}"}"#) >= 4);
        assert_eq!(values(r#"{"a":"\"","b":""}"#), 2);
    }

    #[test]
    fn texts_that_nobody_reads_as_json_count_once() {
        for text in [
            r#"{"sql":"INSERT INTO t VALUES ('{}', '[1,2]')"}"#,
            r#"{"sql":"\nINSERT INTO t VALUES ('{}', '[1,2]')"}"#,
            r#"{"sql":"\\d {a,b}"}"#,
            r#"{"sql":"\"{a,b}\""}"#,
            r#"{"b":"<\u0026,\u003c\u003e"}"#,
        ] {
            assert_eq!(values(text), 1, "{text}");
        }
        // Parameters are Postgres' to read: array literals, documents.
        assert_eq!(
            values(r#"{"params" : ["{1,2,3}", "[{},{}]", ["[{}]"]], "b": "[{}]"}"#),
            8
        );
        // What only looks like the name is another one.
        assert_eq!(values(r#"{"a\"params":["[{}]"]}"#), 4);
    }

    /// A text as a JSON string, each character as it is or escaped, as the bits say.
    fn encoded(text: &str, bits: &[bool]) -> String {
        let mut out = String::from('"');
        for (index, character) in text.chars().enumerate() {
            match (character, bits.get(index % bits.len().max(1))) {
                (character, Some(true)) if character.is_ascii() => {
                    out.push_str(&format!("\\u{:04x}", u32::from(character)))
                }
                ('"' | '\\', _) => out.extend(['\\', character]),
                (character, _) => out.push(character),
            }
        }
        out.push('"');
        out
    }

    proptest! {
        #[test]
        fn no_escape_hides_what_is_made(
            objects in 1_usize..6,
            blank in prop::sample::select(vec!["", " ", "\t", "\n", "\r", "\u{b}", "\u{c}", "\u{a0}", "\u{85}", "\u{2028}", "\u{3000}", "\u{200b}", "\u{feff}"]),
            levels in prop::collection::vec(prop::collection::vec(any::<bool>(), 1..40), 1..4),
        ) {
            let list = format!("[{}]", vec!["{}"; objects].join(","));
            let wanted = values(&list);
            let blank: String = blank.chars().filter(|blank| *blank >= ' ' || "\t\n\r".contains(*blank)).collect();
            let mut text = format!("{blank}{list}");
            for (depth, bits) in levels.iter().enumerate() {
                let string: String = encoded(&text, bits).replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
                text = match depth + 1 == levels.len() {
                    true => format!("{{\"a\":{string}}}"),
                    false => format!("{blank}{{\"a\":{string}}}"),
                };
            }
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            prop_assert!(values(&text) > wanted, "{text}");
        }
    }
}
