//! YAML, without a parser: what is plain is changed as text, and everything else is left to its user.
//!
//! Plain is a file whose lines at the margin are keys, comments and items of lists, and in which the servers are blocks that are
//! further in. A value that runs over lines, an anchor or a document of several parts isn't.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Value};

use super::entry::{Entry, NotEdited, Spot, newline};

/// The servers of a file.
struct Servers<'a> {
    lines: Vec<&'a str>,
    /// The line with the key.
    head: Option<usize>,
    /// By how much they are further in.
    indent: usize,
    /// Their blocks: the name, and the lines.
    blocks: Vec<(String, Range<usize>)>,
    /// Where the last of them ends.
    end: usize,
    /// Whether it says `{}` that there are none.
    empty: bool,
}

fn unusual(line: usize, what: &str) -> NotEdited {
    NotEdited::Unusual(format!("line {} {what}", line.saturating_add(1)))
}

fn indent_of(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches(' ').len())
}

fn is_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// `key: rest`, where the key is a plain word or quoted.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = line.trim().split_once(':')?;
    let bare = key.trim().trim_matches('"').trim_matches('\'');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./ ".contains(&byte);
    let parted = rest.is_empty() || rest.starts_with([' ', '\t']);
    (!bare.is_empty() && bare.bytes().all(plain) && parted).then_some((bare, rest.trim()))
}

/// A value without a comment behind it.
fn without_comment(rest: &str) -> &str {
    if rest.starts_with('#') {
        return "";
    }
    rest.split_once(" #").map_or(rest, |(value, _)| value).trim()
}

impl<'a> Servers<'a> {
    fn read(text: &'a str, key: &str) -> Result<Self, NotEdited> {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut head = None;
        for (number, line) in lines.iter().enumerate() {
            if line.trim_start_matches(' ').starts_with('\t') {
                return Err(NotEdited::Broken(format!(
                    "line {} begins with a tabulator",
                    number.saturating_add(1)
                )));
            }
            let first = number == 0 && line.trim() == "---";
            if is_nothing(line) || line.starts_with(' ') || line.starts_with("- ") || first {
                continue;
            }
            match key_of(line) {
                Some((name, _)) if name == key && head.is_some() => {
                    return Err(unusual(number, &format!("has `{key}` once more")));
                }
                Some((name, _)) if name == key => head = Some(number),
                Some(_) => {}
                None => {
                    return Err(NotEdited::Broken(format!(
                        "line {} is no key",
                        number.saturating_add(1)
                    )));
                }
            }
        }
        let mut servers = Self {
            end: lines.len(),
            lines,
            head,
            indent: 2,
            blocks: Vec::new(),
            empty: false,
        };
        if let Some(head) = head {
            servers.read_blocks(head)?;
        }
        Ok(servers)
    }

    fn read_blocks(&mut self, head: usize) -> Result<(), NotEdited> {
        let rest = self
            .lines
            .get(head)
            .and_then(|line| key_of(line))
            .map(|(_, rest)| without_comment(rest));
        match rest.unwrap_or_default() {
            "" => {}
            "{}" => self.empty = true,
            _ => return Err(unusual(head, "has its value in the same line")),
        }
        self.end = head.saturating_add(1);
        let mut indent = None;
        let mut names = HashSet::new();
        for (number, line) in self.lines.iter().enumerate().skip(self.end) {
            if is_nothing(line) {
                continue;
            }
            let own = indent_of(line);
            if own == 0 && line.starts_with("- ") {
                return Err(unusual(number, "is an item of a list, where servers are expected"));
            }
            if own == 0 {
                break;
            }
            let expected = *indent.get_or_insert(own);
            if own < expected {
                return Err(unusual(number, "is less far in than the one above"));
            }
            if own == expected {
                match key_of(line) {
                    Some((name, _)) if !names.insert(name.to_owned()) => {
                        return Err(unusual(number, &format!("has `{name}` once more")));
                    }
                    Some((name, rest)) if without_comment(rest).is_empty() => {
                        self.blocks.push((name.to_owned(), number..number.saturating_add(1)));
                    }
                    _ => return Err(unusual(number, "is no block of a server")),
                }
            }
            let end = number.saturating_add(1);
            if let Some((_, block)) = self.blocks.last_mut() {
                block.end = end;
            }
            self.end = end;
        }
        self.indent = indent.unwrap_or(2);
        if self.empty && indent.is_some() {
            return Err(unusual(head, "says that there are none, and there are some"));
        }
        Ok(())
    }

    fn block(&self, name: &str) -> Option<&Range<usize>> {
        self.blocks.iter().find(|(own, _)| own == name).map(|(_, block)| block)
    }

    /// The fields of a block, of those that are plain; none where one isn't.
    fn fields(&self, block: &Range<usize>) -> Option<Map<String, Value>> {
        let lines = self.lines.get(block.start.saturating_add(1)..block.end)?;
        let mut fields = Map::new();
        let first = lines
            .iter()
            .find(|line| !is_nothing(line))
            .map(|line| indent_of(line))?;
        let mut list: Option<(String, Vec<Value>)> = None;
        for line in lines.iter().filter(|line| !is_nothing(line)) {
            let trimmed = line.trim();
            if let (Some(item), Some((_, items))) = (trimmed.strip_prefix("- "), list.as_mut()) {
                items.push(scalar(without_comment(item.trim()))?);
                continue;
            }
            if let Some((name, items)) = list.take() {
                // What is further in and no list would be a value with fields of its own.
                fields.insert(name, if items.is_empty() { Value::Null } else { items.into() });
            }
            if indent_of(line) != first {
                return None;
            }
            let (name, rest) = key_of(line)?;
            if rest.is_empty() {
                list = Some((name.to_owned(), Vec::new()));
            } else {
                fields.insert(name.to_owned(), scalar(rest)?);
            }
        }
        if let Some((name, items)) = list {
            fields.insert(name, if items.is_empty() { Value::Null } else { items.into() });
        }
        Some(fields)
    }
}

/// A plain value in one line: JSON is YAML, and a word stands for itself.
fn scalar(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        return Some(Value::from(inner.replace("''", "'")));
    }
    let text = without_comment(text);
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let special = ['&', '*', '!', '|', '>', '{', '[', '"', '\'', '%', '@', '`'];
    (!text.starts_with(special)).then(|| Value::from(text))
}

pub(super) fn read(text: &str, key: &str) -> Result<Vec<Entry>, NotEdited> {
    let servers = Servers::read(text, key)?;
    let entries = servers.blocks.iter().map(|(name, block)| Entry {
        name: name.clone(),
        fields: servers.fields(block).unwrap_or_default(),
    });
    Ok(entries.collect())
}

/// The block of an entry.
fn block(spot: Spot<'_>, fields: &Map<String, Value>, indent: usize, eol: &str) -> String {
    let outer = " ".repeat(indent);
    let mut block = format!("{outer}{}:{eol}", spot.name);
    for (name, value) in fields {
        block.push_str(&format!("{outer}  {name}: {value}{eol}"));
    }
    block
}

pub(super) fn put(
    text: &str,
    spot: Spot<'_>,
    there: Option<&Entry>,
    wanted: &Map<String, Value>,
) -> Result<String, NotEdited> {
    let eol = newline(text);
    let servers = Servers::read(text, spot.key)?;
    let made = block(spot, wanted, servers.indent, eol);
    let parts = |range: Range<usize>| {
        let before = servers.lines.get(..range.start).unwrap_or_default().concat();
        let after = servers.lines.get(range.end..).unwrap_or_default().concat();
        (before, after)
    };
    let ended = |text: &str| {
        if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            eol
        }
    };
    if let (Some(there), Some(own)) = (there, servers.block(spot.name)) {
        if there.fields == *wanted {
            return Ok(text.to_owned());
        }
        if servers.fields(own).is_none()
            || servers
                .lines
                .get(own.clone())
                .is_some_and(|own| own.iter().any(|line| line.contains('#')))
        {
            return Err(unusual(own.start, "begins an entry that isn't plain"));
        }
        let (before, after) = parts(own.clone());
        return Ok(format!("{before}{made}{after}"));
    }
    let Some(head) = servers.head else {
        let kept = if text.trim().is_empty() { "" } else { text };
        return Ok(format!("{kept}{}{}:{eol}{made}", ended(kept), spot.key));
    };
    if servers.empty {
        let (before, after) = parts(head..head.saturating_add(1));
        let line = servers
            .lines
            .get(head)
            .copied()
            .unwrap_or_default()
            .replacen(" {}", "", 1);
        return Ok(format!("{before}{line}{}{made}{after}", ended(&line)));
    }
    let (before, after) = parts(servers.end..servers.end);
    Ok(format!("{before}{}{made}{after}", ended(&before)))
}

pub(super) fn take(text: &str, spot: Spot<'_>) -> Result<String, NotEdited> {
    let servers = Servers::read(text, spot.key)?;
    let (Some(own), Some(head)) = (servers.block(spot.name), servers.head) else {
        return Ok(text.to_owned());
    };
    let none_left = servers.blocks.len() == 1;
    let kept = servers
        .lines
        .iter()
        .enumerate()
        .filter(|(number, _)| !own.contains(number));
    let kept = kept.map(|(number, line)| match number == head && none_left {
        true => line.replacen(':', ": {}", 1),
        false => (*line).to_owned(),
    });
    Ok(kept.collect())
}
