//! Who signs people in: the issuer, which client we are to it, and what its metadata say.

use serde::Deserialize;
use url::Url;

use super::error::SignInError;
use super::wire::{Wire, unusable};
use crate::base_url::{BaseUrl, InvalidBaseUrl};
use crate::guard::OwnKey;

/// Neon's own.
pub const DEFAULT_ISSUER: &str = "https://oauth2.neon.tech";

/// The public client that Neon's command line is: it has no secret, and takes any port of loopback.
const DEFAULT_CLIENT: &str = "neonctl";

/// What the neon command line asks for.
const DEFAULT_SCOPES: [&str; 12] = [
    "openid",
    "offline",
    "offline_access",
    "urn:neoncloud:projects:create",
    "urn:neoncloud:projects:read",
    "urn:neoncloud:projects:update",
    "urn:neoncloud:projects:delete",
    "urn:neoncloud:orgs:create",
    "urn:neoncloud:orgs:read",
    "urn:neoncloud:orgs:update",
    "urn:neoncloud:orgs:delete",
    "urn:neoncloud:orgs:permission",
];

/// Who signs people in, and which client we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub(super) base: BaseUrl,
    pub(super) client_id: String,
    pub(super) scopes: String,
}

/// Settings of an issuer that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// The address.
    #[error("OAuth issuer: {0}; it looks like {DEFAULT_ISSUER}")]
    Address(#[from] InvalidBaseUrl),
    /// The client.
    #[error("OAuth client id: write 1 to 200 visible characters, as `neonctl`")]
    Client,
    /// The scopes.
    #[error("OAuth scopes: write their names, `openid` among them, as `openid,offline_access`")]
    Scopes,
}

impl Issuer {
    /// From what the settings say; nothing stands for Neon's own.
    ///
    /// # Errors
    /// When the address isn't https (or http on loopback), or a name isn't one.
    pub fn new(
        address: Option<&str>,
        client: Option<String>,
        scopes: Option<Vec<String>>,
    ) -> Result<Self, InvalidIssuer> {
        let visible =
            |text: &str| !text.is_empty() && text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let base = BaseUrl::parse(address.unwrap_or(DEFAULT_ISSUER))?;
        let client_id = client.unwrap_or_else(|| DEFAULT_CLIENT.to_owned());
        if !visible(&client_id) {
            return Err(InvalidIssuer::Client);
        }
        let scopes = scopes.unwrap_or_else(|| DEFAULT_SCOPES.map(str::to_owned).to_vec());
        if !scopes.iter().all(|scope| visible(scope)) || !scopes.iter().any(|scope| scope == "openid") {
            return Err(InvalidIssuer::Scopes);
        }
        Ok(Self {
            base,
            client_id,
            scopes: scopes.join(" "),
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Whether it is Neon's own.
    pub(super) fn is_neons(&self) -> bool {
        self.address() == DEFAULT_ISSUER
    }

    /// Whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.base.is_loopback()
    }

    /// The way to it. What is sent is added to `hidden`, and no error shows it.
    pub(super) fn wire(&self, hidden: OwnKey) -> Result<Wire, SignInError> {
        Wire::new(self.base.authority(), self.base.is_loopback(), hidden)
    }

    pub(super) fn answer(&self, why: impl Into<String>) -> SignInError {
        unusable(self.base.authority(), why)
    }

    pub(super) fn away(&self, why: impl Into<String>) -> SignInError {
        SignInError::Unreachable {
            host: self.base.authority().to_owned(),
            why: why.into(),
        }
    }

    /// Reads what it says of itself (OpenID Connect Discovery 1.0).
    pub(super) async fn discover(&self, wire: &Wire) -> Result<Metadata, SignInError> {
        let told: Told = wire.get(self.base.file(".well-known/openid-configuration")).await?;
        // Section 4.3: it must be the one that was asked, or somebody else's endpoints would be given our codes.
        if told.issuer.trim_end_matches('/') != self.address() {
            return Err(self.answer("its metadata are those of another issuer"));
        }
        Ok(Metadata {
            authorization: self.endpoint("authorization_endpoint", &told.authorization_endpoint)?,
            token: self.endpoint("token_endpoint", &told.token_endpoint)?,
            revocation: told
                .revocation_endpoint
                .map(|text| self.endpoint("revocation_endpoint", &text))
                .transpose()?,
            userinfo: told
                .userinfo_endpoint
                .map(|text| self.endpoint("userinfo_endpoint", &text))
                .transpose()?,
            // Where it says nothing, basic is what it takes (Discovery 1.0, section 3).
            takes_basic: told
                .token_endpoint_auth_methods_supported
                .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
            says_issuer: told.authorization_response_iss_parameter_supported,
            issuer: told.issuer,
        })
    }

    /// An endpoint that tokens may be sent to: https, or http on this machine.
    fn endpoint(&self, name: &str, text: &str) -> Result<Url, SignInError> {
        let address = text.split('?').next().unwrap_or_default();
        BaseUrl::parse(address).map_err(|why| self.answer(format!("its {name} can't be used: {why}")))?;
        Url::parse(text).map_err(|why| self.answer(format!("its {name} is no URL ({why})")))
    }
}

/// The metadata, as far as they matter here.
#[derive(Deserialize)]
struct Told {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What an issuer says of itself, checked.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// As it writes itself.
    pub(super) issuer: String,
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) revocation: Option<Url>,
    pub(super) userinfo: Option<Url>,
    /// Whether a client shows its secret in the header.
    pub(super) takes_basic: bool,
    /// Whether it says who it is with every answer (RFC 9207).
    pub(super) says_issuer: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_of_neon_can_be_used() {
        let neon = Issuer::new(None, None, None).unwrap();
        assert_eq!(neon.address(), DEFAULT_ISSUER);
        assert!(neon.scopes.starts_with("openid offline "));
    }

    #[test]
    fn issuer_that_others_could_read_is_refused() {
        let new = |address: &str| Issuer::new(Some(address), None, None);
        assert!(new("http://127.0.0.1:9/oidc").is_ok());
        for wrong in [
            "http://example.com",
            "ftp://127.0.0.1",
            "https://a:b@example.com",
            "example.com",
            "",
        ] {
            assert!(matches!(new(wrong), Err(InvalidIssuer::Address(_))), "{wrong}");
        }
        assert_eq!(Issuer::new(None, Some("a b".into()), None), Err(InvalidIssuer::Client));
        assert_eq!(
            Issuer::new(None, None, Some(vec!["offline".into()])),
            Err(InvalidIssuer::Scopes)
        );
    }

    #[test]
    fn endpoint_is_https_or_on_this_machine() {
        let issuer = Issuer::new(None, None, None).unwrap();
        for right in [
            "https://example.com/token",
            "https://example.com/a?b=c",
            "http://localhost:1/token",
        ] {
            assert!(issuer.endpoint("token_endpoint", right).is_ok(), "{right}");
        }
        for wrong in [
            "http://example.com/token",
            "javascript:alert(1)",
            "/token",
            "",
            "https://u:p@example.com",
        ] {
            assert!(issuer.endpoint("token_endpoint", wrong).is_err(), "{wrong}");
        }
    }
}
