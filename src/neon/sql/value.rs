//! What Postgres prints of a value becomes JSON. Neon's proxy is asked for the text (`Neon-Raw-Text-Output`): its own JSON reads
//! every number of a document as a double, and can't hold what a `json` column may.

use serde_json::{Number, Value};

use crate::json;

/// What a value's text becomes, by the type's OID (`pg_type.dat`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    /// A whole number that every reader of JSON takes exactly.
    Integer,
    /// A number; its text where JSON has none for it (NaN, Infinity).
    Float,
    Json,
    /// The text. Of numbers too that not every reader of JSON could hold: `int8` and `numeric`.
    Text,
}

/// The kind of a type's values, and for an array that of its items with the character between them.
fn kind(oid: u32) -> (Kind, Option<char>) {
    match oid {
        16 => (Kind::Bool, None),
        21 | 23 => (Kind::Integer, None),
        700 | 701 => (Kind::Float, None),
        114 | 3802 => (Kind::Json, None),
        1000 => (Kind::Bool, Some(',')),
        1005 | 1007 => (Kind::Integer, Some(',')),
        1021 | 1022 => (Kind::Float, Some(',')),
        199 | 3807 => (Kind::Json, Some(',')),
        // xml, cidr, money, bytea, char, name, regproc, text, tid, xid, cid, bpchar, varchar, int8, point, lseg, path, polygon,
        // oid, aclitem, macaddr, inet, timestamp, date, time, timestamptz, interval, numeric, timetz, bit, varbit, regprocedure …
        // regtype, uuid, pg_lsn, tsvector, tsquery, ranges and jsonpath
        143
        | 651
        | 791
        | 1001..=1003
        | 1008..=1019
        | 1027
        | 1028
        | 1034
        | 1040
        | 1041
        | 1115
        | 1182
        | 1183
        | 1185
        | 1187
        | 1231
        | 1270
        | 1561
        | 1563
        | 2207..=2211
        | 2951
        | 3221
        | 3643
        | 3645
        | 3905
        | 3907
        | 3909
        | 3911
        | 3913
        | 3927
        | 4073 => (Kind::Text, Some(',')),
        // box
        1020 => (Kind::Text, Some(';')),
        _ => (Kind::Text, None),
    }
}

/// A value as this program's own statements read it. What isn't text was made to JSON on the way.
pub(super) fn plain(oid: u32, given: &Value) -> Value {
    let (kind, delimiter) = kind(oid);
    let lossy = |text: &str| serde_json::from_str(text).ok();
    given
        .as_str()
        .and_then(|text| read(text, kind, delimiter, &lossy))
        .unwrap_or_else(|| given.clone())
}

/// A value as it is handed on: nothing of it is lost. What JSON has no value for stays Postgres' text; the second of the pair says
/// that a document did.
pub(super) fn exact(oid: u32, given: &Value) -> (Value, bool) {
    let (kind, delimiter) = kind(oid);
    let Some(text) = given.as_str() else {
        return (given.clone(), false);
    };
    match read(text, kind, delimiter, &json::exact) {
        Some(value) => (value, false),
        None => (given.clone(), kind == Kind::Json),
    }
}

/// `None` where the text stays what it is.
fn read(text: &str, kind: Kind, delimiter: Option<char>, document: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    let scalar = |text: &str| match kind {
        Kind::Bool => match text {
            "t" | "true" => Some(true.into()),
            "f" | "false" => Some(false.into()),
            _ => None,
        },
        Kind::Integer => text.parse::<i64>().ok().map(Value::from),
        Kind::Float => match text.parse::<f64>().ok().and_then(Number::from_f64) {
            Some(number) => Some(Value::Number(number)),
            None => Some(text.into()),
        },
        Kind::Json => document(text),
        Kind::Text => Some(text.into()),
    };
    let Some(delimiter) = delimiter else {
        return scalar(text);
    };
    // In a list the document `null` would be taken for NULL: the text says which it is.
    let item = |text: &str| scalar(text).filter(|value| !value.is_null());
    let mut array = Array {
        rest: text,
        delimiter,
        item: &item,
    };
    // Bounds other than from 1 stand in front (`[0:1]={1,2}`), and JSON has no place for them: the text says them.
    let value = array.read()?;
    array.rest.is_empty().then_some(value)
}

/// The rest of an array's text. `array_out` prints no white space outside of quotes.
struct Array<'a> {
    rest: &'a str,
    delimiter: char,
    item: &'a dyn Fn(&str) -> Option<Value>,
}

impl Array<'_> {
    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One pair of braces and what is between them. Postgres has no more than six dimensions.
    fn read(&mut self) -> Option<Value> {
        if !self.take('{') {
            return None;
        }
        let mut items = Vec::new();
        if self.take('}') {
            return Some(items.into());
        }
        loop {
            items.push(self.item()?);
            if !self.take(self.delimiter) {
                return self.take('}').then(|| items.into());
            }
        }
    }

    fn item(&mut self) -> Option<Value> {
        if self.rest.starts_with('{') {
            return self.read();
        }
        if self.take('"') {
            let text = self.quoted()?;
            return (self.item)(&text);
        }
        let end = self.rest.find([self.delimiter, '}'])?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        // The text NULL is quoted when it isn't NULL itself.
        if text == "NULL" {
            Some(Value::Null)
        } else {
            (self.item)(text)
        }
    }

    /// Up to the closing quote. A backslash takes the next character as it is.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => text.push(characters.next()?),
                character => text.push(character),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_postgres_printed() {
        for (oid, text, is) in [
            (16, "t", json!(true)),
            (16, "f", json!(false)),
            (23, "-5", json!(-5)),
            (20, "9223372036854775807", json!("9223372036854775807")),
            (1700, "0.1234567890123456789", json!("0.1234567890123456789")),
            (1700, "NaN", json!("NaN")),
            (701, "0.1", json!(0.1)),
            (701, "Infinity", json!("Infinity")),
            (701, "-Infinity", json!("-Infinity")),
            (700, "NaN", json!("NaN")),
            (3802, r#"{"a": [1, null]}"#, json!({"a": [1, null]})),
            (17, r"\x00ff", json!(r"\x00ff")),
            (1007, "{1,NULL,3}", json!([1, null, 3])),
            (1007, "{{1,2},{3,4}}", json!([[1, 2], [3, 4]])),
            (1007, "[0:1]={1,2}", json!("[0:1]={1,2}")),
            (
                1009,
                r#"{a,"b,\"c\"","NULL",NULL,""}"#,
                json!(["a", "b,\"c\"", "NULL", null, ""]),
            ),
            (1020, "{(1,1),(0,0);(2,2),(1,1)}", json!(["(1,1),(0,0)", "(2,2),(1,1)"])),
            (3807, r#"{"{\"a\": 1}"}"#, json!([{"a": 1}])),
            (99_999, "{a,b}", json!("{a,b}")),
        ] {
            assert_eq!(exact(oid, &text.into()), (is.clone(), false), "{text}");
            assert_eq!(plain(oid, &text.into()), is, "{text}");
        }
        assert_eq!(exact(23, &Value::Null), (Value::Null, false));
        assert_eq!(exact(16, &true.into()), (true.into(), false), "made to JSON on the way");
    }

    #[test]
    fn documents_that_json_would_change_stay_text() {
        for text in [
            r#"{"a": 0.1234567890123456789}"#,
            r#"{"a": 9007199254740993}"#,
            r#"{"a": 1, "a": 2}"#,
            r#""\ud800""#,
            "1e400",
        ] {
            assert_eq!(exact(114, &text.into()), (text.into(), true));
            let array = format!("{{\"{}\"}}", text.replace('\\', "\\\\").replace('"', "\\\""));
            assert_eq!(exact(199, &array.as_str().into()), (array.as_str().into(), true));
        }
    }
}
