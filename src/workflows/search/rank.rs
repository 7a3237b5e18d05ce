//! How well something fits what is searched: exactly, by its beginning, or by its words.

/// Words that say nothing by themselves, or only what kind of thing is meant.
const EMPTY: [&str; 18] = [
    "a",
    "all",
    "an",
    "branch",
    "branches",
    "for",
    "in",
    "my",
    "neon",
    "of",
    "on",
    "org",
    "organization",
    "our",
    "project",
    "projects",
    "the",
    "with",
];

/// How something fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Its name or id is what was searched.
    Exact,
    /// Its name or id begins so.
    Prefix,
    /// Its name and id hold all words.
    Words,
    /// They do together with the name of what it is in.
    Around,
}

/// What is searched, in lower case.
#[derive(Debug)]
pub(super) struct Wanted {
    whole: String,
    words: Vec<String>,
}

impl Wanted {
    /// What a query asks for; nothing where it holds no word.
    pub(super) fn parse(query: &str) -> Option<Self> {
        let whole = query.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let ends = |char: char| {
            char.is_whitespace() || matches!(char, '/' | ',' | ';' | ':' | '"' | '\'' | '(' | ')' | '?' | '!')
        };
        let all: Vec<String> = whole
            .split(ends)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let telling: Vec<String> = all
            .iter()
            .filter(|word| !EMPTY.contains(&word.as_str()))
            .cloned()
            .collect();
        let words = if telling.is_empty() { all } else { telling };
        (!words.is_empty()).then_some(Self { whole, words })
    }

    /// What Neon is asked for where there is too much to look over: the query itself, then its longest words.
    pub(super) fn searches(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let mut searches = vec![self.whole.as_str()];
        searches.extend(words.into_iter().filter(|word| *word != self.whole).take(2));
        searches
    }

    /// How something of that name and id fits, which lies in something of the name `around`.
    pub(super) fn rank(&self, name: &str, id: &str, around: &str) -> Option<Rank> {
        let (name, id, around) = (name.to_lowercase(), id.to_lowercase(), around.to_lowercase());
        let own = |word: &String| name.contains(word) || id.contains(word);
        // A query of filler and one word means that word.
        let only = match self.words.as_slice() {
            [only] => only.as_str(),
            _ => self.whole.as_str(),
        };
        let is = |text: &str| name == text || id == text;
        let begins = |text: &str| name.starts_with(text) || id.starts_with(text);
        if is(&self.whole) || is(only) {
            Some(Rank::Exact)
        } else if begins(&self.whole) || begins(only) {
            Some(Rank::Prefix)
        } else if self.words.iter().all(own) {
            Some(Rank::Words)
        } else {
            let together = |word: &String| own(word) || around.contains(word.as_str());
            (self.words.iter().any(own) && self.words.iter().all(together)).then_some(Rank::Around)
        }
    }

    /// Whether a name or id has one of the words at least.
    pub(super) fn touches(&self, name: &str, id: &str) -> bool {
        let (name, id) = (name.to_lowercase(), id.to_lowercase());
        self.words.iter().any(|word| name.contains(word) || id.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(query: &str, name: &str, id: &str, around: &str) -> Option<Rank> {
        Wanted::parse(query).unwrap().rank(name, id, around)
    }

    #[test]
    fn exact_before_prefix_before_words() {
        assert_eq!(rank("Main", "main", "br-x", "shop"), Some(Rank::Exact));
        assert_eq!(rank("br-x", "main", "br-x", "shop"), Some(Rank::Exact));
        assert_eq!(rank(" the main branch ", "main", "br-x", "shop"), Some(Rank::Exact));
        assert_eq!(rank("feature/login", "feature/login", "br-x", ""), Some(Rank::Exact));
        assert_eq!(rank("ma", "main", "br-x", ""), Some(Rank::Prefix));
        assert_eq!(rank("login feature", "feature/login", "br-x", ""), Some(Rank::Words));
        assert_eq!(rank("shop main", "main", "br-x", "Shop"), Some(Rank::Around));
        assert_eq!(
            rank("shop", "main", "br-x", "shop"),
            None,
            "what it is in doesn't make it a hit"
        );
        assert_eq!(rank("shop dev", "main", "br-x", "shop"), None);
        assert_eq!(
            rank("branch", "branch", "br-x", ""),
            Some(Rank::Exact),
            "filler alone is what is meant"
        );
        assert!(Rank::Exact < Rank::Prefix && Rank::Prefix < Rank::Words && Rank::Words < Rank::Around);
    }

    #[test]
    fn what_holds_no_word_asks_for_nothing() {
        for nothing in ["", "  ", "?!", "/"] {
            assert!(Wanted::parse(nothing).is_none(), "{nothing:?}");
        }
        assert_eq!(
            Wanted::parse("my Shop orders").unwrap().searches(),
            ["my shop orders", "orders", "shop"]
        );
    }
}
