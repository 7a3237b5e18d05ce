//! What statements lose, as Postgres measured it; and how much of it may be lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The share of a table that nobody is asked about is one of so many.
const SHARE: u64 = 10;

/// So few rows are no share, however small their table is.
const FEW: u64 = 1;

/// Whether it is a large share of a table that held so many rows, or nobody can say.
fn is_large_share(lost: u64, held: Option<u64>) -> bool {
    lost > FEW && held.is_none_or(|held| lost.saturating_mul(SHARE) > held)
}

/// The same rule in SQL, of two expressions: the measured commit holds statements to it in the database. The second is null where nobody
/// can say.
#[must_use]
pub fn large_share(lost: &str, held: &str) -> String {
    format!("({lost} > {FEW} AND coalesce({SHARE} * {lost} > {held}, true))")
}

/// What runs unasked: how much of a table statements may lose before a human must approve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// How many rows of a table, as long as they are no more than a tenth of it.
    pub rows: u64,
    /// Whether any of them may be deleted: not on a protected branch.
    pub deletes: bool,
}

impl From<u64> for Unasked {
    fn from(rows: u64) -> Self {
        Self { rows, deletes: true }
    }
}

/// What statements did to a table and what hangs below it (partitions, inheriting tables).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableImpact {
    /// The table's object id.
    pub oid: u32,
    /// Its name, with its schema's.
    pub name: String,
    /// How many rows were inserted, by Postgres' count.
    pub inserted: u64,
    /// How many rows were updated.
    pub updated: u64,
    /// How many rows were deleted.
    pub deleted: u64,
    /// How many of the former rows are gone or changed, at most.
    pub lost: u64,
    /// How many rows it held before; nothing where the role can't count them.
    pub held: Option<u64>,
    /// It held more rows than were counted.
    #[serde(default)]
    pub more: Option<bool>,
    /// How many rows are lost of what hangs below it, by object id: it may have been a table by itself before.
    #[serde(default)]
    pub under: Option<BTreeMap<u32, u64>>,
}

/// Something that isn't there afterwards, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What tells it from every other: approvals are bound to it.
    pub line: String,
    /// What kind of object, and its id.
    pub key: String,
    /// The object's name, as it was before.
    pub name: String,
    /// What of the object; nothing where all of it is gone.
    pub facet: Option<String>,
    /// The facet's name.
    pub label: Option<String>,
    /// `gone`, `changed`, `added`, `emptied`, `replaced`, `rewritten`, `superuser`.
    pub what: String,
    /// What the facet is now.
    pub now: Option<String>,
    /// The letter of the relation's kind, for relations.
    pub kind: Option<String>,
}

/// What statements lose: measured in the transaction that ran them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The tables whose rows were touched, the worst first.
    pub tables: Vec<TableImpact>,
    /// What is gone or weaker, objects before parts of objects; at most 400.
    pub lines: Vec<Loss>,
    /// How many there are in all.
    pub count: u64,
    /// How many rows of the catalogue were written; nothing where that wasn't told.
    #[serde(default)]
    pub catalogue: Option<u64>,
}

impl Measured {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Reads what the last statement of a batch gave.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Self::read(value.as_str()?)
    }

    /// Adds what a later transaction lost.
    pub(crate) fn add(&mut self, later: Self) {
        for table in later.tables {
            // What is a part of it now was counted by itself before.
            for (oid, lost) in table.under.iter().flatten() {
                for known in self.tables.iter_mut().filter(|known| known.oid == *oid) {
                    known.deleted += lost;
                    known.lost += lost;
                }
            }
            match self.tables.iter_mut().find(|known| known.oid == table.oid) {
                Some(known) => {
                    known.inserted += table.inserted;
                    known.updated += table.updated;
                    known.deleted += table.deleted;
                    known.lost += table.lost;
                }
                None => self.tables.push(table),
            }
        }
        self.count += later.count;
        self.catalogue = self.catalogue.zip(later.catalogue).map(|(one, other)| one + other);
        for loss in later.lines {
            if self.lines.contains(&loss) {
                self.count -= 1;
            } else {
                self.lines.push(loss);
            }
        }
    }

    /// Whether all of it is told: of very much, a part only.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == self.lines.len() as u64
    }

    /// The tables of which more is lost than runs unasked.
    pub fn over(&self, unasked: impl Into<Unasked>) -> impl Iterator<Item = &TableImpact> {
        let unasked = unasked.into();
        self.tables.iter().filter(move |table| table.over(unasked))
    }

    /// Whether more is lost than runs unasked.
    #[must_use]
    pub fn exceeds(&self, unasked: impl Into<Unasked>) -> bool {
        self.count > 0 || self.over(unasked).next().is_some()
    }

    /// Whether rows were deleted, by whoever did it.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.tables.iter().any(|table| table.deleted > 0)
    }

    /// Whether nothing was written: neither rows nor definitions.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.tables.is_empty() && self.count == 0 && self.catalogue == Some(0)
    }
}

impl TableImpact {
    /// Whether more is lost than runs unasked: more rows than that, a large share of the table, or any that is deleted where none may
    /// be. Of a table that held more than was counted, what was counted is enough to tell. `compare.sql` holds statements to the same.
    fn over(&self, unasked: Unasked) -> bool {
        let deletes = self.deleted > 0 && !unasked.deletes;
        deletes || self.lost > unasked.rows || is_large_share(self.lost, self.held)
    }

    /// How many rows an approval of this covers: a little more than was measured, since others may add some meanwhile. Rounded up,
    /// so that the same answer comes of nearly the same count: 3 → 10, 290 → 300, 12,000 → 13,000.
    #[must_use]
    pub fn ceiling(&self) -> u64 {
        let with_margin = self.lost.saturating_add(self.lost / 50).saturating_add(1);
        let mut step: u64 = 10;
        while step.saturating_mul(50) < with_margin {
            step = step.saturating_mul(10);
        }
        with_margin.div_ceil(step).saturating_mul(step)
    }
}

/// What may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// How many rows of every table, as long as that is no large share of it; nothing means any number, and whatever else.
    unasked_rows: Option<u64>,
    /// How many rows of single tables, by object id: those that were shown and approved, a large share of a table or not.
    rows: BTreeMap<u32, u64>,
    /// How many rows are left of what runs unasked, of tables of which earlier parts of a migration lost some.
    left: BTreeMap<u32, u64>,
    /// How many rows those tables held before the first of these parts, and how many of them are lost by now.
    #[serde(default)]
    former: BTreeMap<u32, (u64, u64)>,
    /// The tables of which rows may be deleted, by object id; nothing means any.
    #[serde(default)]
    deletes: Option<BTreeSet<u32>>,
    /// What else.
    lines: Vec<String>,
}

impl Allowance {
    /// What runs unasked.
    #[must_use]
    pub fn unasked(unasked: impl Into<Unasked>) -> Self {
        let unasked = unasked.into();
        Self {
            unasked_rows: Some(unasked.rows),
            deletes: (!unasked.deletes).then(BTreeSet::new),
            ..Self::default()
        }
    }

    /// What was measured and then approved, with its margin, beside what runs unasked. A table of which no more was lost than
    /// runs unasked stays held to a share of it, too: nobody was told of more.
    #[must_use]
    pub fn approved(measured: &Measured, unasked: impl Into<Unasked>) -> Self {
        let unasked = unasked.into();
        let deleted = measured.tables.iter().filter(|table| table.deleted > 0);
        Self {
            unasked_rows: Some(unasked.rows),
            deletes: (!unasked.deletes).then(|| deleted.map(|table| table.oid).collect()),
            rows: measured
                .over(unasked)
                .map(|table| (table.oid, table.ceiling()))
                .collect(),
            left: measured
                .tables
                .iter()
                .filter(|table| table.lost > 0 && !table.over(unasked))
                .map(|table| (table.oid, table.ceiling().min(unasked.rows)))
                .collect(),
            former: BTreeMap::new(),
            lines: measured.lines.iter().map(|loss| loss.line.clone()).collect(),
        }
    }

    /// What is left of it once that was lost: the parts of a migration share it.
    pub(crate) fn spend(&mut self, lost: &Measured) {
        let unasked = self.unasked_rows.unwrap_or(u64::MAX);
        for table in lost.tables.iter().filter(|table| table.lost > 0) {
            // Of one that held more than was counted, that much: then the parts together are no large share of it, or nobody can say.
            if let Some(held) = table.held {
                self.former.entry(table.oid).or_insert((held, 0));
            }
            let parts = table.under.iter().flatten().map(|(oid, lost)| (*oid, *lost));
            for (oid, lost) in parts.chain([(table.oid, table.lost)]) {
                if let Some((_, before)) = self.former.get_mut(&oid) {
                    *before = before.saturating_add(lost);
                }
                let left = match self.rows.get_mut(&oid) {
                    Some(approved) => approved,
                    None => self.left.entry(oid).or_insert(unasked),
                };
                *left = left.saturating_sub(lost);
            }
        }
    }

    pub(super) fn anything() -> Self {
        Self::default()
    }

    pub(super) fn to_json(&self) -> Value {
        let by_name = |rows: &BTreeMap<u32, u64>| -> BTreeMap<String, u64> {
            rows.iter().map(|(oid, most)| (oid.to_string(), *most)).collect()
        };
        json!({
            "unasked_rows": self.unasked_rows,
            "rows": by_name(&self.rows),
            "left": by_name(&self.left),
            "former": self.former.iter().map(|(oid, of)| (oid.to_string(), *of)).collect::<BTreeMap<_, _>>(),
            "deletes": self.deletes,
            "lines": self.lines,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lost: u64, held: Option<u64>) -> TableImpact {
        TableImpact {
            oid: 1,
            name: "public.t".to_owned(),
            inserted: 0,
            updated: 0,
            deleted: lost,
            lost,
            held,
            more: None,
            under: None,
        }
    }

    #[test]
    fn bound_is_a_number_of_rows_and_no_more_than_a_tenth_of_a_table() {
        for (lost, held, over) in [
            (0, Some(0), false),
            (1, Some(1), false),
            (2, Some(2), true),
            (1, Some(11), false),
            (2, Some(19), true),
            (2, Some(20), false),
            (100, Some(1_000), false),
            (100, Some(999), true),
            (101, Some(1_000_000), true),
            (1, None, false),
            (2, None, true),
        ] {
            assert_eq!(table(lost, held).over(100.into()), over, "{lost} of {held:?}");
        }
    }

    #[test]
    fn deleted_row_is_over_where_none_may_be_deleted() {
        let protected = Unasked {
            rows: 100,
            deletes: false,
        };
        assert!(table(1, Some(1_000)).over(protected));
        let updated = TableImpact {
            updated: 1,
            deleted: 0,
            ..table(1, Some(1_000))
        };
        assert!(!updated.over(protected));
        let measured = Measured {
            tables: vec![table(1, Some(1_000)), TableImpact { oid: 2, ..updated }],
            ..Measured::default()
        };
        assert_eq!(Allowance::unasked(protected).to_json()["deletes"], json!([]));
        assert_eq!(Allowance::unasked(100).to_json()["deletes"], json!(null));
        assert_eq!(
            Allowance::approved(&measured, protected).to_json()["deletes"],
            json!([1])
        );
    }

    #[test]
    fn ceiling_is_above_the_count_and_the_same_for_nearly_the_same_count() {
        for (lost, ceiling) in [(0, 10), (3, 10), (9, 10), (10, 20), (290, 300), (12_000, 13_000)] {
            assert_eq!(table(lost, None).ceiling(), ceiling, "{lost}");
        }
        for lost in (0..5_000).chain([u64::MAX / 100]) {
            assert!(table(lost, None).ceiling() > lost);
        }
    }

    #[test]
    fn approval_lifts_the_bounds_of_what_was_shown_alone() {
        let mut few = table(3, Some(100));
        few.oid = 2;
        let mut none = table(0, Some(11));
        none.oid = 3;
        let measured = Measured {
            tables: vec![table(290, Some(400)), few, none],
            ..Measured::default()
        };
        let mut allowance = Allowance::approved(&measured, 100);
        assert_eq!(allowance.to_json()["rows"], json!({"1": 300}));
        assert_eq!(allowance.to_json()["left"], json!({"2": 10}));
        allowance.spend(&measured);
        assert_eq!(allowance.to_json()["rows"], json!({"1": 10}));
        assert_eq!(allowance.to_json()["left"], json!({"2": 7}));
        let mut unasked = Allowance::unasked(100);
        unasked.spend(&measured);
        assert_eq!(unasked.to_json()["rows"], json!({}));
        assert_eq!(unasked.to_json()["left"], json!({"1": 0, "2": 97}));
        assert_eq!(unasked.to_json()["former"], json!({"1": [400, 290], "2": [100, 3]}));
    }

    #[test]
    fn table_that_was_put_under_another_one_keeps_what_it_lost() {
        let first = Measured {
            tables: vec![table(100, Some(1_000))],
            ..Measured::default()
        };
        let mut above = table(100, Some(2_000));
        above.oid = 2;
        above.under = Some(BTreeMap::from([(1, 100)]));
        let second = Measured {
            tables: vec![above],
            ..Measured::default()
        };
        let mut allowance = Allowance::unasked(100);
        allowance.spend(&first);
        assert_eq!(allowance.to_json()["left"], json!({"1": 0}));
        allowance.spend(&second);
        assert_eq!(
            allowance.to_json()["former"],
            json!({"1": [1_000, 200], "2": [2_000, 100]})
        );
        let mut both = first;
        assert!(!both.exceeds(100));
        both.add(second);
        assert!(both.exceeds(100), "{both:?}");
    }
}
