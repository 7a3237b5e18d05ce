//! What is masked of a text, and how far an expression reaches that holds a secret.

use super::found::{Found, Unshowable};
use super::item::Item;
use crate::lex::Kind;

/// What is masked of a text: of each string, whether it is an operand that nothing could run.
pub(super) struct Marks<'a> {
    pub(super) items: &'a [Item<'a>],
    pub(super) masked: Vec<Option<bool>>,
    pub(super) found: Found,
}

/// What ends an expression at its own depth.
const ENDS: [&str; 24] = [
    "and",
    "or",
    "where",
    "from",
    "returning",
    "group",
    "order",
    "having",
    "limit",
    "when",
    "then",
    "else",
    "end",
    "union",
    "except",
    "intersect",
    "on",
    "as",
    "set",
    "into",
    "using",
    "loop",
    "valid",
    "for",
];

impl<'a> Marks<'a> {
    pub(super) fn item(&self, at: usize) -> Option<&'a Item<'a>> {
        self.items.get(at)
    }

    pub(super) fn before(&self, at: usize) -> Option<&'a Item<'a>> {
        self.items.get(at.checked_sub(1)?)
    }

    /// Marks a string or parameter as a secret. `operand` says that nothing could run it.
    pub(super) fn secret(&mut self, at: usize, operand: bool) {
        let Some(item) = self.item(at) else { return };
        if item.kind() == Kind::Parameter
            && let Some(number) = item.token.text.get(1..).and_then(|number| number.parse().ok())
        {
            self.found.parameters.insert(number);
            self.found.hides |= !operand;
        }
        if item.string.is_some()
            && let Some(mark) = self.masked.get_mut(at)
        {
            *mark = Some(mark.unwrap_or(operand) && operand);
        }
    }

    /// What stands right where the value of a secret is expected, and is no string.
    pub(super) fn value_outside_a_string(&mut self, at: usize, in_role: bool) {
        let Some(item) = self.item(at) else { return };
        let next_is = |text: &str| self.item(at + 1).is_some_and(|next| next.token.text == text);
        let bare = match item.kind() {
            Kind::Number => true,
            Kind::Quoted | Kind::Unicode => in_role || !(next_is(".") || next_is("(")),
            Kind::Word => in_role && !item.is("null"),
            _ => false,
        };
        if bare {
            self.found.cannot(Unshowable::Secret);
        }
    }

    /// Marks what an expression holds, from there to where it ends.
    pub(super) fn expression(&mut self, from: usize) {
        let Some(first) = self.item(from) else { return };
        let depth = first.inside;
        let mut at = from;
        // Of each CASE around: whether a value of it stands here, or a condition, which is what is done.
        let mut cases: Vec<bool> = Vec::new();
        while let Some(item) = self.item(at) {
            match cases.last_mut() {
                _ if item.is("case") => cases.push(false),
                Some(value) if item.is_any(&["then", "else"]) => *value = true,
                Some(value) if item.is("when") => *value = false,
                Some(_) if item.is("end") => {
                    cases.pop();
                    at += 1;
                    continue;
                }
                _ => {}
            }
            if item.inside == depth && cases.is_empty() {
                let ends = matches!(item.kind(), Kind::Comma | Kind::Semicolon) || (at > from && item.is_any(&ENDS));
                if ends {
                    return;
                }
            }
            // A closing bracket stands inside the one that it closes.
            if item.kind() == Kind::Close && item.inside == depth && depth.is_some() {
                return;
            }
            if item.token.text == "(" && self.item(at + 1).is_some_and(|next| next.is_any(&["select", "with"])) {
                // Another query's conditions are what is done, not the secret.
                at = self.close(at).unwrap_or(self.items.len());
            } else if cases.iter().all(|value| *value) {
                self.secret(at, false);
            }
            at += 1;
        }
    }

    /// Where the bracket that opens there closes.
    pub(super) fn close(&self, open: usize) -> Option<usize> {
        self.item(open)?.closes
    }

    /// The parts between the commas of a bracket, as ranges.
    pub(super) fn parts(&self, open: usize) -> Vec<std::ops::Range<usize>> {
        let Some(close) = self.close(open) else {
            return Vec::new();
        };
        self.split(open + 1, close, Some(open))
    }

    pub(super) fn split(&self, from: usize, to: usize, depth: Option<usize>) -> Vec<std::ops::Range<usize>> {
        let mut parts = Vec::new();
        let mut start = from;
        for at in from..to {
            let is_comma = self
                .item(at)
                .is_some_and(|item| item.kind() == Kind::Comma && item.inside == depth);
            if is_comma {
                parts.push(start..at);
                start = at + 1;
            }
        }
        parts.push(start..to);
        parts
    }

    pub(super) fn part(&mut self, part: std::ops::Range<usize>) {
        if part.len() == 1 {
            self.value_outside_a_string(part.start, false);
        }
        for at in part {
            self.secret(at, false);
        }
    }

    /// Marks the strings before, up to where their expression begins.
    pub(super) fn backwards(&mut self, end: usize, condition: bool) {
        let depth = self.item(end).and_then(|item| item.inside);
        for at in (0..=end).rev() {
            let Some(item) = self.item(at) else { return };
            let own = item.inside == depth;
            let begins = item.is_any(&["select", "returning", "distinct", "all"])
                || matches!(item.kind(), Kind::Comma | Kind::Semicolon)
                || (condition && (item.is_any(&ENDS) || item.is("not")));
            if (own && begins) || Some(at) == depth {
                return;
            }
            self.secret(at, false);
        }
    }

    /// Where a name with its qualification begins.
    pub(super) fn chain_start(&self, at: usize) -> usize {
        let mut start = at;
        while let Some(dot) = start.checked_sub(1)
            && self.item(dot).is_some_and(|item| item.kind() == Kind::Dot)
            && let Some(name) = dot.checked_sub(1)
            && self.item(name).is_some_and(Item::is_name)
        {
            start = name;
        }
        start
    }

    /// What stands behind an operator that compares with or assigns to what stands before it.
    pub(super) fn past_operator(&self, from: usize) -> Option<usize> {
        let mut at = from;
        // `lower(password) = …`, `password::text = …`, `password || '' = …`
        loop {
            let item = self.item(at)?;
            if item.kind() == Kind::Close {
                at += 1;
            } else if item.is_operator("|")
                && self.item(at + 1).is_some_and(|next| next.is_operator("|"))
                && self.item(at + 2).is_some_and(|next| next.string.is_some())
            {
                at += 3;
            } else if item.is_operator(":") && self.item(at + 1).is_some_and(|next| next.is_operator(":")) {
                at += 3;
                if self.item(at).is_some_and(|item| item.token.text == "(") {
                    at = self.close(at)? + 1;
                }
            } else {
                break;
            }
        }
        let words: [&[&str]; 11] = [
            &["not", "like"],
            &["not", "ilike"],
            &["not", "in"],
            &["like"],
            &["ilike"],
            &["in"],
            &["to"],
            &["is", "distinct", "from"],
            &["is", "not", "distinct", "from"],
            &["between"],
            &["similar", "to"],
        ];
        for words in words {
            let fits = words
                .iter()
                .enumerate()
                .all(|(index, word)| self.item(at + index).is_some_and(|item| item.is(word)));
            if fits {
                return Some(at + words.len());
            }
        }
        let mut operator = String::new();
        while let Some(item) = self.item(at)
            && item.kind() == Kind::Operator
            && operator.len() < 4
        {
            operator.push_str(item.token.text);
            at += 1;
        }
        [
            "=", ":=", "=>", "<>", "!=", "~", "~*", "!~", "!~*", "==", "~~", "~~*", "!~~",
        ]
        .contains(&operator.as_str())
        .then_some(at)
    }
}
