//! What names a page: checked strictly, before any request.

use std::fmt;

use crate::base_url::BaseUrl;

/// The most characters of a slug.
const LONGEST: usize = 200;

/// The name of a page: `guides/branching-intro`. Segments of a-z, 0-9, `-`, `_` and `.` that begin with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

/// A text that names no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no page's name: write it as list_docs_resources gives it, such as introduction/branching (lower case, at most {LONGEST} characters), or a page's address below the docs' own"
)]
pub struct InvalidSlug;

impl Slug {
    /// Reads a slug. A `.md` at its end and an address below the base are reduced to it.
    ///
    /// # Errors
    /// [`InvalidSlug`]
    pub fn parse(text: &str, base: &BaseUrl) -> Result<Self, InvalidSlug> {
        // What is encoded would be something else after decoding.
        if text.contains(['%', '\\']) {
            return Err(InvalidSlug);
        }
        let path = if text.contains("://") {
            base.below(text).ok_or(InvalidSlug)?
        } else {
            text.to_owned()
        };
        Self::of_path(&path)
    }

    /// The slug of a path below the base.
    pub(super) fn of_path(path: &str) -> Result<Self, InvalidSlug> {
        let slug = path.strip_suffix(".md").unwrap_or(path);
        let inside =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        let is_segment = |segment: &str| {
            segment.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && segment.bytes().all(inside)
        };
        if slug.len() <= LONGEST && slug.split('/').all(is_segment) {
            Ok(Self(slug.to_owned()))
        } else {
            Err(InvalidSlug)
        }
    }

    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file that the page is, below the base.
    pub(super) fn file(&self) -> String {
        format!("{}.md", self.0)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_reduced_or_refused() {
        let base = BaseUrl::parse("https://neon.com/docs").unwrap();
        let parse = |text: &str| Slug::parse(text, &base).map(|slug| slug.to_string());
        for (text, slug) in [
            ("introduction", "introduction"),
            ("guides/branching-intro.md", "guides/branching-intro"),
            ("changelog/2026-01-01", "changelog/2026-01-01"),
            ("a_b/c.d", "a_b/c.d"),
            ("https://neon.com/docs/guides/prisma", "guides/prisma"),
            ("https://neon.com/docs/guides/prisma.md#setup", "guides/prisma"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(slug), "{text}");
        }
        let long = "a".repeat(LONGEST + 1);
        for wrong in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "./a",
            "a/.b",
            "a/..",
            ".md",
            "a/.md",
            "-a",
            "_a",
            "A",
            "a b",
            "a\nb",
            "a\0",
            "a?b",
            "a#b",
            "a;b",
            "a:b",
            "a%2fb",
            "%2e%2e",
            "a\\b",
            "é",
            "file:///etc/passwd",
            "http://neon.com/docs/a",
            "https://evil.example/docs/a",
            "https://neon.com/guides/a",
            "https://neon.com/docs/../a",
            "https://neon.com/docs/",
            "https://neon.com/docs/a?x=1",
            "//evil.example/a",
            &long,
        ] {
            assert_eq!(parse(wrong), Err(InvalidSlug), "{wrong:?}");
        }
    }
}
