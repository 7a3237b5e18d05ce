//! JSON as it is written: what of a text a parsed value would lose, and where.
//!
//! A parsed value holds numbers as doubles or 64-bit integers, and one value for each name. So a number with more digits would come
//! out as another one, and a name that stands twice would lose a value, and nobody would know. What must stay exact is kept as its
//! own text; everything else that a value can't hold is refused, with its place.

use std::collections::HashSet;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::text::one_line;

/// The name of the lists whose items are SQL parameters: Postgres reads those as text, so their text is what must arrive.
const PARAMETERS: &str = "params";

/// How deep a parameter may be nested that is read as a value: deeper ones stay the text that they are.
const DEEPEST_VALUE: usize = 48;

/// How deep a text may be nested that becomes a value: the parser itself gives up at 128.
const DEEPEST: usize = 120;

/// The most values that are made of one text.
const MAX_VALUES: usize = 100_000;

/// The largest whole number that every reader of JSON takes for what it is: 2^53 - 1 (RFC 8259, section 6).
pub(crate) const MAX_NUMBER: u64 = 9_007_199_254_740_991;

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

/// What of a text no value can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where it stands: a JSON pointer (RFC 6901), empty for the whole.
    pub(crate) place: String,
    /// What is wrong, and what to write instead; continues a sentence that begins with the place.
    pub(crate) what: String,
    /// The `id` beside it at the top, as far as one was found.
    pub(crate) id: Option<Value>,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.place.is_empty() { "it" } else { &self.place };
        write!(formatter, "{} {}", one_line(place, 200), self.what)
    }
}

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

/// Whether a number's text says nothing that a double doesn't hold.
pub(crate) fn is_exact_number(token: &str) -> bool {
    token
        .parse::<f64>()
        .is_ok_and(|double| double.is_finite() && digits(token) == digits(&format!("{double:?}")))
}

/// The whole number that a number's text says, however it is written, up to 2^53.
pub(crate) fn whole(token: &str) -> Option<i64> {
    let double = token.parse::<f64>().ok()?;
    if double.fract() != 0.0 || double.abs() > MAX_NUMBER as f64 || !is_exact_number(token) {
        return None;
    }
    format!("{double:.0}").parse().ok()
}

/// A number's sign, digits and exponent, the same for every text that says the same number.
fn digits(token: &str) -> Option<(bool, String, i64)> {
    let (negative, token) = match token.strip_prefix('-') {
        Some(token) => (true, token),
        None => (false, token),
    };
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let short = significant.trim_end_matches('0');
    exponent = exponent.checked_add(i64::try_from(significant.len() - short.len()).ok()?)?;
    Some(if short.is_empty() {
        (false, String::new(), 0)
    } else {
        (negative, short.to_owned(), exponent)
    })
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

/// A list or an object that isn't closed yet.
enum Open {
    List {
        index: usize,
        /// Its items are SQL parameters.
        of_parameters: bool,
    },
    Object {
        names: HashSet<String>,
        /// The name whose value comes.
        name: String,
        /// A name comes, not a value.
        expects_name: bool,
    },
}

/// A SQL parameter that is being read.
struct Parameter {
    start: usize,
    /// How much was open around it.
    depth: usize,
    is_exact: bool,
}

/// One pass over a text that is known to be JSON.
struct Scan<'t> {
    text: &'t str,
    /// How much must be open around the object that holds parameters.
    above_parameters: usize,
    open: Vec<Open>,
    parameter: Option<Parameter>,
    /// The parameters that are to be kept as their text.
    kept: Vec<Range<usize>>,
    /// Something isn't what a value would say.
    inexact: bool,
    flaw: Option<Flaw>,
    id: Option<Value>,
}

impl<'t> Scan<'t> {
    fn of(text: &'t str, above_parameters: usize) -> Self {
        let mut scan = Self {
            text,
            above_parameters,
            open: Vec::new(),
            parameter: None,
            kept: Vec::new(),
            inexact: false,
            flaw: None,
            id: None,
        };
        let mut at = 0;
        while let Some(byte) = text.as_bytes().get(at) {
            at = scan.token(*byte, at);
        }
        scan
    }

    /// Takes the token that begins there, and gives where the next one may begin.
    fn token(&mut self, byte: u8, at: usize) -> usize {
        match byte {
            b'{' | b'[' => {
                self.begins(at);
                let opened = if byte == b'{' {
                    Open::Object {
                        names: HashSet::new(),
                        name: String::new(),
                        expects_name: true,
                    }
                } else {
                    let of_parameters = self.parameter.is_none()
                        && self.open.len() > self.above_parameters
                        && matches!(self.open.last(), Some(Open::Object { name, .. }) if name == PARAMETERS);
                    Open::List {
                        index: 0,
                        of_parameters,
                    }
                };
                self.open.push(opened);
                self.measure();
                at + 1
            }
            b'}' | b']' => {
                self.open.pop();
                self.ends(at + 1, None);
                at + 1
            }
            b',' => {
                match self.open.last_mut() {
                    Some(Open::List { index, .. }) => *index += 1,
                    Some(Open::Object { expects_name, .. }) => *expects_name = true,
                    None => {}
                }
                at + 1
            }
            b'"' => {
                let end = self.end_of_string(at);
                self.string(at, end);
                end
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' => at + 1,
            _ => {
                let rest = self.text.as_bytes().get(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'));
                let end = at + length.unwrap_or(rest.len()).max(1);
                self.begins(at);
                let token = self.text.get(at..end).unwrap_or_default();
                if byte == b'-' || byte.is_ascii_digit() {
                    self.number(token);
                }
                self.ends(end, Some(token));
                end
            }
        }
    }

    fn end_of_string(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        bytes.len()
    }

    fn string(&mut self, start: usize, end: usize) {
        let token = self.text.get(start..end).unwrap_or_default();
        let is_name = matches!(self.open.last(), Some(Open::Object { expects_name: true, .. }));
        if !is_name {
            self.begins(start);
        }
        if has_lone_surrogate(token) {
            self.found(
                "holds half of a character (a lone surrogate such as \\ud800), which nothing here takes: write the whole character, \
                 \\ufffd in its place, or for a `json` parameter the document as a string, with its backslashes doubled",
            );
        }
        if !is_name {
            self.ends(end, Some(token));
            return;
        }
        let decoded = if token.contains('\\') {
            serde_json::from_str::<String>(token).unwrap_or_else(|_| token.to_owned())
        } else {
            token.trim_matches('"').to_owned()
        };
        let mut twice = false;
        if let Some(Open::Object {
            names,
            name,
            expects_name,
        }) = self.open.last_mut()
        {
            twice = !names.insert(decoded.clone());
            *name = decoded;
            *expects_name = false;
        }
        if twice {
            self.inexact = true;
            match &mut self.parameter {
                Some(parameter) => parameter.is_exact = false,
                None => self.found("stands twice, and only one can be meant: write it once"),
            }
        }
    }

    fn number(&mut self, token: &str) {
        let double = token.parse::<f64>().unwrap_or(f64::INFINITY);
        if double.is_infinite() {
            self.found(&format!(
                "is the number {}, which is beyond what a double holds: {}",
                one_line(token, 40),
                if self.parameter.is_some() {
                    "write it as a string, which Postgres reads exactly"
                } else {
                    "write a smaller one"
                }
            ));
        }
        let is_exact = is_exact_number(token);
        self.inexact |= !is_exact;
        let depth = self.open.len();
        let Some(parameter) = &mut self.parameter else {
            if double == 0.0 && !is_exact {
                self.found("is a number too small for a double: write 0, or a larger one");
            }
            return;
        };
        // By itself, a whole number that is written as another (`5.0`) is one, also where Postgres wants an integer. Inside of a
        // document everything stays as it is written.
        let as_value = match token.parse::<i64>() {
            Ok(whole) => whole.unsigned_abs() <= MAX_NUMBER && whole.to_string() == token,
            Err(_) => {
                (double.fract() != 0.0 && format!("{double:?}") == token)
                    || (depth == parameter.depth && whole(token).is_some())
            }
        };
        parameter.is_exact &= as_value;
    }

    /// A value begins.
    fn begins(&mut self, at: usize) {
        let of_parameters = matches!(
            self.open.last(),
            Some(Open::List {
                of_parameters: true,
                ..
            })
        );
        if self.parameter.is_none() && of_parameters {
            self.parameter = Some(Parameter {
                start: at,
                depth: self.open.len(),
                is_exact: true,
            });
        }
    }

    /// Something was opened: is it too deep?
    fn measure(&mut self) {
        let depth = self.open.len();
        match &mut self.parameter {
            Some(parameter) => parameter.is_exact &= depth - parameter.depth <= DEEPEST_VALUE,
            None if depth > DEEPEST => {
                self.found(&format!(
                    "is nested deeper than {DEEPEST} levels, which nothing here takes"
                ));
            }
            None => {}
        }
        self.inexact |= depth > DEEPEST;
    }

    /// A value ends there; what it is, where it is a single token.
    fn ends(&mut self, end: usize, token: Option<&str>) {
        if let Some(parameter) = self.parameter.take_if(|parameter| parameter.depth == self.open.len())
            && !parameter.is_exact
        {
            self.kept.push(parameter.start..end);
        }
        if let ([Open::Object { name, .. }], Some(token), None) = (self.open.as_slice(), token, &self.id)
            && name == "id"
        {
            self.id = serde_json::from_str(token).ok();
        }
    }

    /// Keeps the first flaw.
    fn found(&mut self, what: &str) {
        if self.flaw.is_some() {
            return;
        }
        let mut place = String::new();
        for open in &self.open {
            match open {
                Open::List { index, .. } => place.push_str(&format!("/{index}")),
                Open::Object {
                    expects_name: false,
                    name,
                    ..
                } => {
                    place.push('/');
                    place.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Open::Object { .. } => {}
            }
        }
        self.flaw = Some(Flaw {
            place,
            what: what.to_owned(),
            id: None,
        });
    }
}

/// Whether a string's text escapes half of a character.
fn has_lone_surrogate(token: &str) -> bool {
    let mut rest = token;
    let mut high = false;
    while let Some(at) = rest.find('\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        let unit = escape
            .strip_prefix('u')
            .and_then(|hex| u32::from_str_radix(hex.get(..4)?, 16).ok());
        if high && !(at == 0 && unit.is_some_and(|unit| (0xDC00..0xE000).contains(&unit))) {
            return true;
        }
        match unit {
            Some(0xD800..=0xDBFF) => high = true,
            Some(0xDC00..=0xDFFF) if !high => return true,
            _ => high = false,
        }
        rest = escape.get(if unit.is_some() { 5 } else { 1 }..).unwrap_or_default();
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

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
