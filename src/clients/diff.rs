//! What would change in a file, as lines; without the secrets that stand around it.

use std::sync::LazyLock;

use regex::Regex;
use similar::{ChangeTag, TextDiff};

use crate::guard::{MASK, mask_text};
use crate::sql::secret::is_secret_name;

/// How many lines around a change are shown.
const AROUND: usize = 3;

/// A change of a text, as a unified diff. What looks like a secret in it is masked.
#[must_use]
pub fn diff(before: &str, after: &str) -> Vec<(char, String)> {
    let compared = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (index, group) in compared.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            lines.push((' ', "…".to_owned()));
        }
        for change in group.iter().flat_map(|operation| compared.iter_changes(operation)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push((sign, masked(change.value().trim_end_matches(['\r', '\n']))));
        }
    }
    lines
}

/// A name and a text, as JSON, TOML and YAML have them.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(["']?)([A-Za-z_][A-Za-z0-9_-]*)(["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'\[{,#][^,}\]#]*)"#)
        .ok()
});

/// A line without the secrets in it: texts under a name of a secret, passwords in URLs, and what is as long and as random as a key.
fn masked(line: &str) -> String {
    if is_truth(line) {
        return line.to_owned();
    }
    let line = mask_text(line);
    let Some(named) = NAMED.as_ref() else {
        return MASK.to_owned();
    };
    let line = named
        .replace_all(&line, |found: &regex::Captures<'_>| {
            let part = |index| found.get(index).map_or("", |part| part.as_str());
            let (name, text) = (part(2), part(4));
            let reference = text.contains('$') || text.contains("{env:");
            if !reference && (is_secret_name(name) || is_header(name) || is_random(text)) {
                format!("{}{name}{}\"{MASK}\"", part(1), part(3))
            } else {
                part(0).to_owned()
            }
        })
        .into_owned();
    QUOTED.as_ref().map_or(MASK.to_owned(), |quoted| {
        let hidden = |found: &regex::Captures<'_>| {
            let text = found.get(0).map_or("", |part| part.as_str());
            if is_random(text) {
                format!("\"{MASK}\"")
            } else {
                text.to_owned()
            }
        };
        quoted.replace_all(&line, hidden).into_owned()
    })
}

/// Whether a line gives a name true or false, or nothing, which is no secret: `"password": true`, of what a client asks for.
fn is_truth(line: &str) -> bool {
    let line = line.trim().trim_end_matches(',');
    let Some((name, value)) = line.split_once([':', '=']) else {
        return false;
    };
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '"' | '\'' | ' ');
    ["true", "false", "null"].contains(&value.trim()) && name.chars().all(plain)
}

/// A text that stands by itself, as in a list of arguments.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|'[^']*'"#).ok());

fn is_header(name: &str) -> bool {
    ["authorization", "cookie", "x-api-key"].contains(&name.to_lowercase().as_str())
}

/// Whether a text is one word with letters and digits, longer than any that people write, and no path.
fn is_random(text: &str) -> bool {
    let word = text.trim_matches(['"', '\'']);
    let one = |character: char| character.is_ascii_alphanumeric() || "_-.+=".contains(character);
    word.len() >= 24
        && word.chars().all(one)
        && word.chars().any(|character| character.is_ascii_digit())
        && word.chars().any(|character| character.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_around_a_change_are_masked_and_references_are_not() {
        for (line, hidden) in [
            (r#""GITHUB_TOKEN": "ghp_secret","#, "ghp_secret"),
            (r#""env": { "OTHER_API_KEY": "s3cret" }"#, "s3cret"),
            (r#"password = 'hunter2'"#, "hunter2"),
            (r#"    api_key: hunter2"#, "hunter2"),
            (r#""Authorization": "Bearer abc""#, "abc"),
            (r#""url": "postgres://me:hunter2@host/db""#, "hunter2"),
            (r#"  "napi_0123456789abcdefghij0123456789","#, "napi_"),
            (r#""ID": "napi_0123456789abcdefghij0123456789""#, "napi_"),
        ] {
            let masked = masked(line);
            assert!(!masked.contains(hidden) && masked.contains(MASK), "{masked}");
        }
        for line in [
            r#""command": "/home/ada/.cargo/bin/neon-mcp","#,
            r#""NEON_API_KEY": "${env:NEON_API_KEY}""#,
            r#"env_vars = ["NEON_API_KEY"]"#,
            r#""args": ["--read-only"]"#,
            r#"      "password": true"#,
        ] {
            assert_eq!(masked(line), line);
        }
    }
}
