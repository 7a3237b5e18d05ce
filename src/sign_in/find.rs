//! Finding a login: ours, then the neon command line's.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::error::SignInError;
use super::file::{Owner, Place};
use super::issuer::Issuer;
use super::neon_cli::Folders;
use super::own::{self, ProfileName};
use super::session::Held;
use crate::base_url::BaseUrl;
use crate::text::one_line;

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
    stands_for_neon: bool,
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
            stands_for_neon: stands_for_neon(&variable),
        }
    }

    /// Where logins of these places may be sent.
    pub(super) fn reach(&self, api: BaseUrl, issuer: Issuer) -> Reach {
        Reach {
            api,
            issuer,
            stands_for_neon: self.stands_for_neon,
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

/// Where a login may be sent: the one check of all that sends one, to the API, for a renewal, or to end it.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    pub(super) api: BaseUrl,
    pub(super) issuer: Issuer,
    stands_for_neon: bool,
}

impl Reach {
    /// Makes sure that the API and the issuer that are set are those that a login is of.
    pub(super) fn takes(&self, place: &Place, held: &Held) -> Result<(), SignInError> {
        let unusable = |why: String| SignInError::Unusable {
            path: place.path.clone(),
            why,
        };
        match (place.owner, held) {
            (Owner::Us, Held::ApiKey(_)) => Err(unusable("it holds a key, which no login does".to_owned())),
            (Owner::Us, Held::Session(session)) => match (session.issuer(), session.api()) {
                (Some(issuer), Some(api)) if issuer == self.issuer.address() && api == self.api.as_str() => Ok(()),
                (Some(issuer), Some(api)) => Err(SignInError::Elsewhere {
                    path: place.path.clone(),
                    issuer: one_line(issuer, 100),
                    api: one_line(api, 100),
                }),
                _ => Err(unusable("it doesn't say where it may be sent".to_owned())),
            },
            // Both addresses may come from the settings of some folder: for Neon's own tokens that says nothing.
            (Owner::NeonCli, held) => {
                if !self.is_neons_api() {
                    return Err(unusable(format!("it is for another API than {}", self.api.as_str())));
                }
                match held {
                    Held::Session(_) if !self.is_neons_issuer() => Err(unusable(
                        "it is renewed at Neon alone, not at the issuer that is set".to_owned(),
                    )),
                    _ => Ok(()),
                }
            }
        }
    }

    fn is_neons_api(&self) -> bool {
        is_neons(&self.api) || self.stands_for_neon && self.api.is_loopback()
    }

    fn is_neons_issuer(&self) -> bool {
        self.issuer.is_neons() || self.stands_for_neon && self.issuer.is_here()
    }
}

/// For tests: this machine stands for Neon.
#[cfg(debug_assertions)]
fn stands_for_neon(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("NEON_TEST_STANDS_FOR_NEON").is_some_and(|value| value == "loopback")
}

/// In no release.
#[cfg(not(debug_assertions))]
fn stands_for_neon(_: impl Fn(&str) -> Option<OsString>) -> bool {
    false
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
    use serde_json::json;

    use super::*;

    #[test]
    fn login_of_the_command_line_goes_to_neon_alone() {
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

    fn held(value: &serde_json::Value) -> Held {
        crate::sign_in::session::read(std::path::Path::new("x"), value.to_string().as_bytes()).unwrap()
    }

    fn place(owner: Owner) -> Place {
        Place {
            path: "x".into(),
            lock: "y".into(),
            owner,
        }
    }

    fn reach(api: &str, address: Option<&str>) -> Reach {
        Places::of(|_| None).reach(BaseUrl::parse(api).unwrap(), issuer(address))
    }

    #[test]
    fn login_of_the_command_line_is_for_neons_hosts_and_issuer() {
        let (login, key) = (
            held(&json!({"access_token": "a", "refresh_token": "r"})),
            held(&json!({"type": "api_key", "api_key": "napi_x"})),
        );
        let neons = "https://console.neon.tech/api/v2";
        for (api, address, for_login, for_key) in [
            (neons, None, true, true),
            (neons, Some("https://evil.example"), false, true),
            (neons, Some("http://127.0.0.1:1"), false, true),
            ("http://127.0.0.1:2/api/v2", None, false, false),
            // Both may be set by whoever listens on them.
            ("http://127.0.0.1:2/api/v2", Some("http://127.0.0.1:1"), false, false),
            ("https://evil.example", Some("https://evil.example"), false, false),
        ] {
            let reach = reach(api, address);
            let place = place(Owner::NeonCli);
            assert_eq!(reach.takes(&place, &login).is_ok(), for_login, "{api} {address:?}");
            assert_eq!(reach.takes(&place, &key).is_ok(), for_key, "{api} {address:?}");
        }
    }

    #[test]
    fn login_of_ours_is_for_the_issuer_and_the_api_that_it_names() {
        let (api, address) = ("http://127.0.0.1:2/api/v2", "http://127.0.0.1:1");
        let right = json!({"access_token": "a", "issuer": address, "api": api});
        let taken = |value: &serde_json::Value| reach(api, Some(address)).takes(&place(Owner::Us), &held(value));
        assert!(taken(&right).is_ok());
        for (name, value) in [("issuer", "http://127.0.0.1:3"), ("api", "http://127.0.0.1:3/api/v2")] {
            let mut other = right.clone();
            other[name] = value.into();
            assert!(matches!(taken(&other), Err(SignInError::Elsewhere { .. })), "{name}");
            for nothing in [json!(0), json!(null), json!("")] {
                let mut other = right.clone();
                other[name] = nothing.clone();
                assert!(
                    matches!(taken(&other), Err(SignInError::Unusable { .. })),
                    "{name} {nothing}"
                );
            }
        }
        assert!(taken(&json!({"type": "api_key", "api_key": "napi_x"})).is_err());
    }

    fn issuer(address: Option<&str>) -> Issuer {
        Issuer::new(address, None, None).unwrap()
    }
}
