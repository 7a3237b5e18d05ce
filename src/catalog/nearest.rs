//! The name that somebody probably meant.

/// The longest word that is looked for, in bytes.
const MAX_WORD: usize = 128;

/// The candidate nearest to `word`, if one is near enough to be worth naming.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing that there is has a name as long as that, and likeness takes time that grows with it.
    if word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&word, &candidate.to_lowercase().replace('-', "_")),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.78)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// How alike two names are of which one is the other with a slip of the finger.
const SLIP: f64 = 0.95;

/// The tool that a name is meant for: an offered one where the finger slipped, else the one of all that shares its words.
#[must_use]
pub fn nearest_tool<'a>(
    name: &str,
    offered: impl Iterator<Item = &'a str> + Clone,
    all: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let like = |near: &&str| strsim::jaro_winkler(&name.to_lowercase(), near) >= SLIP;
    let slip = nearest(name, offered.clone()).filter(like);
    slip.or_else(|| nearest_by_words(name, all))
        .or_else(|| nearest(name, offered))
}

/// From how alike two words are on that they are taken for one: `advisor` and `advisors`, `tune` and `tuning`.
const SAME_WORD: f64 = 0.82;

/// Words that say what is done, and not to what: those that only look are one.
const LOOKS: [&str; 7] = ["describe", "fetch", "find", "get", "list", "read", "show"];
const CHANGES: [&str; 7] = ["add", "change", "create", "delete", "make", "remove", "set"];

/// The candidate that shares the words with `name` that say most, where its letters are near none: `list_organization_members` for
/// `get_organization_members`.
fn nearest_by_words<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_WORD {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    let candidates: Vec<(&str, Vec<&str>)> = candidates
        .into_iter()
        .map(|candidate| (candidate, candidate.split('_').collect()))
        .collect();
    let likeness = |words: &[&str], word: &str| {
        let likenesses = words.iter().map(|other| strsim::jaro_winkler(word, other));
        likenesses.filter(|likeness| *likeness >= SAME_WORD).fold(0.0, f64::max)
    };
    // The fewer names have a word, the more it says; what is done is said by several.
    let weighed: Vec<(&str, f64)> = name
        .split('_')
        .filter(|word| word.len() > 1 && !LOOKS.contains(word) && !CHANGES.contains(word))
        .map(|word| (word, candidates.iter().filter(|(_, words)| likeness(words, word) > 0.0)))
        .map(|(word, having)| (word, having.map(|_| 1.0).sum()))
        .collect();
    let score = |words: &[&str]| -> f64 {
        weighed
            .iter()
            .map(|(word, count)| likeness(words, word) / count.max(1.0))
            .sum()
    };
    let near = candidates.iter().rev().filter(|(_, words)| score(words) > 0.0);
    let looks = |words: &[&str]| words.first().is_some_and(|verb| LOOKS.contains(verb));
    let is_alike = |words: &[&str]| looks(words) == LOOKS.iter().any(|verb| name.starts_with(verb));
    // Of two that share as much it is the one that does the like, of these the shorter, which says less beside it, then the first.
    near.max_by(|(_, one), (_, other)| {
        let by_words = score(one).total_cmp(&score(other));
        by_words
            .then(is_alike(one).cmp(&is_alike(other)))
            .then(other.len().cmp(&one.len()))
    })
    .map(|(candidate, _)| *candidate)
}

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_by_words};

    #[test]
    fn words_find_what_letters_do_not() {
        let catalog = crate::catalog::Catalog::embedded().unwrap();
        let names = || catalog.tools().iter().map(|tool| tool.name());
        for (name, meant) in [
            ("get_organization_members", Some("list_organization_members")),
            ("get_security_advisors", Some("list_advisor_issues")),
            ("get_project_branches", Some("list_branches")),
            ("tune_query", Some("prepare_query_tuning")),
            ("xyzzy", None),
            ("get", None),
        ] {
            assert_eq!(nearest_by_words(name, names()), meant, "{name}");
        }
        assert_eq!(nearest_by_words(&"list_project".repeat(20), names()), None);
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_name_and_nonsense_finds_none() {
        let names = ["list_projects", "create_branch", "delete_branch"];
        assert_eq!(nearest("list_project", names), Some("list_projects"));
        assert_eq!(nearest("creat-branch", names), Some("create_branch"));
        assert_eq!(nearest("xyzzy", names), None);
        assert_eq!(nearest(&"list_project".repeat(20), names), None);
    }
}
