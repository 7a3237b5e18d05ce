//! The statements of a call as the caller sent them, to tell places in the caller's own text.

use crate::sql::{Place, Statement};

/// A statement as the caller sent it.
pub(in crate::workflows) struct Sent<'s> {
    pub(super) statement: &'s Statement,
    /// The text that it stands in.
    source: &'s str,
    /// That text holds other statements, too.
    pub(super) shares: bool,
    /// How many characters of our own stand before the statement where it runs.
    pub(super) ours: usize,
}

impl<'s> Sent<'s> {
    /// The statements of texts, a script for each.
    pub(in crate::workflows) fn all(scripts: &'s [crate::sql::Script], sources: &'s [String]) -> Vec<Self> {
        let of = |(index, script): (usize, &'s crate::sql::Script)| {
            let shares = script.statements.len() > 1;
            script.statements.iter().map(move |statement| Self {
                statement,
                source: sources.get(index).map_or(statement.text.as_str(), String::as_str),
                shares,
                ours: 0,
            })
        };
        scripts.iter().enumerate().flat_map(of).collect()
    }

    /// Whether it could be read here.
    pub(in crate::workflows) fn is_read(&self) -> bool {
        self.statement.is_read()
    }

    /// The same, behind a beginning of our own.
    pub(in crate::workflows) fn behind(self, ours: usize) -> Self {
        Self { ours, ..self }
    }

    /// The place in the caller's text, and in the statement alone.
    pub(super) fn place(&self, position: usize) -> Option<(Place, usize)> {
        let own = position.checked_sub(self.ours).filter(|own| *own > 0)?;
        Place::of(&self.statement.text, own)?;
        let before = match self.source.get(self.statement.start..) {
            Some(rest) if rest.starts_with(self.statement.text.as_str()) => {
                self.source.get(..self.statement.start).unwrap_or_default()
            }
            _ => return Place::of(&self.statement.text, own).map(|place| (place, own)),
        };
        Some((Place::of(self.source, before.chars().count() + own)?, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    pub(super) fn place_counts_in_the_text_as_it_was_sent() {
        let source = "-- größe\n/* ä */ SELECT 1;\n SELECT ü FROM t".to_owned();
        let scripts = [crate::sql::parse(&source)];
        let sources = [source];
        let mut sent = Sent::all(&scripts, &sources);
        let second = sent.pop().expect("two");
        let (place, own) = second.place(8).expect("a place");
        assert_eq!((place.line, place.column, own), (3, 9, 8));
        assert_eq!(sources[0].chars().nth(place.position - 1), Some('ü'));
        let explained = second.behind("EXPLAIN (COSTS) ".len());
        let (place, own) = explained.place(8 + "EXPLAIN (COSTS) ".len()).expect("a place");
        assert_eq!((place.line, place.column, own), (3, 9, 8));
        assert!(explained.place(3).is_none(), "in our own text");
    }
}
