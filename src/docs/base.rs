//! Where the documentation is: chosen by the operator alone.

use std::fmt;

use url::{Host, Url};

use crate::neon::text::is_hidden;

/// Neon's own documentation.
const NEONS: &str = "https://neon.com/docs";

/// The root of the documentation, without a slash at its end. `https` always, except `http` on this machine itself.
#[derive(Clone, PartialEq, Eq)]
pub struct DocsBase {
    url: Url,
}

/// Why a text can't be the root of the documentation. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocsBase {
    /// Not a URL with a host.
    #[error("it is no URL: it looks like {NEONS}, or is `off`")]
    NotAUrl,
    /// A scheme that others on the way could change pages of.
    #[error("it must be https: (http: is taken for this machine alone: localhost, 127.0.0.0/8, ::1)")]
    NotEncrypted,
    /// A user, a password, a query or a fragment.
    #[error("it must not contain a user, a password, a query or a fragment")]
    More,
}

impl DocsBase {
    /// Neon's own.
    #[must_use]
    pub fn neons() -> Option<Self> {
        Self::parse(NEONS).ok()
    }

    /// Reads a base.
    ///
    /// # Errors
    /// [`InvalidDocsBase`]
    pub fn parse(text: &str) -> Result<Self, InvalidDocsBase> {
        let text = text.trim();
        if text
            .chars()
            .any(|char| char.is_whitespace() || char == '\\' || is_hidden(char))
        {
            return Err(InvalidDocsBase::NotAUrl);
        }
        let mut url = Url::parse(text).map_err(|_| InvalidDocsBase::NotAUrl)?;
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        match url.scheme() {
            _ if !has_host => return Err(InvalidDocsBase::NotAUrl),
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(InvalidDocsBase::NotEncrypted),
        }
        let more = !url.username().is_empty() || url.password().is_some() || url.query().is_some();
        if more || url.fragment().is_some() {
            return Err(InvalidDocsBase::More);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url })
    }

    /// Whether the host is this machine. No proxy is used for it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The base as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The host with its port: for messages.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// The path below which everything is, with a slash at its end.
    fn root(&self) -> String {
        format!("{}/", self.url.path().trim_end_matches('/'))
    }

    /// The URL of a file below the base. The path is a checked one.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.root()));
        url
    }

    /// Whether an address is below the base: same scheme, host and port, and a path under the base's that says no more.
    pub(super) fn holds(&self, url: &Url) -> bool {
        url.origin() == self.url.origin()
            && url.path().starts_with(&self.root())
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// What an address below the base has behind it: its path alone. Relative addresses are read as the index's own are.
    pub(super) fn below(&self, address: &str) -> Option<String> {
        let url = self.join("llms.txt").join(address).ok()?;
        let rest = url.path().strip_prefix(&self.root()).filter(|_| self.holds(&url))?;
        (url.query().is_none()).then(|| rest.to_owned())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Debug for DocsBase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DocsBase({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_or_on_this_machine() {
        assert_eq!(DocsBase::neons().unwrap().as_str(), NEONS);
        assert_eq!(DocsBase::parse("https://neon.com/docs/").unwrap().as_str(), NEONS);
        assert!(DocsBase::parse("http://127.0.0.1:8080/docs").is_ok());
        for (wrong, why) in [
            ("http://neon.com/docs", InvalidDocsBase::NotEncrypted),
            ("ftp://neon.com/docs", InvalidDocsBase::NotEncrypted),
            ("file:///docs", InvalidDocsBase::NotAUrl),
            ("neon.com/docs", InvalidDocsBase::NotAUrl),
            ("", InvalidDocsBase::NotAUrl),
            ("https://me@neon.com/docs", InvalidDocsBase::More),
            ("https://neon.com/docs?x", InvalidDocsBase::More),
            ("https://neon.com/docs#x", InvalidDocsBase::More),
        ] {
            assert_eq!(DocsBase::parse(wrong), Err(why), "{wrong}");
        }
    }

    #[test]
    fn what_is_below_the_base_is_known_however_it_is_written() {
        let base = DocsBase::parse(NEONS).unwrap();
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
