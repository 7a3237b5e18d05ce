//! Secrets by the column that they stand in: a default, a row of values, a query's list.

use super::marks::Marks;
use crate::lex::Kind;
use crate::secret::is_secret_name;

impl<'a> Marks<'a> {
    /// Whether a bracket is a row of `VALUES`.
    pub(super) fn is_row(&self, open: usize) -> bool {
        let mut open = open;
        while let Some(before) = open.checked_sub(1).and_then(|at| self.item(at).map(|item| (at, item))) {
            match before {
                (_, item) if item.is("values") => return true,
                (at, item) if item.kind() == Kind::Comma => {
                    let Some(earlier) = at.checked_sub(1).and_then(|at| self.item(at)) else {
                        return false;
                    };
                    match earlier.inside.filter(|_| earlier.kind() == Kind::Close) {
                        Some(earlier) => open = earlier,
                        None => return false,
                    }
                }
                _ => return false,
            }
        }
        false
    }

    /// A column's default.
    pub(super) fn default(&mut self, at: usize) {
        let Some(depth) = self.item(at).map(|item| item.inside) else {
            return;
        };
        let mut secret = false;
        for earlier in (0..at).rev() {
            let Some(item) = self.item(earlier) else { break };
            if item.inside != depth {
                continue;
            }
            if matches!(item.kind(), Kind::Comma | Kind::Semicolon) || Some(earlier) == depth {
                break;
            }
            secret |= item.is_name() && is_secret_name(&item.says);
        }
        if secret {
            self.value_outside_a_string(at + 1, false);
            self.expression(at + 1);
        }
    }

    /// A list of columns with a secret among them, and the values that belong to it.
    pub(super) fn columns(&mut self, open: usize) {
        let parts = self.parts(open);
        let secrets: Vec<usize> = parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let items = self.items.get(part.clone())?;
                let names = items.iter().all(|item| item.is_name() || item.kind() == Kind::Dot);
                let last = items.last().filter(|_| names)?;
                is_secret_name(&last.says).then_some(index)
            })
            .collect();
        let Some(close) = self.close(open).filter(|_| !secrets.is_empty()) else {
            return;
        };
        let mut at = close + 1;
        if self.item(at).is_some_and(|item| item.is("overriding")) {
            at += 3;
        }
        let Some(next) = self.item(at) else {
            return self.named_before(open, &secrets);
        };
        if next.is("values") {
            self.rows(at + 1, &secrets);
        } else if next.is("select") {
            self.selected(at, next.inside, &secrets);
        } else if next.is_operator("=") {
            let row = at + 1 + usize::from(self.item(at + 1).is_some_and(|item| item.is("row")));
            self.rows(row, &secrets);
            if self.item(row + 1).is_some_and(|item| item.is("select")) {
                self.selected(row + 1, Some(row), &secrets);
            }
        } else if next.is("as") {
            let body = (at + 1..at + 4).find(|at| self.item(*at).is_some_and(|item| item.token.text == "("));
            if let Some(body) = body {
                match self.item(body + 1) {
                    Some(item) if item.is("values") => self.rows(body + 2, &secrets),
                    Some(item) if item.is("select") => self.selected(body + 1, Some(body), &secrets),
                    _ => {}
                }
            }
        }
        self.named_before(open, &secrets);
    }

    /// `(VALUES (…)) AS t (name, password)`
    pub(super) fn named_before(&mut self, open: usize, secrets: &[usize]) {
        let Some(mut at) = open.checked_sub(2) else { return };
        if self.item(at).is_some_and(|item| item.is("as")) {
            let Some(earlier) = at.checked_sub(1) else { return };
            at = earlier;
        }
        let Some(inner) = self
            .item(at)
            .filter(|item| item.kind() == Kind::Close)
            .and_then(|item| item.inside)
        else {
            return;
        };
        match self.item(inner + 1) {
            Some(item) if item.is("values") => self.rows(inner + 2, secrets),
            Some(item) if item.is("select") => self.selected(inner + 1, Some(inner), secrets),
            _ => {}
        }
    }

    /// Rows in brackets, with commas between them.
    pub(super) fn rows(&mut self, from: usize, secrets: &[usize]) {
        let mut at = from;
        while self.item(at).is_some_and(|item| item.token.text == "(") {
            let parts = self.parts(at);
            for secret in secrets {
                if let Some(part) = parts.get(*secret) {
                    self.part(part.clone());
                }
            }
            let Some(close) = self.close(at) else { return };
            if self.item(close + 1).is_none_or(|item| item.kind() != Kind::Comma) {
                return;
            }
            at = close + 2;
        }
    }

    /// The columns of a query, from its `SELECT`.
    pub(super) fn selected(&mut self, select: usize, depth: Option<usize>, secrets: &[usize]) {
        let end = (select + 1..self.items.len())
            .find(|at| {
                self.item(*at).is_some_and(|item| {
                    (item.inside == depth
                        && (item.is_any(&["from", "where", "on", "union"]) || item.kind() == Kind::Semicolon))
                        || (item.kind() == Kind::Close && item.inside == depth && depth.is_some())
                })
            })
            .unwrap_or(self.items.len());
        let parts = self.split(select + 1, end, depth);
        for secret in secrets {
            if let Some(part) = parts.get(*secret) {
                self.part(part.clone());
            }
        }
    }
}
