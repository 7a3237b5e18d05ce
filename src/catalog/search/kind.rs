//! What a request asks to be done: told by its verbs and how it begins, and by requests of the same kind.

use std::collections::BTreeSet;

use super::synonyms::{Kind, Unit};
use super::words::{stems, stems_as_they_stand};
use crate::catalog::Effect;
use crate::catalog::tool::Tool;
use crate::neon::Method;

/// How a question begins, as stems.
const QUESTIONS: [&str; 34] = [
    "what", "which", "who", "whose", "where", "when", "why", "is", "are", "wa", "were", "do", "doe", "did", "ha",
    "hav", "am", "how", "show", "list", "display", "any", "tell", "check", "se", "view", "print", "fetch", "inspect",
    "find", "has", "have", "does", "see",
];

/// What stands before a request without belonging to it, as stems.
const FILLERS: [&str; 16] = [
    "pls", "pleas", "hi", "hey", "so", "ok", "okay", "now", "and", "um", "uh", "hello", "oh", "no", "quick", "question",
];

/// What has happened isn't what is asked for.
const HAPPENED: [&str; 8] = [
    "deleted",
    "dropped",
    "removed",
    "erased",
    "wiped",
    "killed",
    "trashed",
    "destroyed",
];

/// What a tool does, by its declaration and the first word of its name.
pub(super) fn of_tool(tool: &Tool) -> Kind {
    let declaration = &tool.declaration;
    if declaration.safety.effect == Effect::Read {
        return Kind::Read;
    }
    let verb = tool.name().split('_').next().unwrap_or_default();
    match verb {
        "delete" | "revoke" | "remove" | "disable" => Kind::Delete,
        _ if declaration.request.method == Method::Delete => Kind::Delete,
        "create" | "add" | "provision" | "grant" | "accept" | "deploy" | "presign" | "assign" => Kind::Create,
        "update" | "set" | "rename" | "reset" | "rotate" => Kind::Update,
        _ => Kind::Act,
    }
}

/// What a request says that it asks for; nothing when it doesn't say.
pub(super) fn said(request: &str, units: impl Fn(&str) -> Vec<Unit>) -> BTreeSet<Kind> {
    let words = request.split_whitespace();
    let asked: Vec<&str> = words
        .filter(|word| {
            let word = word.trim_matches(|character: char| !character.is_alphanumeric());
            !HAPPENED.contains(&word.to_lowercase().as_str())
        })
        .collect();
    let asked = asked.join(" ");
    let stems = stems_as_they_stand(&asked);
    let begins = stems.iter().position(|stem| !FILLERS.contains(&stem.as_str()));
    let mut stems = stems.iter().skip(begins.unwrap_or(0));
    let (first, second) = (stems.next(), stems.next());
    let is_refusal = first.is_some_and(|word| word == "do") && second.is_some_and(|word| word == "not");
    if !is_refusal && first.is_some_and(|word| QUESTIONS.contains(&word.as_str())) {
        return BTreeSet::from([Kind::Read]);
    }
    let mut kinds: BTreeSet<Kind> = units(&asked).into_iter().flat_map(|unit| unit.verbs).collect();
    if kinds.len() > 1 {
        kinds.remove(&Kind::Read);
    }
    if kinds.is_empty() && request.contains('?') {
        kinds.insert(Kind::Read);
    }
    kinds
}

/// Whether a request asks what is, rather than for something to be done or how to do it.
pub(super) fn is_question(request: &str, units: impl Fn(&str) -> Vec<Unit>) -> bool {
    let stems = stems_as_they_stand(request);
    let asks_how = stems.windows(2).any(|pair| match pair {
        [how, next] => how == "how" && ["do", "can", "to", "could", "would", "should"].contains(&next.as_str()),
        _ => false,
    });
    !asks_how && said(request, units) == BTreeSet::from([Kind::Read])
}

/// The parts of a request that tell what it asks for: its words, the empty ones too, and which follow each other.
pub(super) fn parts(request: &str) -> BTreeSet<String> {
    let stems = stems(request);
    let before = std::iter::once("^").chain(stems.iter().map(String::as_str));
    let pairs: Vec<String> = before.zip(&stems).map(|(one, next)| format!("{one} {next}")).collect();
    stems.into_iter().chain(pairs).collect()
}
