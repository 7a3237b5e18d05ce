//! What the issuer says of itself (RFC 8414, then OpenID Connect Discovery 1.0).

use serde::Deserialize;
use url::Url;

use super::wire::{Wire, WireError};
use crate::base_url::BaseUrl;
use crate::guard::quoted;
use crate::text::one_line;

/// The issuer.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// Exactly as it writes itself.
    name: String,
    url: Url,
    is_loopback: bool,
}

/// Where the issuer's keys are, and where it is asked about tokens.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) keys: Url,
    pub(super) introspection: Option<Url>,
}

#[derive(Deserialize)]
struct Told {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// Why the issuer can't be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IssuerError {
    /// It couldn't be asked.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It says of itself what can't be right.
    #[error("{0}")]
    Metadata(&'static str),
    /// It is another one than the operator configured.
    #[error(
        "its metadata name the issuer {told}, and {configured} is configured (--oauth-issuer): write it exactly as the issuer does, to the slash at its end"
    )]
    OtherName {
        /// How it names itself.
        told: String,
        /// What the operator wrote.
        configured: String,
    },
}

impl IssuerError {
    /// Whether it lasts until the operator, or whoever runs the issuer, mends it.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Metadata(_) | Self::OtherName { .. } => true,
            Self::Wire(error) => matches!(
                error,
                WireError::Status {
                    status: 400..=407 | 409..=428,
                    ..
                }
            ),
        }
    }

    /// Says in the log what is wrong with which issuer.
    pub(super) fn log(&self, issuer: &str) {
        match self.is_permanent() {
            true => tracing::error!("the issuer {issuer} can't be used: {self}"),
            false => tracing::warn!("the issuer {issuer} can't be asked now: {self}"),
        }
    }
}

impl Issuer {
    /// An issuer at an https URL, or an http one on this machine.
    ///
    /// # Errors
    /// Why it can't be one.
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let base = BaseUrl::parse(name).map_err(|why| format!("the OAuth issuer: {why}"))?;
        let url = Url::parse(name.trim()).map_err(|why| format!("the OAuth issuer: {why}"))?;
        Ok(Self {
            name: name.trim().to_owned(),
            url,
            is_loopback: base.is_loopback(),
        })
    }

    /// Exactly as it writes itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The way to it.
    pub(super) fn wire(&self) -> Result<Wire, String> {
        Wire::new(self.is_loopback)
    }

    /// Where its metadata may be, in the order in which they are looked for.
    fn places(&self) -> Vec<Url> {
        let path = self.url.path().trim_end_matches('/');
        let mut paths = vec![
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
        ];
        if !path.is_empty() {
            paths.push(format!("{path}/.well-known/openid-configuration"));
        }
        let at = |path: String| {
            let mut url = self.url.clone();
            url.set_path(&path);
            url
        };
        paths.into_iter().map(at).collect()
    }

    /// Reads what it says of itself.
    pub(super) async fn discover(&self, wire: &Wire) -> Result<Metadata, IssuerError> {
        let mut missing = WireError::Status {
            status: 404,
            retry_after: None,
        };
        for place in self.places() {
            match wire.get::<Told>(place).await {
                Ok(told) => return self.checked(told),
                Err(error @ WireError::Status { status: 400..=499, .. }) => missing = error,
                Err(error) => return Err(error.into()),
            }
        }
        Err(missing.into())
    }

    fn checked(&self, told: Told) -> Result<Metadata, IssuerError> {
        // RFC 8414, section 3.3: else another's keys would be taken for this one's.
        if told.issuer != self.name {
            return Err(IssuerError::OtherName {
                told: quoted(&one_line(&told.issuer, 200)),
                configured: quoted(&self.name),
            });
        }
        let keys = told.jwks_uri.as_deref().and_then(|text| self.endpoint(text));
        let introspection = told.introspection_endpoint.as_deref();
        Ok(Metadata {
            keys: keys.ok_or(IssuerError::Metadata(
                "its metadata name no place of keys that can be used",
            ))?,
            introspection: match introspection.map(|text| self.endpoint(text)) {
                None => None,
                Some(None) => return Err(IssuerError::Metadata("its introspection endpoint can't be used")),
                Some(endpoint) => endpoint,
            },
        })
    }

    /// An address of the issuer's: https, or on this machine where the issuer is.
    fn endpoint(&self, text: &str) -> Option<Url> {
        let address = text.split('?').next().unwrap_or_default();
        let base = BaseUrl::parse(address).ok()?;
        let url = Url::parse(text).ok()?;
        (url.scheme() == "https" || (self.is_loopback && base.is_loopback())).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_an_issuer_with_a_path_are_looked_for_in_all_places() {
        let places = |name: &str| -> Vec<String> {
            let issuer = Issuer::new(name).unwrap();
            issuer.places().iter().map(Url::to_string).collect()
        };
        assert_eq!(
            places("https://id.example"),
            [
                "https://id.example/.well-known/oauth-authorization-server",
                "https://id.example/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            places("https://id.example/tenant/"),
            [
                "https://id.example/.well-known/oauth-authorization-server/tenant",
                "https://id.example/.well-known/openid-configuration/tenant",
                "https://id.example/tenant/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn metadata_of_another_issuer_are_refused() {
        let issuer = Issuer::new("https://id.example").unwrap();
        let told = |issuer: &str, keys: &str| Told {
            issuer: issuer.to_owned(),
            jwks_uri: Some(keys.to_owned()),
            introspection_endpoint: None,
        };
        assert!(
            issuer
                .checked(told("https://id.example", "https://keys.example/jwks"))
                .is_ok()
        );
        for (name, keys) in [
            ("https://id.example/", "https://id.example/jwks"),
            ("https://evil.example", "https://id.example/jwks"),
            ("https://id.example", "http://id.example/jwks"),
            ("https://id.example", "http://127.0.0.1/jwks"),
            ("https://id.example", "file:///etc/passwd"),
        ] {
            assert!(issuer.checked(told(name, keys)).is_err(), "{name} {keys}");
        }
        for wrong in [
            "http://id.example",
            "id.example",
            "https://a:b@id.example",
            "https://id.example?x",
        ] {
            assert!(Issuer::new(wrong).is_err(), "{wrong}");
        }
    }
}
