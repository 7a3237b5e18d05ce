//! Words of a text as the search compares them: lower case, stems, and things that look like ids told by what they name.

use std::sync::LazyLock;

use regex::Regex;

/// Words that say nothing about the task.
const EMPTY: &str = "\
a an the of to in on for with and or at by from as is are was were be been it its this that these those there here i me my mine we us \
our ours you your he him his she hers her they them their do does did doing done can could should would shall may might must please pls \
u w so if then than not no just also too very really have has had having any some into onto about out up down off over what which who \
whom whose where when why how s t re ve ll m d am need want get got let give make like use using used one today now yesterday tomorrow \
morning night week month ago minute minutes hour hours day days currently right already still ever anymore more longer other another own \
few lot thing things stuff something anything everything nothing way kind sort thanks hi hey hello help ok okay oh sure maybe actually \
someone somebody anyone main prod production dev staging test testing live qa neon shop app tell see show find look know think going go \
goes take put call called keep try back new old same different again only every each per via until since before after while because but";

/// What an id, an address or a file looks like, and the word for it.
const KINDS: [(&str, &str); 20] = [
    (r"\S+@\S+\.\S+", " address email "),
    (r"https?://(localhost|127\.0\.0\.1)\S*", " localhost "),
    (r"\b127\.0\.0\.1\b", " localhost "),
    (r"\b(smtp|mail)\.[a-z0-9-]+\.\S+", " smtp "),
    (r"(^|\s)\.env\b", " connection string "),
    (
        r"\b(feature|preview|fix|bugfix|hotfix|chore|release|pr)/\S+",
        " branch ",
    ),
    (r"https?://\S+", " address url "),
    (r"\b[a-z0-9-]+\.[a-z0-9-]+\.(com|io|dev|net|org|app|co)\b", " hostname "),
    (r"\bep-[a-z0-9-]+", " compute "),
    (r"\bbr-[a-z0-9-]+", " branch "),
    (r"\bvpce?-[a-z0-9-]+", " vpc endpoint "),
    (r"\bsnap-[a-z0-9-]+", " snapshot "),
    (r"\borg-[a-z0-9-]+", " organization "),
    (r"\btrg_\w+", " trigger "),
    (r"\btok_\w+", " credential "),
    (r"\b\d+\.\d+\.\d+\.\d+(/\d+)?", " address ip "),
    (r"\b[0-9a-f]{4,}-[0-9a-f.-]+", " "),
    (r"\b[a-z]+-[a-z]+-\d{4,}\b", " project "),
    (r"\b\S+/\S+\.(pdf|png|jpg|jpeg|csv|txt|md|json|zip)\b", " object "),
    (r"\baws-?\w*|\b(us|eu|ap|sa)-[a-z]+-\d\b", " region "),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compiled = KINDS
        .iter()
        .filter_map(|(pattern, word)| Some((Regex::new(pattern).ok()?, *word)));
    compiled.collect()
});

static NEGATION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"n't\b").ok());
static CONTRACTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"'(s|m|re|ve|ll|d)\b").ok());

/// The text in lower case, without what an apostrophe shortens.
fn plain(text: &str) -> String {
    let mut text = text.to_lowercase().replace('’', "'");
    if !text.contains('\'') {
        return text;
    }
    if let Some(negation) = &*NEGATION {
        text = negation.replace_all(&text, "nt").into_owned();
    }
    if let Some(contraction) = &*CONTRACTION {
        text = contraction.replace_all(&text, "").into_owned();
    }
    text
}

/// The stems of a text's words, in order. Ids and the like stand as the word for what they name.
pub(super) fn stems(text: &str) -> Vec<String> {
    let mut text = plain(text);
    // Most texts hold nothing that could be one, and the index has thousands.
    if text.contains(['-', '_', '.', '/', '@']) || text.contains("aws") {
        for (pattern, word) in &*PATTERNS {
            text = pattern.replace_all(&text, *word).into_owned();
        }
    }
    split(&text)
}

/// The stems of a text's words as it stands.
pub(super) fn stems_as_they_stand(text: &str) -> Vec<String> {
    split(&plain(text))
}

/// The words of a text as they are said, in lower case.
pub(super) fn spoken(text: &str) -> Vec<String> {
    let text = plain(text);
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn split(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(stem).collect()
}

/// Whether a stem says nothing about the task.
pub(super) fn is_empty(stem: &str) -> bool {
    static STEMS: LazyLock<std::collections::HashSet<String>> = LazyLock::new(|| {
        let words = EMPTY.split_ascii_whitespace();
        words.flat_map(|word| [word.to_owned(), self::stem(word)]).collect()
    });
    STEMS.contains(stem)
}

/// A word without its ending: plural, -ed, -ing, -ion, British -ise. Words that belong together come out the same; they need
/// not be words.
pub(super) fn stem(word: &str) -> String {
    if word.len() <= 3 || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    let mut word = word.to_owned();
    for (british, american) in [
        ("isation", "ization"),
        ("ising", "izing"),
        ("ised", "ized"),
        ("ise", "ize"),
    ] {
        if word.len() >= british.len() + 4 && word.ends_with(british) {
            replace_end(&mut word, british, american);
            break;
        }
    }
    let ends = |word: &str, endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if word.len() > 4 && word.ends_with("ies") {
        replace_end(&mut word, "ies", "y");
    } else if word.len() > 4 && word.ends_with("ied") {
        replace_end(&mut word, "ied", "y");
    } else if ends(&word, &["ches", "shes", "xes", "sses", "zzes"]) {
        replace_end(&mut word, "es", "");
    } else if word.ends_with('s') && !ends(&word, &["ss", "us", "is"]) {
        replace_end(&mut word, "s", "");
    }
    for ending in ["ing", "ed"] {
        let Some(rest) = word.strip_suffix(ending) else {
            continue;
        };
        if rest.len() >= 3 && rest.contains(['a', 'e', 'i', 'o', 'u', 'y']) {
            word = rest.to_owned();
            let last: Vec<char> = word.chars().rev().take(2).collect();
            if let [one, other] = *last.as_slice()
                && word.len() > 3
                && one == other
                && !"lszaeiou".contains(one)
            {
                word.pop();
            }
            break;
        }
    }
    if word.len() >= 9 && word.ends_with("ation") || word.len() >= 7 && word.ends_with("ion") {
        replace_end(&mut word, "ion", "");
    }
    if word.len() > 3 && word.ends_with('e') {
        word.pop();
    }
    word
}

fn replace_end(word: &mut String, old: &str, new: &str) {
    word.truncate(word.len().saturating_sub(old.len()));
    word.push_str(new);
}

#[cfg(test)]
mod tests {
    use super::{stem, stems};

    #[test]
    fn words_that_belong_together_have_one_stem() {
        for words in [
            &["branch", "branches"][..],
            &["copy", "copies", "copied"],
            &["create", "created", "creating", "creation"],
            &["drop", "dropped", "dropping"],
            &["anonymization", "anonymisation"],
            &["anonymize", "anonymised", "anonymizing"],
            &["database", "databases"],
        ] {
            let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|one| one == &stems[0]), "{words:?}: {stems:?}");
        }
        assert_ne!(stem("status"), stem("state"));
    }

    #[test]
    fn an_id_stands_as_what_it_names() {
        assert_eq!(stems("What's in br-cool-sun-123456?"), ["what", "in", "branch"]);
        assert_eq!(stems("isn't quiet-sun-12345678 there"), ["isnt", "project", "ther"]);
        assert_eq!(
            stems("give ana@example.com access"),
            ["giv", "address", "email", "access"]
        );
    }
}
