//! Finding a login: ours, then the neon command line's.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::error::SignInError;
use super::file::{Owner, Place};
use super::issuer::Issuer;
use super::neon_cli::Folders;
use super::own::{self, ProfileName};
use super::session::{Held, Session};
use crate::base_url::BaseUrl;

/// The hosts that Neon's logins are sent to: nobody else gets a person's token because a setting of some folder names them.
const NEON_HOSTS: [&str; 2] = ["neon.tech", "neon.com"];

/// Where a credential was found. No part of it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A login of ours.
    Login(ProfileName, PathBuf),
    /// A profile of the neon command line.
    NeonCli(ProfileName, PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(profile, path) => write!(formatter, "the login `{profile}` ({})", path.display()),
            Self::NeonCli(profile, path) => {
                write!(
                    formatter,
                    "the neon command line's profile `{profile}` ({})",
                    path.display()
                )
            }
        }
    }
}

/// Where logins lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    own: Option<PathBuf>,
    neon_cli: Folders,
}

/// A login that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) place: Place,
    pub(super) held: Held,
}

impl Places {
    /// By the environment, which `variable` looks up.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self {
            own: own::folder(&variable),
            neon_cli: Folders::of(&variable),
        }
    }

    /// Where our own login of that name lies, or would.
    pub(super) fn own(&self, profile: &ProfileName) -> Result<Place, SignInError> {
        let folder = self.own.as_ref().ok_or(SignInError::NoFolder)?;
        Ok(own::place(folder, profile))
    }

    /// The first that there is. A file that can't be used isn't passed over: the next one may be another account's.
    pub(super) fn find(&self, profile: &ProfileName) -> Result<Option<Found>, SignInError> {
        if self.own.is_some() {
            let place = self.own(profile)?;
            if let Some(held) = place.read()? {
                let origin = Origin::Login(profile.clone(), place.path.clone());
                return Ok(Some(Found { origin, place, held }));
            }
        }
        let Some(place) = self.neon_cli.place(profile)? else {
            return Ok(None);
        };
        Ok(place.read()?.map(|held| Found {
            origin: Origin::NeonCli(profile.clone(), place.path.clone()),
            place,
            held,
        }))
    }
}

impl Found {
    /// Makes sure that this API may be sent the credential: the one that it is for.
    pub(super) fn is_for(&self, api: &BaseUrl, issuer: &Issuer) -> Result<(), SignInError> {
        let session = match &self.held {
            Held::Session(session) => Some(session),
            Held::ApiKey(_) => None,
        };
        let is_right = match self.place.owner {
            Owner::Us => session.and_then(Session::api).is_none_or(|own| own == api.as_str()),
            // Both addresses may come from the settings of some folder: for Neon's own tokens that says nothing.
            Owner::NeonCli => is_neons(api) || (api.is_loopback() && issuer.is_here()),
        };
        if is_right {
            return Ok(());
        }
        Err(SignInError::Unusable {
            path: self.place.path.clone(),
            why: format!("it is for another API than {}", api.as_str()),
        })
    }
}

/// Whether tokens of that issuer may be sent to that API: to Neon's, or both are on this machine, or the operator named both.
pub(super) fn belong_together(api: &BaseUrl, issuer: &Issuer) -> bool {
    is_neons(api) || !issuer.is_neons() && (api.is_loopback() || !issuer.is_here())
}

fn is_neons(api: &BaseUrl) -> bool {
    let host = api.authority().split(':').next().unwrap_or_default();
    NEON_HOSTS.iter().any(|own| {
        host.strip_suffix(own)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_of_the_command_line_goes_to_neon_and_to_this_machine_alone() {
        for (api, right) in [
            ("https://console.neon.tech/api/v2", true),
            ("https://neon.com", true),
            ("https://console-stage.neon.tech:8443", true),
            ("https://console.neon.tech.example.com", false),
            ("https://evilneon.tech", false),
            ("https://example.com", false),
        ] {
            assert_eq!(is_neons(&BaseUrl::parse(api).unwrap()), right, "{api}");
        }
        let (neons, here) = (issuer(None), issuer(Some("http://127.0.0.1:1")));
        let together = |api: &str, issuer: &Issuer| belong_together(&BaseUrl::parse(api).unwrap(), issuer);
        assert!(together("https://console.neon.tech/api/v2", &neons));
        assert!(!together("http://127.0.0.1:2/api/v2", &neons));
        assert!(!together("https://example.com/api/v2", &neons));
        assert!(together("http://127.0.0.1:2/api/v2", &here));
        assert!(!together("https://example.com/api/v2", &here));
        assert!(together(
            "https://example.com/api/v2",
            &issuer(Some("https://id.example.com"))
        ));
    }

    fn issuer(address: Option<&str>) -> Issuer {
        Issuer::new(address, None, None).unwrap()
    }
}
