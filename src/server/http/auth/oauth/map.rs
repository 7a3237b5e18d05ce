//! The mapping file: what is set up for which subjects and groups.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::guard::{Scopes, read_trusted_text};
use crate::server::http::auth::setup::{CallerSettings, Loader, Setup};
use crate::server::http::auth::watched::Loaded;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(default)]
    default: Default,
    #[serde(default)]
    subject: Vec<ToldSubject>,
    #[serde(default)]
    group: Vec<ToldGroup>,
}

/// What becomes of whoever nothing is said about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Default {
    /// It is served what the server has.
    #[default]
    Allow,
    /// It is served nothing.
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldSubject {
    sub: String,
    scopes: Option<Vec<String>>,
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
    setup: Arc<Setup>,
}

/// What is set up for a caller.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) scopes: Scopes,
    pub(super) setup: Option<Arc<Setup>>,
}

impl Map {
    /// Reads a file, which nobody but this user and root may be able to change, and all that it names.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn read(path: &Path, loader: &Loader) -> Result<Loaded<Self>, String> {
        let text = read_trusted_text(path).map_err(|error| error.to_string())?;
        let placed = |why: &str| format!("{}: {why}", path.display());
        let told: Told = toml::from_str(&text).map_err(|error| placed(error.message()))?;
        let mut others = Vec::new();
        let mut mapped = |kind: &str, name: String, scopes: Option<Vec<String>>, settings: CallerSettings| {
            let scopes = match scopes {
                None => Scopes::ALL,
                Some(names) => {
                    let unknown = names.iter().find(|name| Scopes::of([name.as_str()]) == Scopes::NONE);
                    if let Some(unknown) = unknown {
                        let unknown = crate::text::one_line(unknown, 60);
                        return Err(placed(&format!("there is no scope `{unknown}`")));
                    }
                    Scopes::of(names.iter().map(String::as_str))
                }
            };
            others.extend(Loader::files(&settings, path));
            let setup = loader
                .load(&format!("{kind} {name}"), &settings, path)
                .map_err(|why| placed(&format!("{}: {why}", crate::text::one_line(&name, 80))))?;
            Ok(Mapped { name, scopes, setup })
        };
        let mut subjects = Vec::new();
        for entry in told.subject {
            let settings = CallerSettings {
                policy: entry.policy,
                api_key_file: entry.api_key_file,
                profile: entry.profile,
                calls_per_minute: entry.calls_per_minute,
            };
            subjects.push(mapped("subject", entry.sub, entry.scopes, settings)?);
        }
        let mut groups = Vec::new();
        for entry in told.group {
            let settings = CallerSettings {
                policy: entry.policy,
                api_key_file: entry.api_key_file,
                profile: entry.profile,
                calls_per_minute: entry.calls_per_minute,
            };
            groups.push(mapped("group", entry.name, entry.scopes, settings)?);
        }
        let default = told.default;
        Ok(Loaded {
            value: Self {
                subjects,
                groups,
                default,
            },
            others,
        })
    }

    /// What is set up for a caller: of the first subject that it is, else of the first group that it is in. Nothing where it may not
    /// call.
    pub(super) fn find(&self, subject: &str, groups: &[String]) -> Option<Found> {
        let by_subject = self.subjects.iter().find(|mapped| mapped.name == subject);
        let by_group = || self.groups.iter().find(|mapped| groups.contains(&mapped.name));
        match by_subject.or_else(by_group) {
            Some(mapped) => Some(Found {
                scopes: mapped.scopes,
                setup: Some(mapped.setup.clone()),
            }),
            None if self.default == Default::Allow => Some(Found {
                scopes: Scopes::ALL,
                setup: None,
            }),
            None => None,
        }
    }
}
