//! Addresses of services that the operator chooses: safe to send a key to, and to read what an agent is told.
//!
//! ```
//! use neon_mcp::base_url::{BaseUrl, InvalidBaseUrl};
//!
//! assert!(BaseUrl::parse("https://console.neon.tech/api/v2").is_ok());
//! assert!(BaseUrl::parse("http://localhost:8080").is_ok());
//! // Others on the way could read the key.
//! assert_eq!(BaseUrl::parse("http://neon.example").unwrap_err(), InvalidBaseUrl::NotEncrypted);
//! ```

use std::fmt;
use std::net::IpAddr;

use url::{Host, Origin, Url};

use crate::text::is_hidden;

/// The root of a service, without a slash at its end. `https` always, except `http` on this machine itself.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
}

/// Why a text can't be the root of a service. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBaseUrl {
    /// Not a URL.
    #[error("it is no URL ({0})")]
    NotAUrl(url::ParseError),
    /// No host, or an empty one.
    #[error("it has no host")]
    NoHost,
    /// A scheme by which others on the way could read a key or change an answer.
    #[error("it must be https: (http: is taken for this machine alone: localhost, 127.0.0.0/8, ::1)")]
    NotEncrypted,
    /// A user name or password inside the URL.
    #[error("it must not contain a user name or password")]
    UserInfo,
    /// `?…` or `#…`.
    #[error("it must not contain a query or a fragment")]
    QueryOrFragment,
    /// Blanks or characters that can't be seen.
    #[error("it contains blanks or control characters")]
    Characters,
}

impl BaseUrl {
    /// Reads a base.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] for anything but https (http on loopback), for user info, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        let text = text.trim();
        if text
            .chars()
            .any(|character| character.is_whitespace() || character == '\\' || is_hidden(character))
        {
            return Err(InvalidBaseUrl::Characters);
        }
        let mut url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => InvalidBaseUrl::NoHost,
            other => InvalidBaseUrl::NotAUrl(other),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidBaseUrl::NoHost);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(InvalidBaseUrl::NotEncrypted),
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(InvalidBaseUrl::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::QueryOrFragment);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url })
    }

    /// The same with this path, where it has none.
    #[must_use]
    pub(crate) fn or_path(mut self, path: &str) -> Self {
        if self.root() == "/" {
            self.url.set_path(path);
        }
        self
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

    /// The path, without a slash at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Scheme, host and port: a key goes nowhere else.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.url.origin()
    }

    /// The path below which everything is, with a slash at its end.
    fn root(&self) -> String {
        format!("{}/", self.url.path().trim_end_matches('/'))
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

    /// The URL of a file below the base. The path is a checked one.
    pub(crate) fn file(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.root()));
        url
    }

    /// Whether an address is below the base: same scheme, host and port, and a path under the base's that says no more.
    pub(crate) fn holds(&self, url: &Url) -> bool {
        url.origin() == self.url.origin()
            && url.path().starts_with(&self.root())
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// What an address below the base has behind it: its path alone. Relative addresses are read as those of a file there are.
    pub(crate) fn below(&self, address: &str) -> Option<String> {
        let url = self.file("file").join(address).ok()?;
        let rest = url.path().strip_prefix(&self.root()).filter(|_| self.holds(&url))?;
        (url.query().is_none()).then(|| rest.to_owned())
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

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BaseUrl({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEONS: &str = "https://neon.com/docs";

    #[test]
    fn a_base_is_https_or_on_this_machine() {
        assert_eq!(BaseUrl::parse("https://neon.com/docs/").unwrap().as_str(), NEONS);
        assert!(BaseUrl::parse("http://127.0.0.1:8080/docs").is_ok());
        for (wrong, why) in [
            ("http://neon.com/docs", InvalidBaseUrl::NotEncrypted),
            ("ftp://neon.com/docs", InvalidBaseUrl::NotEncrypted),
            ("file:///docs", InvalidBaseUrl::NoHost),
            (
                "neon.com/docs",
                InvalidBaseUrl::NotAUrl(url::ParseError::RelativeUrlWithoutBase),
            ),
            ("", InvalidBaseUrl::NotAUrl(url::ParseError::RelativeUrlWithoutBase)),
            ("https://me@neon.com/docs", InvalidBaseUrl::UserInfo),
            ("https://neon.com/docs?x", InvalidBaseUrl::QueryOrFragment),
            ("https://neon.com/docs#x", InvalidBaseUrl::QueryOrFragment),
        ] {
            assert_eq!(BaseUrl::parse(wrong), Err(why), "{wrong}");
        }
    }

    #[test]
    fn what_is_below_the_base_is_known_however_it_is_written() {
        let base = BaseUrl::parse(NEONS).unwrap();
        for inside in [
            "https://neon.com/docs/a/b.md",
            "/docs/a/b.md",
            "a/b.md",
            "./a/b.md",
            "https://neon.com:443/docs/x/../a/b.md#part",
        ] {
            assert_eq!(base.below(inside).as_deref(), Some("a/b.md"), "{inside}");
        }
        for outside in [
            "https://neon.com/guides/a.md",
            "https://neon.com/docsx/a.md",
            "https://neon.com.example/docs/a.md",
            "http://neon.com/docs/a.md",
            "https://me@neon.com/docs/a.md",
            "../a.md",
            "//evil.example/docs/a.md",
            "a.md?x=1",
            "mailto:someone@neon.com",
        ] {
            assert_eq!(base.below(outside), None, "{outside}");
        }
    }
}
