//! The statements of plans that show some of them by their digest alone: whole, without their secrets, for whoever reads on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::guard::digest;
use crate::neon::text::escaped;
use crate::sql::redact;

/// The most lists that are kept of one principal; its oldest goes.
const MAX_LISTS: usize = 32;

/// The most lists of all principals; the oldest goes.
const MAX_OF_ALL: usize = 512;

/// The longest list that is kept, in bytes; of a longer one, the rest is counted.
const MAX_BYTES: usize = 256 * 1024;

/// What the address of a list begins with; its digest follows.
const SCHEME: &str = "neon-mcp://statements/";

/// A text with its lines, in which all else that can't be seen is written out.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escaped).collect();
    lines.join("\n")
}

/// A list of statements as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Whole {
    /// Where it is read.
    pub(in crate::engine) uri: String,
    /// A statement after the other, each behind its number.
    pub(in crate::engine) text: String,
}

impl Whole {
    /// The statements of a list, without their secrets.
    pub(in crate::engine) fn of(statements: &Value) -> Self {
        let mut text = String::new();
        let all = statements.as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, statement) in all.iter().enumerate() {
            let shown = redact(statement.as_str().unwrap_or_default());
            if text.len() + shown.text().len() > MAX_BYTES {
                text.push_str(&format!("-- … and {} more statements", all.len() - index));
                break;
            }
            text.push_str(&format!(
                "-- {} of {}\n{};\n",
                index + 1,
                all.len(),
                lines(shown.text())
            ));
        }
        // The digest is that of the statements themselves, so that nobody reads one for another.
        let id = digest(statements);
        Self {
            uri: format!("{SCHEME}{}", id.get(..32).unwrap_or(&id)),
            text,
        }
    }
}

/// A list, and whose plan it is of.
#[derive(Debug)]
struct Kept {
    principal: String,
    whole: Whole,
}

/// The lists that a human may still be asked about. A principal reads those of its own plans alone.
#[derive(Debug, Default)]
pub(in crate::engine) struct Wholes(Mutex<VecDeque<Kept>>);

impl Wholes {
    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a list of a principal, which is given by its id.
    pub(in crate::engine) fn keep(&self, principal: &str, whole: Whole) {
        let mut all = self.all();
        all.retain(|kept| kept.principal != principal || kept.whole.uri != whole.uri);
        let own = all.iter().filter(|kept| kept.principal == principal).count();
        if own >= MAX_LISTS {
            let first = all.iter().position(|kept| kept.principal == principal);
            first.and_then(|first| all.remove(first));
        } else if all.len() >= MAX_OF_ALL {
            all.pop_front();
        }
        all.push_back(Kept {
            principal: principal.to_owned(),
            whole,
        });
    }

    /// The list of a principal under this address.
    pub(in crate::engine) fn get(&self, principal: &str, uri: &str) -> Option<String> {
        let all = self.all();
        let found = all
            .iter()
            .find(|kept| kept.principal == principal && kept.whole.uri == uri);
        found.map(|kept| kept.whole.text.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn list_holds_no_secret_and_makes_room() {
        let kept = Wholes::default();
        let first = Whole::of(&json!(["CREATE ROLE a PASSWORD 'S3cret'", "DROP TABLE t"]));
        assert!(first.text.contains("-- 2 of 2\nDROP TABLE t;"), "{}", first.text);
        assert!(!first.text.contains("S3cret"), "{}", first.text);
        let other = Whole::of(&json!(["CREATE ROLE a PASSWORD 'another'", "DROP TABLE t"]));
        assert_ne!(first.uri, other.uri);
        kept.keep("me", first.clone());
        kept.keep("me", first.clone());
        assert_eq!(kept.get("me", &first.uri), Some(first.text.clone()));
        assert_eq!(kept.get("you", &first.uri), None, "it is of another's plan");
        for index in 0..MAX_LISTS {
            kept.keep("you", Whole::of(&json!([format!("SELECT {index}")])));
        }
        assert_eq!(
            kept.get("me", &first.uri),
            Some(first.text.clone()),
            "others take none of its places"
        );
        for index in 0..MAX_LISTS {
            kept.keep("me", Whole::of(&json!([format!("SELECT {index}")])));
        }
        assert_eq!(kept.get("me", &first.uri), None);
        let long = Whole::of(&json!(vec!["SELECT 1 -- padding".repeat(1_000); 100]));
        assert!(long.text.len() < MAX_BYTES + 100 && long.text.ends_with("more statements"));
    }
}
