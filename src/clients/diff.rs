//! What would change in a file, as lines; without the secrets that stand around it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use similar::{ChangeTag, TextDiff};

use crate::guard::{MASK, mask_text};
use crate::sql::secret::is_secret_name;

/// How many lines around a change are shown.
const AROUND: usize = 3;

/// A change of a text, as a unified diff. Of texts only those are shown that are `known`, and don't look like a secret: others may be
/// one, whatever they are called.
#[must_use]
pub fn diff(before: &str, after: &str, known: &BTreeSet<String>) -> Vec<(char, String)> {
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
            let line = change.value().trim_end_matches(['\r', '\n']);
            lines.push((sign, masked(&built(line, known))));
        }
    }
    lines
}

/// What a line is made of: a text in quotes, a comment, a mark, blanks, a word.
static PARTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?P<quoted>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<comment>//.*|/\*.*|\*/.*|#.*)|(?P<mark>[\[\]{},=:]|-\s)|(?P<blank>\s+)|(?P<word>[^\s\[\]{},=:"'#]+|.)"#)
        .ok()
});

/// How a line is built: its names and marks, with the known texts. A secret may stand anywhere else, also in a comment.
fn built(line: &str, known: &BTreeSet<String>) -> String {
    let Some(parts) = PARTS.as_ref() else {
        return MASK.to_owned();
    };
    if is_header_of_a_table(line) {
        return line.trim_end().to_owned();
    }
    let mut out = String::new();
    // Whether a name may begin: at the begin of what stands in the line, and behind a mark that parts.
    let mut begins = true;
    for found in parts.captures_iter(line) {
        let Some(part) = found.get(0) else { continue };
        let text = part.as_str();
        let rest = line.get(part.end()..).unwrap_or_default().trim_start();
        let is_name = begins && rest.starts_with([':', '=']) && is_name(text.trim_matches(['"', '\'']));
        if found.name("blank").is_some() {
            // Between words that are hidden as one, blanks are one.
            if out.trim().is_empty() || !out.ends_with(char::is_whitespace) {
                out.push_str(text);
            }
            continue;
        }
        if found.name("mark").is_some() {
            out.push_str(text);
            begins = !text.starts_with([':', '=']);
            continue;
        }
        let shown = if found.name("comment").is_some() {
            let mark = if text.starts_with('#') { 1 } else { 2 };
            out.push_str(text.get(..mark).unwrap_or_default());
            if text.len() > mark { Some(" …") } else { None }
        } else if is_name || known.contains(&unquoted(text)) || is_plain(text) {
            Some(text)
        } else if found.name("quoted").is_some() {
            Some("\"[masked]\"")
        } else {
            Some(MASK)
        };
        let shown = shown.unwrap_or_default();
        // Words of one text are hidden as one.
        if !(shown == MASK && out.trim_end().ends_with(MASK)) {
            out.push_str(shown);
        }
        begins = false;
    }
    out.trim_end().to_owned()
}

/// `[name.of.a.table]`, in TOML.
fn is_header_of_a_table(line: &str) -> bool {
    let inner = line.trim().strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let inner = inner.map(|inner| inner.trim_start_matches('[').trim_end_matches(']'));
    inner.is_some_and(|inner| is_name(inner) && !inner.contains(' '))
}

/// The text that stands in quotes.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'') {
        Some(inner) => inner.trim_end_matches('\'').to_owned(),
        None => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
    }
}

/// Whether it can be the name of a field or of a table.
fn is_name(text: &str) -> bool {
    let one = |character: char| character.is_ascii_alphanumeric() || "_-./@$ ".contains(character);
    !text.is_empty() && text.len() <= 64 && text.chars().all(one) && !is_random(text)
}

/// What is no text: a small number, a yes or no.
fn is_plain(text: &str) -> bool {
    let is_number = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number || ["true", "false", "null"].contains(&text)
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
    fn of_other_servers_only_the_structure_is_shown() {
        let before = r#"{
  "mcpServers": {
    "mine": { "command": "x", "args": ["--token", "X1", "-p", "X2"], "env": { "MY_AUTH": "X3", "FOO": "X4" } },
    "url": { "url": "https://h.example/?key=X5", "headers": { "X-Foo": "X6" } } // X7 X8
  }
}
"#;
        let after = before.replace(
            " // X7",
            ",\n    \"neon\": { \"command\": \"/bin/neon-mcp\", \"args\": [\"--read-only\"] } // X7",
        );
        let known = ["/bin/neon-mcp", "--read-only"].map(str::to_owned).into();
        let shown: Vec<String> = diff(before, &after, &known).into_iter().map(|(_, line)| line).collect();
        let shown = shown.join("\n");
        for hidden in ["X1", "X2", "X3", "X4", "X5", "X6", "X7", "X8"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        for seen in [
            "\"mine\": {",
            "\"neon\": { \"command\": \"/bin/neon-mcp\"",
            "\"--read-only\"",
            "\"X-Foo\"",
        ] {
            assert!(shown.contains(seen), "{seen}:\n{shown}");
        }
    }

    #[test]
    fn lines_of_every_format_are_shown_by_their_structure() {
        let known = BTreeSet::from(["neon-mcp".to_owned()]);
        for (line, expected) in [
            ("cmd: neon-mcp", "cmd: neon-mcp"),
            ("  - hunter2", "  - [masked]"),
            ("  - \"hunter2\"", "  - \"[masked]\""),
            ("password: hun ter two # x", "password: [masked] # …"),
            ("[mcp_servers.neon]", "[mcp_servers.neon]"),
            ("command = 'neon-mcp'", "command = 'neon-mcp'"),
            ("a second line of a secret", "[masked]"),
            ("timeout = 300", "timeout = 300"),
            ("pin = 12345678", "pin = [masked]"),
            ("enabled: true", "enabled: true"),
        ] {
            assert_eq!(built(line, &known), expected);
        }
    }

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
