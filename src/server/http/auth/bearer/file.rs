//! The file with the tokens: read whole or not at all, written under a lock, replaced at once.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry::{NewToken, Rotation, TokenEntry};
use crate::guard::{
    CUT_OFF, FileError, LAST_LINE, Untrusted, is_whole, lock, make_directory, read_trusted_text, replace_private,
};
use crate::server::http::auth::pieces::pieces;

/// How many tokens a file has at most.
const MAX_TOKENS: usize = 10_000;

/// What stands above the tokens.
const HEAD: &str =
    "# The tokens of `neon-mcp http --auth bearer`: `neon-mcp token` writes this file. It holds digests, no token.\n\n";

/// The tokens of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenList {
    #[serde(default, rename = "token")]
    tokens: Vec<TokenEntry>,
}

/// A file of tokens that can't be used, or a change of it that can't be made.
#[derive(Debug, Error)]
pub enum TokenListError {
    /// It can't be read, or somebody else could change it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// It is no list of tokens.
    #[error("{path}: {message}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// There is such a token.
    #[error(
        "there is a token {0}: `neon-mcp token rotate {0}` puts another in its place; else take another name, or revoke that one first"
    )]
    Taken(String),
    /// There is no such token.
    #[error("there is no token {0}: `neon-mcp token list` names those that there are")]
    Unknown(String),
    /// The new token can't be one.
    #[error("{0}")]
    New(String),
    /// It can't be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl TokenList {
    /// Reads a file, which nobody but this user and root may be able to change.
    ///
    /// # Errors
    /// When it isn't there, can't be read, somebody else could change it, or anything in it isn't understood.
    pub fn read(path: &Path) -> Result<Self, TokenListError> {
        Self::parse(&read_trusted_text(path)?).map_err(|message| TokenListError::Invalid {
            path: path.to_owned(),
            message,
        })
    }

    /// Understands the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| crate::toml_error::told(text, &error))?;
        // A token of which only the beginning is there would have no end, no policy and every scope.
        if !is_whole(text) {
            return Err(CUT_OFF.to_owned());
        }
        if list.tokens.len() > MAX_TOKENS {
            return Err(format!("there are more than {MAX_TOKENS} tokens"));
        }
        let (mut names, mut digests) = (HashSet::new(), HashSet::new());
        for entry in &list.tokens {
            if let Some(problem) = entry.problem() {
                return Err(problem);
            }
            if !names.insert(entry.name()) || !entry.digests().all(|(digest, _)| digests.insert(digest)) {
                return Err(format!("{} is there twice", entry.name()));
            }
        }
        Ok(list)
    }

    /// The names of its tokens that stand in a broken text, whole and as they are here. One of which the text speaks twice is none of
    /// them: nobody knows what is meant. Nor is one that may be cut off.
    pub(super) fn standing_in(&self, text: &str) -> HashSet<&str> {
        let told = pieces(text).into_iter().filter_map(|piece| {
            let list = toml::from_str::<Self>(piece.text).ok()?;
            Some(list.tokens.into_iter().map(move |entry| (entry, piece.may_be_cut)))
        });
        let told: Vec<(TokenEntry, bool)> = told.flatten().collect();
        let mut named: HashMap<&str, Vec<(&TokenEntry, bool)>> = HashMap::new();
        let mut digests: HashMap<&str, usize> = HashMap::new();
        for (entry, may_be_cut) in &told {
            named.entry(entry.name()).or_default().push((entry, *may_be_cut));
            for (digest, _) in entry.digests() {
                *digests.entry(digest).or_default() += 1;
            }
        }
        let stands = |entry: &&TokenEntry| {
            named.get(entry.name()).is_some_and(|told| *told == [(*entry, false)])
                && entry.digests().all(|(digest, _)| digests.get(digest) == Some(&1))
        };
        self.tokens.iter().filter(stands).map(TokenEntry::name).collect()
    }

    /// The tokens, in the order in which they were made.
    #[must_use]
    pub fn entries(&self) -> &[TokenEntry] {
        &self.tokens
    }

    /// Makes a token, and adds it to a file, which is made where there is none. Nothing but what this gives back holds the token.
    ///
    /// # Errors
    /// When there is one of that name, it can't be one, or the file can't be read or written.
    pub fn create(path: &Path, new: NewToken, now: DateTime<Utc>) -> Result<SecretString, TokenListError> {
        let (token, entry) = TokenEntry::make(new, now);
        if let Some(problem) = entry.problem() {
            return Err(TokenListError::New(problem));
        }
        change(path, |list| {
            if list.tokens.iter().any(|known| known.name() == entry.name()) {
                return Err(TokenListError::Taken(entry.name().to_owned()));
            }
            list.tokens.push(entry);
            Ok(())
        })?;
        Ok(token)
    }

    /// Makes another token of a name. The earlier one counts beside it for a while, and the one before that no more.
    ///
    /// # Errors
    /// When there is none of that name, or it has ended, or the file can't be read or written.
    pub fn rotate(
        path: &Path,
        name: &str,
        rotation: Rotation,
        now: DateTime<Utc>,
    ) -> Result<SecretString, TokenListError> {
        let mut token = None;
        change(path, |list| {
            let known = list.tokens.iter_mut().find(|known| known.name() == name);
            let known = known.ok_or_else(|| TokenListError::Unknown(crate::text::one_line(name, 80)))?;
            token = Some(known.rotate(rotation, now).map_err(TokenListError::New)?);
            Ok(())
        })?;
        token.ok_or_else(|| TokenListError::Unknown(crate::text::one_line(name, 80)))
    }

    /// Takes a token out of a file: servers that run refuse it from then on.
    ///
    /// # Errors
    /// When there is none of that name, or the file can't be read or written.
    pub fn revoke(path: &Path, name: &str) -> Result<(), TokenListError> {
        change(path, |list| {
            let before = list.tokens.len();
            list.tokens.retain(|known| known.name() != name);
            match list.tokens.len() < before {
                true => Ok(()),
                false => Err(TokenListError::Unknown(crate::text::one_line(name, 80))),
            }
        })
    }
}

/// Changes a file, alone among all processes.
fn change(
    path: &Path,
    change: impl FnOnce(&mut TokenList) -> Result<(), TokenListError>,
) -> Result<(), TokenListError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_directory(directory)?;
    }
    let _held = lock(&path.with_extension("lock"))?;
    let mut list = match TokenList::read(path) {
        Err(TokenListError::Untrusted(error)) if error.is_absent() => TokenList::default(),
        read => read?,
    };
    change(&mut list)?;
    let text = toml::to_string(&list).map_err(|error| TokenListError::New(error.to_string()))?;
    replace_private(path, |file| {
        file.write_all(HEAD.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.write_all(format!("\n{LAST_LINE}\n").as_bytes())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn named(name: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            ..NewToken::default()
        }
    }

    #[test]
    fn file_holds_digests_and_no_token_and_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let now = Utc::now();
        let token = TokenList::create(&path, named("ci"), now).unwrap();
        assert!(token.expose_secret().starts_with("nmcp_") && token.expose_secret().len() == 48);
        let other = NewToken {
            scopes: Some(vec!["neon:read".to_owned()]),
            policy: Some("/etc/policy.toml".into()),
            profile: Some("work".to_owned()),
            expires: Some(now),
            calls_per_minute: std::num::NonZeroU32::new(5),
            person: Some("00u1 abcd".to_owned()),
            ..named("other")
        };
        TokenList::create(&path, other, now).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(token.expose_secret()) && !text.contains("nmcp_"));
        let list = TokenList::read(&path).unwrap();
        let names: Vec<&str> = list.entries().iter().map(TokenEntry::name).collect();
        assert_eq!(names, ["ci", "other"]);
        let persons: Vec<Option<&str>> = list.entries().iter().map(TokenEntry::person).collect();
        assert_eq!(persons, [None, Some("00u1 abcd")]);
        assert!(matches!(
            TokenList::create(&path, named("ci"), now),
            Err(TokenListError::Taken(_))
        ));
        TokenList::revoke(&path, "ci").unwrap();
        assert!(matches!(
            TokenList::revoke(&path, "ci"),
            Err(TokenListError::Unknown(_))
        ));
        assert_eq!(TokenList::read(&path).unwrap().entries().len(), 1);
    }

    #[test]
    fn tokens_made_at_the_same_time_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || TokenList::create(path, named(&format!("t{number}")), Utc::now()).unwrap());
            }
        });
        assert_eq!(TokenList::read(&path).unwrap().entries().len(), 16);
    }

    #[test]
    fn entry_that_is_none_is_refused() {
        let digest = super::super::entry::digest("x");
        let right = format!("[[token]]\nname = \"a\"\nsha256 = \"{digest}\"\ncreated = \"2026-01-01T00:00:00Z\"\n");
        let parse = |text: &str| TokenList::parse(&format!("{text}# end\n"));
        for wrong in [
            right.replace("\"a\"", "\"a b\""),
            right.replace("\"a\"", "\"\""),
            right.replace(&digest, "abc"),
            format!("{right}{right}"),
            format!("{right}scopes = [\"neon:everything\"]\n"),
            format!("{right}unknown = 1\n"),
            format!("{right}calls_per_minute = 0\n"),
            format!("{right}person = \"\"\n"),
            format!("{right}api_key_file = \"a\"\nprofile = \"b\"\n"),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
        assert!(parse(&right).is_ok());
        // It would be one without bounds.
        let whole = format!("{right}scopes = [\"neon:read\"]\n# end\n");
        assert!(TokenList::parse(&whole).is_ok() && TokenList::parse(&right).is_err());
        assert!(TokenList::parse("").is_err());
    }

    #[test]
    fn of_a_broken_text_those_stand_that_are_whole_and_as_they_were() {
        let entry = |name: &str, more: &str| {
            let digest = super::super::entry::digest(name);
            format!("[[token]]\nname = \"{name}\"\nsha256 = \"{digest}\"\ncreated = \"2026-01-01T00:00:00Z\"\n{more}")
        };
        let ended = super::super::entry::digest("ended");
        let previous = format!("[token.previous]\nsha256 = \"{ended}\"\nexpires = \"2026-01-02T00:00:00Z\"\n");
        let (ann, bob) = (entry("ann", "scopes = [\"neon:read\"]\n"), entry("bob", &previous));
        let list = TokenList::parse(&format!("{ann}{bob}# end\n")).unwrap();
        for (text, stand) in [
            (format!("{ann}{bob}x"), &["ann"][..]),
            // Whole as it is, it may yet lack what narrows it.
            (format!("{ann}{bob}"), &["ann"]),
            (format!("broken\n{bob}{ann}# end\n"), &["ann", "bob"]),
            (format!("{ann}{}", bob.split_at(bob.len() - 9).0), &["ann"]),
            // What would have narrowed it is cut off, or it is wider.
            (
                format!("{}{bob}# end\n", entry("ann", "scopes = [\"neon:re\n")),
                &["bob"],
            ),
            (format!("x\n{}{bob}# end\n", entry("ann", "")), &["bob"]),
            // As it was, and once more otherwise: by its name, or by a digest.
            (format!("{ann}{bob}{}", entry("ann", "")), &["bob"]),
            (format!("{ann}{bob}{ann}"), &["bob"]),
            (format!("{ann}{bob}{}", entry("ended", "")), &["ann"]),
            // In a comment it is none; and what is new waits.
            (format!("broken\n#{}{bob}", ann.replace('\n', "\n#")), &[]),
            (format!("broken\n{}{bob}# end\n", entry("eve", "")), &["bob"]),
            (format!("{bob}{ann}").replace("[[token]]", "[token]]"), &[]),
            (String::new(), &[]),
        ] {
            let mut standing: Vec<&str> = list.standing_in(&text).into_iter().collect();
            standing.sort_unstable();
            assert_eq!(standing, stand, "{text}");
        }
    }
}
