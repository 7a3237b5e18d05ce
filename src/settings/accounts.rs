//! Whose account is used: a key, the login of a profile, or those of several.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::SettingsError;
use super::layer::Layer;
use crate::base_url::BaseUrl;
use crate::guard::{read_trusted_text, warn_if_readable_by_others};
use crate::neon::{Credential, CredentialSource};
use crate::sign_in::{Issuer, Places, ProfileName, SignIn};

/// How many accounts one server has at most.
const MAX_ACCOUNTS: usize = 16;

/// An account that the server works with.
#[derive(Debug, Clone)]
pub struct Account {
    /// What calls name it by, where there are several.
    pub name: Option<String>,
    /// What its requests are sent with.
    pub source: AccountSource,
}

/// Where an account's credential comes from.
#[derive(Debug, Clone)]
pub enum AccountSource {
    /// A key of the operator's, which stays.
    Key(Credential, KeyOrigin),
    /// Whoever is signed in.
    SignIn(SignIn),
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// In `NEON_API_KEY`.
    Variable,
    /// In a file.
    File(PathBuf),
}

impl AccountSource {
    /// What the client asks.
    #[must_use]
    pub fn credentials(&self) -> Arc<dyn CredentialSource> {
        match self {
            Self::Key(key, _) => key.clone().into(),
            Self::SignIn(sign_in) => Arc::new(sign_in.clone()),
        }
    }
}

/// Where people's logins are, for accounts that callers are given.
#[derive(Debug, Clone)]
pub struct Profiles {
    places: Places,
    issuer: Issuer,
}

impl Profiles {
    pub(super) fn new(places: Places, issuer: Issuer) -> Self {
        Self { places, issuer }
    }

    /// The account that a profile is signed in to, at that API.
    ///
    /// # Errors
    /// When no profile can have that name.
    pub fn account(&self, profile: &str, api: &BaseUrl) -> Result<Account, SettingsError> {
        let profile = ProfileName::parse(profile).map_err(|error| {
            SettingsError::Conflict(format!("profile: `{}` {error}", crate::text::one_line(profile, 80)))
        })?;
        let sign_in = SignIn::new(profile, self.places.clone(), self.issuer.clone(), api.clone());
        Ok(Account {
            name: None,
            source: AccountSource::SignIn(sign_in),
        })
    }
}

/// What one source of settings says about the account.
pub(super) enum Choice {
    Key(String),
    KeyFile(PathBuf),
    Profiles(Vec<String>),
}

impl Choice {
    /// Takes it out of a source. The strongest source that says anything decides; weaker ones are passed over whole.
    pub(super) fn of(layer: &mut Layer, key: Option<String>, place: &str) -> Result<Option<Self>, SettingsError> {
        let file = layer.api_key_file.take();
        let (profile, profiles) = (layer.profile.take(), layer.profiles.take());
        let conflict = |what: &str| {
            Err(SettingsError::Conflict(format!(
                "{what} exclude each other in {place}: keep one"
            )))
        };
        if let Some(key) = key {
            // So the neon command line has it, too: a variable that leaked into the environment changes no pipeline.
            if let Some(passed_over) = profile.or(profiles.map(|names| names.join(","))) {
                tracing::warn!(
                    "NEON_API_KEY is set, so the profile {passed_over} is passed over: --profile would use it"
                );
            }
            return Ok(Some(Self::Key(key)));
        }
        Ok(match (file, profile, profiles) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => return conflict("api_key_file and a profile"),
            (_, Some(_), Some(_)) => return conflict("profile and profiles"),
            (Some(path), None, None) => Some(Self::KeyFile(path)),
            (None, Some(name), None) => Some(Self::Profiles(vec![name])),
            (None, None, Some(names)) => Some(Self::Profiles(names)),
            (None, None, None) => None,
        })
    }
}

/// The accounts. Whether anybody is signed in isn't asked here: a server starts without, and goes on once somebody is.
pub(super) fn of(
    choice: Option<Choice>,
    places: &Places,
    issuer: &Issuer,
    api: &BaseUrl,
) -> Result<Vec<Account>, SettingsError> {
    let one = |source| vec![Account { name: None, source }];
    let names = match choice {
        Some(Choice::Key(key)) => return Ok(one(AccountSource::Key(Credential::new(key)?, KeyOrigin::Variable))),
        Some(Choice::KeyFile(path)) => {
            let key = read_key(&path)?;
            return Ok(one(AccountSource::Key(key, KeyOrigin::File(path))));
        }
        Some(Choice::Profiles(names)) => names,
        None => vec![ProfileName::DEFAULT.to_owned()],
    };
    let mut profiles: Vec<ProfileName> = Vec::new();
    for name in &names {
        let profile = ProfileName::parse(name).map_err(|error| {
            SettingsError::Conflict(format!("profile: `{}` {error}", crate::text::one_line(name, 80)))
        })?;
        if !profiles.contains(&profile) {
            profiles.push(profile);
        }
    }
    if profiles.is_empty() || profiles.len() > MAX_ACCOUNTS {
        return Err(SettingsError::Conflict(format!(
            "profiles: name 1 to {MAX_ACCOUNTS} of them"
        )));
    }
    let several = profiles.len() > 1;
    Ok(profiles
        .into_iter()
        .map(|profile| Account {
            name: several.then(|| profile.to_string()),
            source: AccountSource::SignIn(SignIn::new(profile, places.clone(), issuer.clone(), api.clone())),
        })
        .collect())
}

/// Reads a key from a file.
///
/// # Errors
/// When the file can't be read, or holds no key.
pub fn read_key(path: &Path) -> Result<Credential, SettingsError> {
    let text = read_trusted_text(path)?;
    warn_if_readable_by_others(path);
    Ok(Credential::new(text)?)
}
