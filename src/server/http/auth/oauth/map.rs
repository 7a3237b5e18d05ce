//! The mapping file: what is set up for which subjects and groups.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::claims::{Groups, is_name};
use crate::guard::{Scopes, read_trusted_text};
use crate::server::http::auth::challenge::Denial;
use crate::server::http::auth::setup::{CallerSettings, Loader, Setup, UNUSABLE};
use crate::server::http::auth::watched::Loaded;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    default: Option<Default>,
    #[serde(default)]
    subject: Vec<ToldSubject>,
    #[serde(default)]
    group: Vec<ToldGroup>,
}

/// What becomes of whoever nothing is said about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Default {
    /// It is served what the server has.
    Allow,
    /// It is served nothing.
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldSubject {
    sub: String,
    scopes: Option<Vec<String>>,
    grant_scopes: Option<Vec<String>>,
    policy: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    profile: Option<String>,
    calls_per_minute: Option<NonZeroU32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldGroup {
    name: String,
    scopes: Option<Vec<String>>,
    grant_scopes: Option<Vec<String>>,
    policy: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    profile: Option<String>,
    calls_per_minute: Option<NonZeroU32>,
}

/// The mapping.
#[derive(Debug)]
pub(super) struct Map {
    subjects: Vec<Mapped>,
    groups: Vec<Mapped>,
    default: Default,
}

#[derive(Debug)]
struct Mapped {
    name: String,
    scopes: Scopes,
    granted: Scopes,
    /// Nothing where what it names can't be used: whom it fits is served nothing then, and what it was before counts no more.
    setup: Option<Arc<Setup>>,
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

/// The scopes of an entry: what whom it fits may do at most, and what is granted to them.
type ToldScopes = (Option<Vec<String>>, Option<Vec<String>>);

impl Map {
    /// Reads a file, which nobody but this user and root may be able to change, and all that it names.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn read(path: &Path, loader: &Loader) -> Result<Loaded<Self>, String> {
        let text = read_trusted_text(path).map_err(|error| error.to_string())?;
        let placed = |why: &str| format!("{}: {why}", path.display());
        let told: Told = toml::from_str(&text).map_err(|error| placed(error.message()))?;
        if !told.group.is_empty() && told.default.is_none() {
            return Err(placed(
                "it has groups, so say what becomes of whoever is in none of them: default = \"deny\" or default = \"allow\"",
            ));
        }
        let (mut others, mut unusable) = (Vec::new(), Vec::new());
        let all_of = |names: &[String]| {
            let unknown = names.iter().find(|name| Scopes::of([name.as_str()]) == Scopes::NONE);
            if let Some(unknown) = unknown {
                let unknown = crate::text::one_line(unknown, 60);
                return Err(placed(&format!("there is no scope `{unknown}`")));
            }
            Ok(Scopes::of(names.iter().map(String::as_str)))
        };
        let mut mapped = |kind: &str, name: String, scopes: ToldScopes, settings: CallerSettings| {
            let (most, granted) = scopes;
            let scopes = most.as_deref().map_or(Ok(Scopes::ALL), all_of)?;
            let granted = granted.as_deref().map_or(Ok(Scopes::NONE), all_of)?;
            if !scopes.lacks(granted).is_empty() {
                let name = crate::text::one_line(&name, 80);
                let lacking = scopes.lacks(granted).text();
                return Err(placed(&format!(
                    "{name}: it grants {lacking}, which its scopes leave out"
                )));
            }
            if !is_name(&name) {
                let name = crate::text::one_line(&name, 80);
                return Err(placed(&format!("no token holds such a name of a {kind}: {name}")));
            }
            others.extend(Loader::files(&settings, path));
            let setup = loader.load(&format!("{kind} {name}"), &settings, path);
            let setup = setup.map_err(|why| {
                unusable.push(placed(&format!("{}: {why}", crate::text::one_line(&name, 80))));
            });
            let setup = setup.ok();
            Ok(Mapped {
                name,
                scopes,
                granted,
                setup,
            })
        };
        let mut subjects = Vec::new();
        for entry in told.subject {
            let settings = CallerSettings {
                policy: entry.policy,
                api_key_file: entry.api_key_file,
                profile: entry.profile,
                calls_per_minute: entry.calls_per_minute,
            };
            subjects.push(mapped(
                "subject",
                entry.sub,
                (entry.scopes, entry.grant_scopes),
                settings,
            )?);
        }
        let mut groups = Vec::new();
        for entry in told.group {
            let settings = CallerSettings {
                policy: entry.policy,
                api_key_file: entry.api_key_file,
                profile: entry.profile,
                calls_per_minute: entry.calls_per_minute,
            };
            groups.push(mapped(
                "group",
                entry.name,
                (entry.scopes, entry.grant_scopes),
                settings,
            )?);
        }
        let default = told.default.unwrap_or(Default::Allow);
        Ok(Loaded {
            value: Self {
                subjects,
                groups,
                default,
            },
            others,
            unusable,
        })
    }

    /// What is set up for a caller: of the first subject that it is, else of the first group that it is in.
    ///
    /// # Errors
    /// The answer to a request of one that may not call, or whose groups would decide and aren't known whole.
    pub(super) fn find(&self, subject: &str, groups: &Groups) -> Result<Found, Denial> {
        let by_subject = self.subjects.iter().find(|mapped| mapped.name == subject);
        let found = match (by_subject, groups) {
            (Some(mapped), _) => Some(mapped),
            (None, _) if self.groups.is_empty() => None,
            (None, Groups::Untold(why)) => return Err(Denial::NotAllowed(why)),
            (None, Groups::Told(groups)) => self.groups.iter().find(|mapped| groups.contains(&mapped.name)),
        };
        match found {
            Some(mapped) => Ok(Found {
                scopes: mapped.scopes,
                granted: mapped.granted,
                setup: Some(mapped.setup.clone().ok_or(UNUSABLE)?),
            }),
            None if self.default == Default::Allow => Ok(Found::nothing()),
            None => Err(Denial::NotAllowed(
                "The operator of this server set nothing up for you.",
            )),
        }
    }
}
