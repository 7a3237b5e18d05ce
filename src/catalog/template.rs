//! Texts of declarations in which names in braces stand for what a call has: `Delete branch {branch_id}[ as of {time}]`.

use serde_json::Value;

/// What stands in braces in the texts of a value.
pub fn templates_within(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => templates(text).collect(),
        Value::Array(items) => items.iter().flat_map(templates_within).collect(),
        Value::Object(fields) => fields.values().flat_map(templates_within).collect(),
        _ => Vec::new(),
    }
}

/// What stands in braces in a text: names of arguments, or pointers into an answer.
pub fn templates(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// A text with each name in braces replaced by what it stands for. Of `[this|that]` the first is taken where all that it names is there, else
/// the second; `[this]` is left out then.
pub fn filled(text: &str, is_there: impl Fn(&str) -> bool, stands_for: impl Fn(&str) -> String) -> String {
    let fill = |part: &str, out: &mut String| {
        let mut rest = part;
        while let Some((before, name, after)) = enclosed(rest, '{', '}') {
            out.push_str(before);
            out.push_str(&stands_for(name));
            rest = after;
        }
        out.push_str(rest);
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, choice, after)) = enclosed(rest, '[', ']') {
        fill(before, &mut out);
        let (one, other) = choice.split_once('|').unwrap_or((choice, ""));
        fill(if templates(one).all(&is_there) { one } else { other }, &mut out);
        rest = after;
    }
    fill(rest, &mut out);
    out
}

/// What stands before the first of such brackets, in them and behind.
fn enclosed(text: &str, opens: char, closes: char) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(opens)?;
    let (inside, after) = rest.split_once(closes)?;
    Some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn what_is_there_is_filled_in_and_what_is_not_is_left_out() {
        let fill = |text: &str| filled(text, |name| name != "none", |name| format!("<{name}>"));
        for (text, is) in [
            ("{a} of {/b}", "<a> of </b>"),
            ("x[ {a}][ {none}]", "x <a>"),
            ("[{a} {none}|{a}]", "<a>"),
            ("[{a}|{none}].", "<a>."),
            ("{none}", "<none>"),
            ("{ [", "{ ["),
        ] {
            assert_eq!(fill(text), is, "{text}");
        }
    }
}
