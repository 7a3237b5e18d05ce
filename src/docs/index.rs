//! The index: `llms.txt`, a Markdown list of links with titles and descriptions.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use super::slug::Slug;
use crate::base_url::BaseUrl;
use crate::neon::text::one_line;

/// The most entries that are kept.
const MOST: usize = 10_000;

/// A page, as the index tells of it. Title and description are the docs host's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What get_doc_resource takes.
    pub slug: Slug,
    /// Its title.
    pub title: String,
    /// What it is about; may be empty.
    pub about: String,
}

/// `- [Title](address): description`; the description may follow a dash, or be missing.
static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:[-*+]|\d+\.)\s+\[([^\]]*)\]\(\s*<?([^\s)>]+)>?[^)]*\)\s*(?:[:–—-]\s*)?(.*)$").ok()
});

/// The pages below the base that an index links to, each once. Other links, and addresses that are no page's, are passed over.
pub(super) fn entries(text: &str, base: &BaseUrl) -> Vec<Entry> {
    let Some(link) = LINK.as_ref() else { return Vec::new() };
    let mut seen = HashSet::new();
    text.lines()
        .filter_map(|line| {
            let found = link.captures(line)?;
            let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
            let slug = Slug::of_path(&base.below(part(2))?).ok()?;
            Some(Entry {
                slug,
                title: one_line(part(1), 200),
                about: one_line(part(3), 400),
            })
        })
        .filter(|entry| seen.insert(entry.slug.clone()))
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_below_the_base_are_entries() {
        let base = BaseUrl::parse("https://neon.com/docs").unwrap();
        let text = "# Neon\n\n> Serverless Postgres\n\n## Start\n\n\
            - [Branching](https://neon.com/docs/introduction/branching.md): Copies of data\n\
            * [Prisma](/docs/guides/prisma) - An ORM\n\
            1. [Bare](guides/bare.md)\n\
            - [Again](guides/bare): twice\n\
            - [Elsewhere](https://neon.com/blog/x.md): no\n\
            - [Out](../x.md)\n\
            - [Bad](guides/%2e%2e/UPPER.md)\n\
            not [a list](guides/a.md)\n";
        let found: Vec<(String, String, String)> = entries(text, &base)
            .into_iter()
            .map(|entry| (entry.slug.to_string(), entry.title, entry.about))
            .collect();
        let entry = |slug: &str, title: &str, about: &str| (slug.to_owned(), title.to_owned(), about.to_owned());
        assert_eq!(
            found,
            [
                entry("introduction/branching", "Branching", "Copies of data"),
                entry("guides/prisma", "Prisma", "An ORM"),
                entry("guides/bare", "Bare", ""),
            ]
        );
    }
}
