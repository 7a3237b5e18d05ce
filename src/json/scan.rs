//! One pass over a text: what of it no value can hold, and which SQL parameters only their own text says exactly.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;

use super::flaw::Flaw;
use super::number::{MAX_NUMBER, is_exact_number, whole};
use crate::text::one_line;

/// The name of the lists whose items are SQL parameters: Postgres reads those as text, so their text is what must arrive.
pub(super) const PARAMETERS: &str = "params";

/// How deep a parameter may be nested that is read as a value: deeper ones stay the text that they are.
const DEEPEST_VALUE: usize = 48;

/// How deep a text may be nested that becomes a value: the parser itself gives up at 128.
const DEEPEST: usize = 120;

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
pub(super) struct Scan<'t> {
    text: &'t str,
    /// How much must be open around the object that holds parameters.
    above_parameters: usize,
    open: Vec<Open>,
    parameter: Option<Parameter>,
    /// The parameters that are to be kept as their text.
    pub(super) kept: Vec<Range<usize>>,
    /// Something isn't what a value would say.
    pub(super) inexact: bool,
    pub(super) flaw: Option<Flaw>,
    pub(super) id: Option<Value>,
}

impl<'t> Scan<'t> {
    pub(super) fn of(text: &'t str, above_parameters: usize) -> Self {
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
