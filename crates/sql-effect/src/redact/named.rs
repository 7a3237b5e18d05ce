//! Secrets by what names them: an option, a column, a function, a key.

use super::item::Item;
use super::marks::Marks;
use crate::lex::Kind;
use crate::secret::{is_secret_name, is_secret_option};

/// Functions whose first arguments are secrets: how many of them.
const SECRET_ARGUMENTS: [(&str, usize); 15] = [
    ("crypt", 1),
    ("digest", 1),
    ("hmac", 2),
    ("encrypt", 2),
    ("encrypt_iv", 2),
    ("decrypt", 2),
    ("decrypt_iv", 2),
    ("pgp_sym_encrypt", 2),
    ("pgp_sym_encrypt_bytea", 2),
    ("pgp_sym_decrypt", 2),
    ("pgp_sym_decrypt_bytea", 2),
    ("pgp_pub_encrypt", 1),
    ("pgp_pub_decrypt", 3),
    ("pgp_pub_decrypt_bytea", 3),
    ("update_secret", 2),
];

/// Functions that take a name and then its value.
const NAMED_VALUES: [&str; 8] = [
    "set_config",
    "json_build_object",
    "jsonb_build_object",
    "jsonb_set",
    "jsonb_set_lax",
    "jsonb_insert",
    "hstore",
    "json_object",
];

impl<'a> Marks<'a> {
    pub(super) fn mark(&mut self) {
        for at in 0..self.items.len() {
            let Some(item) = self.item(at) else { break };
            if item.is_name() {
                self.name(at, item);
                self.function(at, item);
            }
            if item.string.is_some() {
                self.key(at, item);
            }
            if item.is("default") {
                self.default(at);
            }
            if item.token.text == "(" {
                self.columns(at);
            }
        }
    }

    /// A name that says secret, and what follows it.
    pub(super) fn name(&mut self, at: usize, item: &'a Item<'a>) {
        let next = self.item(at + 1);
        let option = self.in_options(item);
        if !(is_secret_name(&item.says) || option && is_secret_option(&item.says)) {
            return;
        }
        let role = item.is("password") && self.in_role(at);
        if role || next.is_some_and(|next| next.string.is_some() || next.kind() == Kind::Parameter) {
            self.secret(at + 1, true);
            if role || option {
                self.value_outside_a_string(at + 1, true);
            }
        }
        // `password text := …` declares a variable.
        let typed = (at + 2..at + 5).find(|at| self.item(*at).is_some_and(|item| item.is_operator(":")));
        let typed = typed.filter(|colon| {
            let between = self.items.get(at + 1..*colon).unwrap_or_default();
            between.iter().all(Item::is_name) && self.item(colon + 1).is_some_and(|next| next.is_operator("="))
        });
        if let Some(value) = self.past_operator(at + 1).or(typed.map(|colon| colon + 2)) {
            self.value_outside_a_string(value, false);
            self.expression(value);
        }
        // `'…' = password`, and `'…' AS password`, which names a whole expression.
        let chain = self.chain_start(at);
        let before = chain.checked_sub(1).and_then(|before| self.item(before));
        let sign = before.is_some_and(|before| before.is_operator("=") || before.is_operator(">"));
        if sign {
            let mut operand = chain;
            while let Some(earlier) = operand.checked_sub(1)
                && self.item(earlier).is_some_and(|item| item.kind() == Kind::Operator)
            {
                operand = earlier;
            }
            if let Some(operand) = operand.checked_sub(1) {
                self.backwards(operand, true);
            }
        }
        let labels = before.is_some_and(|before| before.is("as")) && next.is_none_or(|next| next.token.text != "(");
        if labels && let Some(end) = chain.checked_sub(2) {
            self.backwards(end, false);
        }
        let ends = next.is_none_or(|next| matches!(next.token.text, "," | ")" | ";") || next.is("from"));
        if chain == at && ends && before.is_some_and(|before| before.string.is_some()) {
            self.secret(at.saturating_sub(1), false);
        }
    }

    pub(super) fn in_options(&self, item: &Item<'_>) -> bool {
        item.inside
            .and_then(|open| self.before(open))
            .is_some_and(|before| before.is("options"))
    }

    /// Whether a statement makes or changes a role.
    pub(super) fn in_role(&self, at: usize) -> bool {
        let start = self
            .items
            .get(..at)
            .unwrap_or_default()
            .iter()
            .rposition(|item| item.kind() == Kind::Semicolon || item.is_any(&["begin", "then", "else", "loop"]))
            .map_or(0, |before| before + 1);
        match self.items.get(start..) {
            Some([first, second, ..]) => {
                let mapping = self.item(start + 2).is_some_and(|third| third.is("mapping"));
                first.is_any(&["create", "alter"]) && second.is_any(&["role", "user", "group"]) && !mapping
            }
            _ => false,
        }
    }

    /// A function that takes secrets.
    pub(super) fn function(&mut self, at: usize, item: &'a Item<'a>) {
        if self.item(at + 1).is_none_or(|next| next.token.text != "(") {
            return;
        }
        let name = item.says.to_ascii_lowercase();
        let keyword = item.is_any(&["in", "any", "all", "some", "values", "as", "and", "or", "not"]);
        let count = match SECRET_ARGUMENTS.iter().find(|(known, _)| *known == name) {
            Some((_, count)) => *count,
            // `create_secret('…')`, `set_password('…')`: but no table with its columns.
            None if !keyword && is_secret_name(&name) && !self.names_a_table(at) => usize::MAX,
            None => 0,
        };
        for part in self.parts(at + 1).into_iter().take(count) {
            for at in part {
                self.secret(at, false);
            }
        }
    }

    pub(super) fn names_a_table(&self, at: usize) -> bool {
        let start = self.chain_start(at);
        start
            .checked_sub(1)
            .and_then(|before| self.item(before))
            .is_some_and(|before| before.is_any(&["into", "table", "exists", "on", "references", "as", "with", "join"]))
    }

    /// A string that names a secret, or ends where one is expected.
    pub(super) fn key(&mut self, at: usize, item: &'a Item<'a>) {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '{' | '}' | ',' | ' ');
        if item.says.chars().all(plain) && is_secret_name(item.says.trim()) && self.masked.get(at) == Some(&None) {
            if let Some(value) = self.past_operator(at + 1) {
                self.expression(value);
            }
            let takes = item.inside.and_then(|open| self.before(open)).is_some_and(|before| {
                NAMED_VALUES.iter().any(|name| before.says.eq_ignore_ascii_case(name)) || before.is("values")
            });
            let row = item.inside.is_some_and(|open| self.is_row(open));
            if (takes || row) && self.item(at + 1).is_some_and(|next| next.kind() == Kind::Comma) {
                self.expression(at + 2);
            }
        }
        if let Some(formats) = expects_secret(&item.says) {
            let Some(next) = self.item(at + 1) else { return };
            if formats && next.kind() == Kind::Comma {
                // All arguments of `format`.
                let mut from = at + 1;
                while self.item(from).is_some_and(|next| next.kind() == Kind::Comma) {
                    self.expression(from + 1);
                    from += 1;
                    while let Some(item) = self.item(from)
                        && !(item.inside == next.inside && matches!(item.kind(), Kind::Comma | Kind::Close))
                    {
                        from += 1;
                    }
                }
            } else if next.is_operator("|") || next.kind() == Kind::Comma {
                self.expression(at + 1 + usize::from(next.kind() == Kind::Comma));
            }
        }
    }
}

/// Whether a text ends where a secret is expected (`… PASSWORD `, `password=`), or is a format with a place for one.
fn expects_secret(text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    if !["passw", "pwd", "secret", "token", "key"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return None;
    }
    let ending = lower.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | '>' | '\'' | '"' | '$'));
    let last = |text: &str| {
        text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .is_some_and(is_secret_name)
    };
    if ending.len() < lower.len() && last(ending) {
        return Some(false);
    }
    let formats = lower.match_indices('%').any(|(at, _)| {
        let before = lower.get(..at).unwrap_or_default();
        last(before.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | '>' | '\'' | '"')))
    });
    formats.then_some(true)
}
