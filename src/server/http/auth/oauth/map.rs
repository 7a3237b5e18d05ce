//! What the mapping file sets up for which subjects and groups, loaded with all that it names.

use std::path::Path;
use std::sync::Arc;

use super::claims::Groups;
use super::map_file::{Decides, MapFile, Unmapped};
use crate::guard::Scopes;
use crate::server::http::auth::challenge::Denial;
use crate::server::http::auth::pieces::{self, Text};
use crate::server::http::auth::setup::{CallerAccounts, Loader, Setup, UNUSABLE};
use crate::server::http::auth::watched::{Loaded, Unread};
use crate::text::one_line;

/// The mapping.
#[derive(Debug)]
pub(super) struct Map {
    /// What could be used last.
    file: MapFile,
    /// What is set up by each of its entries. Nothing where what it names can't be used: whom it fits is served nothing then, and what it
    /// was before counts no more.
    setups: Vec<Option<Arc<Setup>>>,
    /// What a broken file says, where the one that is there is: who gets something else by it, or nobody knows what, is served nothing.
    broken: Option<MapFile>,
}

/// What is set up for a caller.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// What it may do at most.
    pub(super) scopes: Scopes,
    /// What its token lets it do where that names no scope of this server: the issuer has none to give, and the operator decides. A
    /// token that names one is as narrow as whoever asked for it wanted it.
    pub(super) granted: Scopes,
    pub(super) setup: Option<Arc<Setup>>,
}

impl Found {
    /// Of whom nothing is said: what the server has.
    pub(super) fn nothing() -> Self {
        Self {
            scopes: Scopes::ALL,
            granted: Scopes::NONE,
            setup: None,
        }
    }
}

/// Reads a mapping file as a server does at its start, with all that it names.
///
/// # Errors
/// Why no server would start with it, one reason a line.
pub fn checked_map(path: &Path, tools: Arc<[String]>, accounts: Arc<dyn CallerAccounts>) -> Result<MapFile, String> {
    let loaded = Map::read(path, None, &Loader::new(tools, accounts)).map_err(Unread::why)?;
    match loaded.unusable.as_slice() {
        [] => Ok(loaded.value.file),
        some => Err(some.join("\n")),
    }
}

impl Map {
    /// Reads a file, which nobody but this user and root may be able to change, and all that it names. What it said before is there but at
    /// the start.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn read(path: &Path, before: Option<&Self>, loader: &Loader) -> Result<Loaded<Self>, Unread> {
        let Some(before) = before else {
            return Ok(Self::loaded(
                MapFile::read(path).map_err(Unread::Nothing)?,
                path,
                loader,
            ));
        };
        let (text, file) = match pieces::text(path)? {
            Text::Absent => {
                let broken = format!(
                    "{} isn't there, so nobody knows who may call: all are refused until it is there again",
                    path.display()
                );
                return Ok(Loaded {
                    broken: Some(broken),
                    ..Self::loaded(MapFile::of_nobody(), path, loader)
                });
            }
            Text::Whole(text) => {
                let file = MapFile::parse(&text);
                (text, file)
            }
            Text::Marked(text) => (text, Err(pieces::NO_UTF_8.to_owned())),
        };
        let why = match file {
            Ok(file) => return Ok(Self::loaded(file, path, loader)),
            Err(why) => why,
        };
        let mut loaded = Self::loaded(before.file.clone(), path, loader);
        let left = MapFile::of_pieces(&text);
        let changed = before
            .file
            .entries()
            .iter()
            .filter(|entry| !left.entries().contains(entry));
        loaded.broken = Some(format!(
            "{} can't be used: {why}. Until that is mended, those callers go on who get the same by what stands in it whole; all others are \
             refused. Of its entries it breaks, changes or leaves out: {}",
            path.display(),
            pieces::named(changed.map(|entry| entry.name()))
        ));
        loaded.value.broken = Some(left);
        Ok(loaded)
    }

    fn loaded(file: MapFile, path: &Path, loader: &Loader) -> Loaded<Self> {
        let (mut others, mut unusable, mut setups) = (Vec::new(), Vec::new(), Vec::new());
        for entry in file.entries() {
            let name = format!("{} {}", entry.kind().name(), entry.name());
            let prepared = loader.load(&name, &entry.settings, path);
            others.extend(prepared.files);
            let setup = prepared.setup.map_err(|why| {
                unusable.push(format!("{}: {}: {why}", path.display(), one_line(entry.name(), 80)));
            });
            setups.push(setup.ok());
        }
        Loaded {
            value: Self {
                file,
                setups,
                broken: None,
            },
            others,
            unusable,
            broken: None,
        }
    }

    /// What is set up for a caller.
    ///
    /// # Errors
    /// The answer to a request of one that may not call, or whose groups would decide and aren't known whole.
    pub(super) fn find(&self, subject: &str, groups: &Groups) -> Result<Found, Denial> {
        let decides = self.file.decides(subject, groups).map_err(Denial::NotAllowed)?;
        let is_known = |broken: &MapFile| self.file.says_the_same(broken, subject, groups);
        if !self.broken.as_ref().is_none_or(is_known) {
            return Err(UNUSABLE);
        }
        match decides {
            Decides::Entry(place) => {
                let (entry, setup) = (self.file.entries().get(place), self.setups.get(place));
                let (entry, setup) = entry.zip(setup.cloned().flatten()).ok_or(UNUSABLE)?;
                Ok(Found {
                    scopes: entry.scopes(),
                    granted: entry.granted(),
                    setup: Some(setup),
                })
            }
            Decides::Unmapped(Unmapped::Allow) => Ok(Found::nothing()),
            Decides::Unmapped(Unmapped::Deny) => Err(Denial::NotAllowed(
                "The operator of this server set nothing up for you.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::auth::watched::Watched;

    #[tokio::test]
    async fn policy_that_becomes_stricter_while_the_map_is_read_counts_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (path, policy) = (directory.path().join("map.toml"), directory.path().join("policy.toml"));
        std::fs::write(&policy, "# end\n").unwrap();
        let text = "default = \"deny\"\n[[subject]]\nsub = \"a\"\npolicy = \"policy.toml\"\n\
                    [[subject]]\nsub = \"b\"\napi_key_file = \"key\"\n# end\n";
        std::fs::write(&path, text).unwrap();
        let loader = Loader::hooked(move || std::fs::write(&policy, "read_only = true\n# end\n").unwrap());
        let map = Watched::open("map", path, move |path, before| Map::read(path, before, &loader));
        let map = Arc::new(map.unwrap());
        let found = map
            .current()
            .await
            .unwrap()
            .find("a", &Groups::Told(Vec::new()))
            .unwrap();
        let setup = found.setup.unwrap();
        assert!(setup.policy.as_ref().unwrap().is_read_only());
    }

    #[tokio::test]
    async fn no_beginning_of_a_map_gives_anybody_more_than_the_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("map.toml");
        std::fs::write(directory.path().join("narrow.toml"), "read_only = true\n# end\n").unwrap();
        let whole = "default = \"allow\"\n[[subject]]\nsub = \"ada\"\nscopes = [\"neon:read\"]\n[[group]]\nname = \"dev\"\n\
                     policy = \"narrow.toml\"\nscopes = [\"neon:read\", \"neon:write\"]\n# end\n";
        // Who is in no entry, by the whole or before it, is served all: the map says so.
        let callers = [("ada", vec![]), ("eve", vec!["dev".to_owned()])];
        let loader = Loader::hooked(|| {});
        let read = |text: &str, before: Option<&Map>| {
            std::fs::write(&path, text).unwrap();
            Map::read(&path, before, &loader).map(|loaded| loaded.value)
        };
        let before = [
            whole.to_owned(),
            whole.replace("allow", "deny"),
            "default = \"deny\"\n# end\n".to_owned(),
        ];
        for before in before {
            let before = read(&before, None).unwrap();
            for at in whole.match_indices('\n').map(|(at, _)| at + 1).chain([0]) {
                let (text, is_whole) = (&whole[..at], at == whole.len());
                assert_eq!(read(text, None).is_ok(), is_whole, "{text}");
                let now = read(text, Some(&before)).unwrap();
                for (subject, groups) in &callers {
                    let Ok(found) = now.find(subject, &Groups::Told(groups.clone())) else {
                        assert!(!is_whole);
                        continue;
                    };
                    assert_ne!(found.scopes, Scopes::ALL, "{subject}: {text}");
                    assert_eq!(found.setup.unwrap().policy.is_some(), *subject == "eve", "{text}");
                }
                let other = now.find("joe", &Groups::Told(Vec::new()));
                assert!(
                    is_whole || other.is_err() || before.file.unmapped() == Unmapped::Allow,
                    "{text}"
                );
            }
        }
    }
}
