//! The mapping file, as the operator writes it: which subjects and groups get what, and who decides.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::claims::{Groups, is_name};
use crate::guard::{CUT_OFF, Scopes, is_whole, read_trusted_text};
use crate::server::http::auth::pieces::pieces;
use crate::server::http::auth::setup::CallerSettings;
use crate::text::one_line;
use crate::toml_error::{Position, told as told_at};

/// The longest name that an error quotes, in characters.
const LONGEST: usize = 80;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    default: Option<Unmapped>,
    #[serde(default)]
    subject: Vec<Spanned<ToldEntry>>,
    #[serde(default)]
    group: Vec<Spanned<ToldEntry>>,
}

/// What it says of a subject or a group, which differ in what they are called by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldEntry {
    sub: Option<String>,
    name: Option<String>,
    scopes: Option<Vec<String>>,
    grant_scopes: Option<Vec<String>>,
    policy: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    profile: Option<String>,
    calls_per_minute: Option<NonZeroU32>,
}

/// What becomes of whoever nothing is said about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// It is served what the server has.
    Allow,
    /// It is served nothing.
    Deny,
}

impl Unmapped {
    /// As the file has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Of whom an entry speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappedKind {
    /// Of one caller.
    Subject,
    /// Of those in a group.
    Group,
}

impl MappedKind {
    /// As the file has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Group => "group",
        }
    }

    /// What an entry is called by.
    fn key(self) -> &'static str {
        match self {
            Self::Subject => "sub",
            Self::Group => "name",
        }
    }
}

/// An entry of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapEntry {
    kind: MappedKind,
    name: String,
    scopes: Scopes,
    granted: Scopes,
    pub(super) settings: CallerSettings,
}

/// The mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapFile {
    /// Subjects, and then groups, in the order of the file.
    entries: Vec<MapEntry>,
    unmapped: Option<Unmapped>,
}

/// Who decides what a caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decides {
    /// The entry at that place.
    Entry(usize),
    /// What is said of all others.
    Unmapped(Unmapped),
}

impl MapEntry {
    /// Of whom it speaks.
    #[must_use]
    pub fn kind(&self) -> MappedKind {
        self.kind
    }

    /// Its subject or group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What whom it fits may do at most.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// What their tokens let them do that name no scope of this server.
    #[must_use]
    pub fn granted(&self) -> Scopes {
        self.granted
    }

    /// The policy that narrows the server's.
    #[must_use]
    pub fn policy(&self) -> Option<&Path> {
        self.settings.policy.as_deref()
    }

    /// The file with the key that their calls are made with.
    #[must_use]
    pub fn api_key_file(&self) -> Option<&Path> {
        self.settings.api_key_file.as_deref()
    }

    /// The profile whose login their calls are made with.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.settings.profile.as_deref()
    }

    /// How many calls each of them may make in a minute.
    #[must_use]
    pub fn calls_per_minute(&self) -> Option<NonZeroU32> {
        self.settings.calls_per_minute
    }

    /// An entry, checked.
    fn of(kind: MappedKind, told: ToldEntry) -> Result<Self, String> {
        let (own, other) = match kind {
            MappedKind::Subject => (told.sub, told.name),
            MappedKind::Group => (told.name, told.sub),
        };
        let (Some(name), None) = (own, other) else {
            return Err(format!(
                "a {} is called by `{}`, and by nothing else",
                kind.name(),
                kind.key()
            ));
        };
        let shown = one_line(&name, LONGEST);
        if !is_name(&name) {
            return Err(format!("no token holds such a name of a {}: {shown}", kind.name()));
        }
        let scopes = told.scopes.as_deref().map_or(Ok(Scopes::ALL), all_of)?;
        let granted = told.grant_scopes.as_deref().map_or(Ok(Scopes::NONE), all_of)?;
        if !scopes.lacks(granted).is_empty() {
            return Err(format!(
                "{shown}: it grants {}, which its scopes leave out",
                scopes.lacks(granted).text()
            ));
        }
        Ok(Self {
            kind,
            name,
            scopes,
            granted,
            settings: CallerSettings {
                policy: told.policy,
                api_key_file: told.api_key_file,
                profile: told.profile,
                calls_per_minute: told.calls_per_minute,
            },
        })
    }
}

fn all_of(names: &[String]) -> Result<Scopes, String> {
    let unknown = names.iter().find(|name| Scopes::of([name.as_str()]) == Scopes::NONE);
    match unknown {
        Some(unknown) => Err(format!("there is no scope `{}`", one_line(unknown, 60))),
        None => Ok(Scopes::of(names.iter().map(String::as_str))),
    }
}

impl Told {
    /// The entries with where each begins, as they are told.
    fn entries(self) -> impl Iterator<Item = (usize, MappedKind, ToldEntry)> {
        let of = |kind| move |told: Spanned<ToldEntry>| (told.span().start, kind, told.into_inner());
        let subjects = self.subject.into_iter().map(of(MappedKind::Subject));
        subjects.chain(self.group.into_iter().map(of(MappedKind::Group)))
    }
}

impl MapFile {
    /// Reads a file, which nobody but this user and root may be able to change.
    ///
    /// # Errors
    /// Why it can't be used, as a sentence that begins with its path.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = read_trusted_text(path).map_err(|error| error.to_string())?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// A file that says that nobody is served.
    pub(super) fn of_nobody() -> Self {
        Self {
            entries: Vec::new(),
            unmapped: Some(Unmapped::Deny),
        }
    }

    /// Understands the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let told: Told = toml::from_str(text).map_err(|error| told_at(text, &error))?;
        let unmapped = told.default;
        let mut lines: HashMap<(MappedKind, String), usize> = HashMap::new();
        let mut entries = Vec::new();
        for (at, kind, told) in told.entries() {
            let at = Position::of(text, at).line;
            let entry = MapEntry::of(kind, told).map_err(|why| format!("line {at}: {why}"))?;
            if let Some(first) = lines.insert((kind, entry.name.clone()), at) {
                return Err(format!(
                    "the {} {} is there twice, in lines {first} and {at}, and only one of them could count: say in one what it gets",
                    kind.name(),
                    one_line(&entry.name, LONGEST)
                ));
            }
            entries.push(entry);
        }
        // What isn't said opens nothing: not to whom nothing is said about, nor to whom a line is about that isn't there yet.
        if unmapped.is_none() {
            return Err(
                "say what becomes of whoever no entry fits: default = \"deny\" or default = \"allow\", before the entries"
                    .to_owned(),
            );
        }
        if !is_whole(text) {
            return Err(CUT_OFF.to_owned());
        }
        Ok(Self { entries, unmapped })
    }

    /// What a broken text says whole: the entries that can be understood, but those of which it speaks twice, and one that may be cut off.
    pub(super) fn of_pieces(text: &str) -> Self {
        let told = pieces(text)
            .into_iter()
            .filter_map(|piece| Some((toml::from_str::<Told>(piece.text).ok()?, piece.may_be_cut)));
        let told: Vec<(Told, bool)> = told.collect();
        let unmapped = told.iter().find_map(|(told, _)| told.default);
        let all = told
            .into_iter()
            .flat_map(|(told, may_be_cut)| told.entries().map(move |entry| (entry, may_be_cut)));
        let (mut entries, mut cut) = (Vec::new(), Vec::new());
        for ((_, kind, told), may_be_cut) in all {
            let Ok(entry) = MapEntry::of(kind, told) else { continue };
            if may_be_cut {
                cut.push((entry.kind, entry.name.clone()));
            }
            entries.push(entry);
        }
        let mut told_of: HashMap<(MappedKind, String), usize> = HashMap::new();
        for entry in &entries {
            *told_of.entry((entry.kind, entry.name.clone())).or_default() += 1;
        }
        let stands = |key: &(MappedKind, String)| told_of.get(key) == Some(&1) && !cut.contains(key);
        entries.retain(|entry| stands(&(entry.kind, entry.name.clone())));
        entries.sort_by_key(|entry| entry.kind == MappedKind::Group);
        Self { entries, unmapped }
    }

    /// The entries: subjects, and then groups, each in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[MapEntry] {
        &self.entries
    }

    /// What becomes of whoever no entry fits.
    #[must_use]
    pub fn unmapped(&self) -> Unmapped {
        self.unmapped.unwrap_or(Unmapped::Deny)
    }

    /// Who decides what a caller gets: the first subject that it is, else the first group that it is in.
    ///
    /// # Errors
    /// Why its groups, which would decide, aren't known whole.
    pub(super) fn decides(&self, subject: &str, groups: &Groups) -> Result<Decides, &'static str> {
        let place = |fits: &dyn Fn(&MapEntry) -> bool| self.entries.iter().position(fits);
        let by_subject = place(&|entry| entry.kind == MappedKind::Subject && entry.name == subject);
        let has_groups = self.entries.iter().any(|entry| entry.kind == MappedKind::Group);
        let decides = match (by_subject, groups) {
            (Some(place), _) => Some(place),
            (None, _) if !has_groups => None,
            (None, Groups::Untold(why)) => return Err(why),
            (None, Groups::Told(groups)) => {
                place(&|entry| entry.kind == MappedKind::Group && groups.contains(&entry.name))
            }
        };
        Ok(decides.map_or(Decides::Unmapped(self.unmapped()), Decides::Entry))
    }

    /// The entry of the caller that is that subject and in these groups; nothing for one whom none fits.
    #[must_use]
    pub fn entry_of(&self, subject: &str, groups: Vec<String>) -> Option<&MapEntry> {
        match self.decides(subject, &Groups::Told(groups)) {
            Ok(Decides::Entry(place)) => self.entries.get(place),
            _ => None,
        }
    }

    /// Whether another one says the same of a caller.
    pub(super) fn says_the_same(&self, other: &Self, subject: &str, groups: &Groups) -> bool {
        let said = |file: &Self| match file.decides(subject, groups) {
            Ok(Decides::Entry(place)) => file.entries.get(place).cloned().map(Ok),
            // Said by both, or by neither.
            Ok(Decides::Unmapped(_)) => Some(Err(file.unmapped)),
            Err(_) => None,
        };
        said(self).is_some_and(|own| Some(own) == said(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(names: &[&str]) -> Groups {
        Groups::Told(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn subject_or_group_that_is_there_twice_is_refused_with_both_lines() {
        for (text, lines) in [
            ("[[subject]]\nsub = \"a\"\n\n[[subject]]\nsub = \"a\"\n", ["1", "4"]),
            (
                "default = \"deny\"\n[[group]]\nname = \"a\"\nscopes = [\"neon:read\"]\n[[subject]]\nsub = \"b\"\n[[group]]\nname = \"a\"\n",
                ["2", "7"],
            ),
        ] {
            let why = MapFile::parse(text).unwrap_err();
            assert!(why.contains("twice"), "{why}");
            let numbers: Vec<&str> = why
                .split(|character: char| !character.is_ascii_digit())
                .filter(|word| !word.is_empty())
                .collect();
            assert_eq!(numbers, lines, "{why}");
        }
        // A subject is no group.
        let text = "default = \"deny\"\n[[subject]]\nsub = \"a\"\n[[group]]\nname = \"a\"\n# end\n";
        assert_eq!(MapFile::parse(text).unwrap().entries().len(), 2);
    }

    #[test]
    fn entry_is_called_as_its_kind_is_and_what_is_wrong_has_its_line() {
        for (text, at) in [
            ("[[subject]]\nname = \"a\"\n", "line 1"),
            ("\n[[subject]]\nsub = \"a\"\nname = \"a\"\n", "line 2"),
            ("[[subject]]\n", "line 1"),
            ("default = \"deny\"\n[[group]]\nsub = \"a\"\n", "line 2"),
            ("[[subject]]\nsub = \"a\"\n[[subject]]\nsub = \"\"\n", "line 3"),
            ("[[subject]]\nsub = \"a\"\nscope = []\n", "line 3"),
            ("[[subject]]\nsub = \"a\"\n[[subject]\n", "line 3"),
        ] {
            let why = MapFile::parse(text).unwrap_err();
            assert!(why.starts_with(at), "{text}: {why}");
        }
    }

    #[test]
    fn of_a_broken_text_those_are_said_the_same_who_get_the_same_by_what_is_whole() {
        let (ada, bob) = (
            "[[subject]]\nsub = \"ada\"\n",
            "[[subject]]\nsub = \"bob\"\nscopes = [\"neon:read\"]\n",
        );
        let (dev, ops) = (
            "[[group]]\nname = \"dev\"\ncalls_per_minute = 9\n",
            "[[group]]\nname = \"ops\"\n",
        );
        let head = "default = \"allow\"\n";
        let file = MapFile::parse(&format!("{head}{ada}{bob}{dev}{ops}# end\n")).unwrap();
        // Ada, Bob, Eve in dev and ops, Dan in ops, and Joe in nothing.
        let callers = [
            ("ada", groups(&[])),
            ("bob", groups(&["ops"])),
            ("eve", groups(&["dev", "ops"])),
            ("dan", groups(&["ops"])),
            ("joe", groups(&[])),
        ];
        for (text, same) in [
            (format!("{head}{ada}{bob}{dev}{ops}x"), "ada bob eve joe"),
            (format!("{head}{bob}{dev}{ops}[[x]]"), "bob eve dan joe"),
            (
                format!("{head}{ada}{}{dev}{ops}# end\n", bob.replace("\"]", "")),
                "ada eve dan joe",
            ),
            // Without its own entry, no other stands in.
            (format!("{head}{ada}{bob}{ops}[[x]]"), "ada bob dan joe"),
            (format!("{head}{ada}{bob}{ops}{dev}[[x]]"), "ada bob dan joe"),
            // What is new says something of those whom it fits.
            (
                format!("{head}{ada}{bob}[[subject]]\nsub = \"joe\"\n{dev}{ops}[[x]]"),
                "ada bob eve dan",
            ),
            (format!("{head}{ada}{ada}{bob}{dev}{ops}# end\n"), "bob eve dan joe"),
            (
                format!("{}{ada}{bob}{dev}{ops}[[x]]", "default = \"deny\"\n"),
                "ada bob eve dan",
            ),
            (
                format!("default = allow\n{ada}{bob}{dev}{ops}# end\n"),
                "ada bob eve dan",
            ),
            // Cut off after a line: who got less by what isn't there yet doesn't get more.
            (format!("{head}{ada}{bob}"), "ada joe"),
            (head.to_owned(), "joe"),
            (String::new(), ""),
        ] {
            let left = MapFile::of_pieces(&text);
            let told = callers
                .iter()
                .filter(|(name, groups)| file.says_the_same(&left, name, groups));
            let told: Vec<&str> = told.map(|(name, _)| *name).collect();
            assert_eq!(told.join(" "), same, "{text}");
        }
        let untold = Groups::Untold("why");
        assert!(!file.says_the_same(&file, "eve", &untold) && file.says_the_same(&file, "ada", &untold));
        // Who knows of nobody serves nobody, whatever a broken text says.
        let left = MapFile::of_pieces("[[x]]");
        assert!(!MapFile::of_nobody().says_the_same(&left, "joe", &groups(&[])));
    }
}
