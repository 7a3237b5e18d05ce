//! Where the API is: chosen by the operator alone, and safe to send a key to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Origin, Url};

/// Neon's own API.
pub const DEFAULT_BASE: &str = "https://console.neon.tech/api/v2";

/// The root of the API, without a slash at its end. `https` always, except `http` on this machine itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiBase {
    url: Url,
}

/// Why a text can't be the root of the API. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBase {
    /// Not a URL.
    #[error("the API base is not a URL ({0}); it looks like {DEFAULT_BASE}")]
    NotAUrl(url::ParseError),
    /// No host, or an empty one.
    #[error("the API base has no host; it looks like {DEFAULT_BASE}")]
    NoHost,
    /// A scheme that would send the key unencrypted.
    #[error("the API base must be https: (http: is taken for this machine alone: localhost, 127.0.0.0/8, ::1)")]
    NotEncrypted,
    /// A user name or password inside the URL.
    #[error("the API base must not contain a user name or password; give the key as a credential")]
    UserInfo,
    /// `?…` or `#…`.
    #[error("the API base must not contain a query or a fragment")]
    QueryOrFragment,
    /// Blanks or characters that can't be seen.
    #[error("the API base contains blanks or control characters")]
    Characters,
}

impl ApiBase {
    /// Reads a base. A bare host (`console.neon.tech`, `localhost:8080`) gets a scheme and `/api/v2`; a URL whose path
    /// is empty gets `/api/v2` too; any other path is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidBase`] for anything but https (http on loopback), for user info, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidBase> {
        let text = text.trim();
        if text
            .chars()
            .any(|character| character.is_whitespace() || character == '\\' || super::text::is_hidden(character))
        {
            return Err(InvalidBase::Characters);
        }
        let parsed = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("https://{text}"))
        };
        let mut url = parsed.map_err(|error| match error {
            url::ParseError::EmptyHost => InvalidBase::NoHost,
            other => InvalidBase::NotAUrl(other),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidBase::NoHost);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(InvalidBase::NotEncrypted),
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(InvalidBase::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBase::QueryOrFragment);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(if path.is_empty() { "/api/v2" } else { &path });
        Ok(Self { url })
    }

    /// Whether the host is this machine: 127.0.0.0/8, `::1` or `localhost`. No proxy is used for it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The base as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The host with its port, when that isn't the scheme's own: for messages.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Scheme, host and port: the key goes nowhere else.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.url.origin()
    }

    /// The URL of a path that begins with a slash; `None` when the URL parser would read another path than the one given.
    pub(crate) fn join(&self, path: &str, query: &[(String, String)]) -> Option<Url> {
        let mut url = self.url.clone();
        let whole = format!("{}{path}", self.url.path().trim_end_matches('/'));
        url.set_path(&whole);
        if url.path() != whole {
            return None;
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Some(url)
    }
}

/// Whether a URL's host is this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

impl FromStr for ApiBase {
    type Err = InvalidBase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for ApiBase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiBase({})", self.as_str())
    }
}
