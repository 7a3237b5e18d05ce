//! What a log record must fulfil: filters, and the part of LogQL that says the same.

use serde_json::{Value, json};

use crate::{
    error::ApiError,
    state::services::{Record, Severity},
};

/// A value that is a string.
pub(crate) fn text(value: Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The value of a field of a record.
pub(crate) fn field(record: &Record, name: &str) -> Option<String> {
    match name {
        "service_name" => Some(record.service_name.clone()),
        "severity_text" => Some(text(json!(record.severity)).to_uppercase()),
        "source" => Some(text(json!(record.source))),
        name => record.attributes.get(name).cloned(),
    }
}

/// One condition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A field has this value, or hasn't.
    Field { name: String, value: String, equal: bool },
    /// The text holds this, or doesn't.
    Line { text: String, holds: bool },
    /// It is at least so grave.
    AtLeast(Severity),
}

impl Filter {
    pub(crate) fn fits(&self, record: &Record) -> bool {
        match self {
            Self::Field { name, value, equal } => (field(record, name).as_ref() == Some(value)) == *equal,
            Self::Line { text, holds } => record.message.contains(text.as_str()) == *holds,
            Self::AtLeast(severity) => record.severity >= *severity,
        }
    }
}

/// Reads `{name="value", other!="value"} |= "text" != "text"`.
pub(crate) fn logql(text: &str) -> Result<Vec<Filter>, ApiError> {
    read(text).ok_or_else(|| {
        ApiError::invalid_because(
            "invalid_logql",
            "the sandbox reads {field=\"value\"} or != in braces, then |= \"text\" or != \"text\"",
        )
    })
}

fn read(text: &str) -> Option<Vec<Filter>> {
    let mut filters = Vec::new();
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_at_checked(rest.find(['=', '!'])?)?;
        let (equal, after) = match after.strip_prefix("!=") {
            Some(after) => (false, after),
            None => (true, after.strip_prefix('=')?),
        };
        let (value, after) = quoted(after)?;
        filters.push(Filter::Field {
            name: name.trim().to_owned(),
            value,
            equal,
        });
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
    rest = rest.strip_prefix('}')?.trim_start();
    while !rest.is_empty() {
        let (holds, after) = match rest.strip_prefix("|=") {
            Some(after) => (true, after),
            None => (false, rest.strip_prefix("!=")?),
        };
        let (text, after) = quoted(after)?;
        filters.push(Filter::Line { text, holds });
        rest = after.trim_start();
    }
    Some(filters)
}

/// A text in quotes, without escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (value, after) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some((value.to_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_line_filters_are_read() {
        let read = read("{ source = \"storage\", key!=\"a=b\" } |= \"x y\"!= \"}\"").unwrap();
        let field = |name: &str, value: &str, equal| Filter::Field {
            name: name.into(),
            value: value.into(),
            equal,
        };
        let line = |text: &str, holds| Filter::Line {
            text: text.into(),
            holds,
        };
        let wanted = [
            field("source", "storage", true),
            field("key", "a=b", false),
            line("x y", true),
            line("}", false),
        ];
        assert_eq!(read, wanted);
        assert_eq!(super::read("{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_such_query_is_refused() {
        for wrong in [
            "",
            "x",
            "{",
            "{a",
            "{a=}",
            "{a=\"b\"",
            "{a=\"b\"} |=",
            "{a=\"b\" c=\"d\"}",
            "{a=~\"b\"}",
            "{} | json",
            "rate({})",
            "{ä!}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
