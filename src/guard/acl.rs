//! Postgres' lists of rights in words.

use super::shown::told;

/// What each letter of an `aclitem` allows: PostgreSQL's documentation, "Privileges", table "ACL Privilege Abbreviations".
const PRIVILEGES: [(char, &str); 15] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// All rights that there are on a kind of thing, in the order in which Postgres writes them: what its owner has unless that was changed.
/// MAINTAIN there is since PostgreSQL 17.
fn all(kind: &str) -> &'static [&'static str] {
    match kind {
        "schema" => &["UC"],
        "database" => &["CTc"],
        "sequence" => &["rwU"],
        "function" => &["X"],
        "type" | "language" => &["U"],
        _ => &["arwdDxtm", "arwdDxt"],
    }
}

/// Who may do what with a thing of that kind, from Postgres' text of an `aclitem[]`: `"app" SELECT, INSERT; everyone EXECUTE`. All that an
/// owner may do by itself isn't said. A text that isn't such a list is told as it stands.
pub(super) fn in_words(kind: &str, acl: Option<&str>) -> String {
    let Some(acl) = acl else {
        return OWNERS_ALONE.to_owned();
    };
    let items: Option<Vec<Item>> = elements(acl).and_then(|items| items.iter().map(|item| Item::of(item)).collect());
    let Some(items) = items else {
        return told(acl);
    };
    let others = items.iter().filter(|item| !item.is_the_owners_own(kind));
    let told: Vec<String> = others.map(Item::told).collect();
    match told.is_empty() {
        true => OWNERS_ALONE.to_owned(),
        false => told.join("; "),
    }
}

/// What is said where nobody but the owner has rights.
const OWNERS_ALONE: &str = "those of its owner alone";

/// One grantee's rights.
struct Item {
    /// `None`: everyone.
    grantee: Option<String>,
    privileges: String,
    grantor: String,
}

impl Item {
    /// `grantee=privileges/grantor`, each name in double quotes where it needs them.
    fn of(text: &str) -> Option<Self> {
        let (grantee, rest) = name(text)?;
        let (privileges, grantor) = rest.strip_prefix('=')?.split_once('/')?;
        let (grantor, "") = name(grantor)? else { return None };
        let known = |letter: char| letter == '*' || PRIVILEGES.iter().any(|(known, _)| *known == letter);
        privileges.chars().all(known).then(|| Self {
            grantee: Some(grantee).filter(|name| !name.is_empty()),
            privileges: privileges.to_owned(),
            grantor,
        })
    }

    fn is_the_owners_own(&self, kind: &str) -> bool {
        self.grantee.as_ref() == Some(&self.grantor) && all(kind).contains(&self.privileges.as_str())
    }

    fn told(&self) -> String {
        let who = self.grantee.as_deref().map_or("everyone".to_owned(), told);
        let mut words: Vec<String> = Vec::new();
        for letter in self.privileges.chars() {
            match (PRIVILEGES.iter().find(|(known, _)| *known == letter), words.last_mut()) {
                (Some((_, word)), _) => words.push((*word).to_owned()),
                (None, Some(last)) => last.push_str(" (and may pass it on)"),
                (None, None) => {}
            }
        }
        if words.is_empty() {
            return format!("{who} nothing");
        }
        format!("{who} {}", words.join(", "))
    }
}

/// The name that a text begins with, and the rest of it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut out = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if letters.next_if(|(_, next)| *next == '"').is_some() => out.push('"'),
            '"' => return Some((out, quoted.get(at + 1..)?)),
            letter => out.push(letter),
        }
    }
    None
}

/// The elements of a one-dimensional array as Postgres writes it.
fn elements(array: &str) -> Option<Vec<String>> {
    let inside = array.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    let (mut one, mut is_quoted) = (String::new(), false);
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_quoted => one.push(letters.next()?),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => found.push(std::mem::take(&mut one)),
            letter => one.push(letter),
        }
    }
    if !inside.is_empty() {
        found.push(one);
    }
    (!is_quoted).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::untrusted::bare;

    #[test]
    fn rights_are_told_in_words() {
        for (kind, acl, words) in [
            (
                "table",
                "{neondb_owner=arwdDxt/neondb_owner,reporting=r/neondb_owner}",
                "\"reporting\" SELECT",
            ),
            ("table", "{o=arwdDxtm/o}", "those of its owner alone"),
            ("table", "{}", "those of its owner alone"),
            // What an owner took from itself is told, and so is what it may do by somebody else's leave.
            ("table", "{o=arw/o}", "\"o\" INSERT, SELECT, UPDATE"),
            ("schema", "{o=UC/o}", "those of its owner alone"),
            ("schema", "{o=U/o}", "\"o\" USAGE"),
            ("type", "{o=U/o}", "those of its owner alone"),
            (
                "table",
                "{o=arwdDxt/p}",
                "\"o\" INSERT, SELECT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER",
            ),
            (
                "table",
                "{=X/o,app=a*r/o}",
                "everyone EXECUTE; \"app\" INSERT (and may pass it on), SELECT",
            ),
            (
                "table",
                r#"{"\"a=b/c\"\"d\"=r/\"o, p\"",o=/o}"#,
                "\"a=b/c\\\"d\" SELECT; \"o\" nothing",
            ),
            // What isn't such a list is told by nobody as one.
            ("table", "{app}", "\"{app}\""),
            ("table", "{app=r}", "\"{app=r}\""),
            ("table", "{app=r?/o}", "\"{app=r?/o}\""),
            ("table", "{app=r/o=x}", "\"{app=r/o=x}\""),
            ("table", r#"{"app=r/o}"#, "\"{\\\"app=r/o}\""),
        ] {
            assert_eq!(bare(&in_words(kind, Some(acl))), words, "{acl}");
        }
        assert_eq!(in_words("table", None), OWNERS_ALONE);
        assert_eq!(bare(&in_words("table", Some(""))), "\"\"");
    }
}
