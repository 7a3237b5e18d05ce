//! What statements lose, in words: measured by Postgres, for whoever must approve it.

use super::acl;
use super::shown::{LOST, Line, MEASURED, digest, told};
use super::untrusted::{bare, marked};
use crate::neon::sql::{Grade, Loss, Measured, Reaching, TableImpact, Unasked};

/// How many losses are told one by one; beyond that they are counted by kind, with a digest of all.
const MAX_TOLD: usize = 40;

/// How many names of one kind are told beside its count.
const MAX_NAMES: usize = 5;

/// Where Postgres keeps its roles.
const ROLES: &str = "pg_authid";

/// Why statements with these losses need an approval: each ends a sentence that begins with "because it …". The count isn't in it, so
/// that the same reasons come of nearly the same measurement.
#[must_use]
pub fn reasons(measured: &Measured, unasked: Unasked) -> Vec<String> {
    let rows = measured.over(unasked).map(|table| {
        let verb = verb(table);
        format!("{verb} rows of {}", told(&table.name))
    });
    rows.chain(losses(measured)).collect()
}

/// What was lost, as it was measured, a sentence each.
#[must_use]
pub fn told_losses(measured: &Measured) -> Vec<String> {
    let rows = measured.tables.iter().filter(|table| table.lost > 0).map(counted);
    let rest = losses(measured).into_iter().map(|loss| format!("it {loss}"));
    rows.chain(rest).collect()
}

/// What was lost by statements that were committed, a sentence each: the rows of those tables alone that `tells` lets through, and
/// everything else.
#[must_use]
pub fn done_losses(measured: &Measured, tells: impl Fn(&TableImpact) -> bool) -> Vec<String> {
    let rows = measured.tables.iter().filter(|table| table.lost > 0 && tells(table));
    let rows = rows.map(|table| {
        let what = match (table.deleted, table.updated) {
            (_, 0) => "deleted",
            (0, _) => "changed",
            _ => "deleted or changed",
        };
        format!(
            "it {what} {} {}rows of {}",
            table.lost,
            of_how_many(table),
            told(&table.name)
        )
    });
    rows.chain(losses(measured).into_iter().map(|loss| format!("it {loss}")))
        .collect()
}

/// Why a statement does more than its text says: the end of a sentence that begins with "because it …".
#[must_use]
pub fn reaching(reaching: &Reaching) -> String {
    let names: Vec<String> = reaching.names.iter().take(MAX_NAMES).map(|name| told(name)).collect();
    let more = match reaching.names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match reaching.grade {
        Grade::Changes => "changes something",
        Grade::Destroys => "destroys something",
        Grade::Leaves => "reaches beyond the branch, or can't be looked into",
    };
    format!("uses {}{more}, which calls a function that {what}", names.join(", "))
}

/// What a plan shows: what the approval is bound to, and the counts as they were measured.
#[must_use]
pub fn lines(measured: &Measured) -> Vec<Line> {
    let mut lines = Vec::new();
    let touched: Vec<&TableImpact> = measured.tables.iter().filter(|table| table.lost > 0).collect();
    if touched.is_empty() && measured.count == 0 {
        lines.push(Line::fact(MEASURED, ["nothing is lost".to_owned()]));
    }
    if !touched.is_empty() {
        // What was measured is a circumstance, which an approval isn't bound to; what it covers is.
        lines.push(Line::circumstance(MEASURED, touched.iter().map(|table| counted(table))));
        lines.push(Line::identity(
            "tables",
            touched
                .iter()
                .map(|table| format!("{} {}", table.oid, told(&table.name))),
        ));
        for (title, own) in [
            ("approval covers deleting", "deletes"),
            ("approval covers changing", "changes"),
            ("approval covers deleting or changing", "deletes or changes"),
        ] {
            let of_this: Vec<String> = touched
                .iter()
                .filter(|table| verb(table) == own)
                .map(|table| format!("up to {} rows of {}", table.ceiling(), told(&table.name)))
                .collect();
            if !of_this.is_empty() {
                lines.push(Line::fact(title, of_this));
            }
        }
    }
    if measured.count > 0 {
        lines.push(Line::fact(LOST, losses(measured)));
        let all: Vec<&str> = measured.lines.iter().map(|loss| loss.line.as_str()).collect();
        let digest = digest(&serde_json::json!([measured.count, all]));
        let short = digest.get(..16).unwrap_or_default().to_owned();
        lines.push(Line::fact("digest of these", [short]));
    }
    lines
}

fn verb(table: &TableImpact) -> &'static str {
    match (table.deleted, table.updated) {
        (_, 0) => "deletes",
        (0, _) => "changes",
        _ => "deletes or changes",
    }
}

/// `would delete 290 of 500 rows of "public.orders"`
fn counted(table: &TableImpact) -> String {
    let what = match (table.deleted, table.updated) {
        (_, 0) => "would delete",
        (0, _) => "would change",
        _ => "would delete or change",
    };
    format!(
        "{what} {} {}rows of {}",
        table.lost,
        of_how_many(table),
        told(&table.name)
    )
}

fn of_how_many(table: &TableImpact) -> String {
    match (table.held, table.more) {
        (Some(held), Some(true)) => format!("of more than {held} "),
        (Some(held), _) => format!("of {held} "),
        (None, _) => String::new(),
    }
}

/// The triggers that check a constraint, as the ledger calls them: `trigger of constraint 16384/16407 16410`, by its table and its id.
const CHECKS: &str = "trigger of constraint ";

/// Whether a loss is a part of another one that is told: with a constraint, or with its table, go the triggers that check it.
fn goes_with_another(loss: &Loss, all: &[Loss]) -> bool {
    let of = loss.facet.as_deref().filter(|_| loss.what == "gone");
    let ids = of.and_then(|facet| facet.strip_prefix(CHECKS)?.split_once(' '));
    let Some((table, constraint)) = ids.and_then(|(ids, _)| ids.split_once('/')) else {
        return false;
    };
    let (table, constraint) = (format!("relation {table}"), format!("constraint {constraint}"));
    all.iter().any(|other| {
        let whole_table = other.facet.is_none() && other.key == table;
        let constraint = other.facet.as_deref() == Some(&constraint) && other.key == table;
        other.what == "gone" && (whole_table || constraint)
    })
}

fn losses(measured: &Measured) -> Vec<String> {
    let all: Vec<&Loss> = measured
        .lines
        .iter()
        .filter(|loss| !goes_with_another(loss, &measured.lines))
        .collect();
    if all.len() <= MAX_TOLD && measured.is_whole() {
        // A constraint has two triggers for each of its tables.
        let mut told: Vec<String> = all.into_iter().map(sentence).collect();
        told.dedup();
        return told;
    }
    let mut kinds: Vec<(String, Vec<&Loss>)> = Vec::new();
    for loss in all {
        let kind = match &loss.facet {
            None => format!("drops the {}", kind(loss)),
            Some(_) => "changes or weakens a part of another object".to_owned(),
        };
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, all)) => all.push(loss),
            None => kinds.push((kind, vec![loss])),
        }
    }
    let mut told_kinds: Vec<String> = kinds
        .into_iter()
        .map(|(kind, all)| {
            let names: Vec<String> = all.iter().take(MAX_NAMES).map(|loss| told(&loss.name)).collect();
            format!("{kind}, {} times: {} …", all.len(), names.join(", "))
        })
        .collect();
    if !measured.is_whole() {
        told_kinds.push(format!("loses {} things in all", measured.count));
    }
    told_kinds
}

/// What kind of object it is.
fn kind(loss: &Loss) -> &str {
    match loss.kind.as_deref() {
        Some("r") => "table",
        Some("p") => "partitioned table",
        Some("v") => "view",
        Some("m") => "materialized view",
        Some("i" | "I") => "index",
        Some("S") => "sequence",
        Some("f") => "foreign table",
        Some("c") => "composite type",
        _ => loss.key.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end(),
    }
}

/// A loss as the end of a sentence that begins with "it".
fn sentence(loss: &Loss) -> String {
    let object = format!("the {} {}", kind(loss), told(&loss.name));
    let now = loss.now.as_deref().filter(|now| !now.is_empty());
    let label = loss.label.as_deref().unwrap_or_default();
    let Some(facet) = loss.facet.as_deref() else {
        return match loss.what.as_str() {
            "superuser" => format!(
                "runs as {}, which is or can become a superuser, so that nothing in the database holds it",
                told(&loss.name)
            ),
            "changed" => format!(
                "changes what Postgres keeps in {}{}, which only a superuser may read, so what exactly isn't known",
                told(&loss.name),
                if loss.name == ROLES {
                    " (roles and their passwords)"
                } else {
                    ""
                }
            ),
            _ => format!("drops {object}"),
        };
    };
    let named = |part: &str| match label == part {
        true => part.to_owned(),
        false => format!("{part} {}", told(label)),
    };
    let added = facet.strip_prefix('+');
    let facet = added.unwrap_or(facet);
    let word = |words: &str| facet.starts_with(words);
    match loss.what.as_str() {
        "emptied" => format!("empties {object}"),
        "rewritten" => format!(
            "writes the {} of {object} anew, and with other values if it likes",
            named("column")
        ),
        "changed" if loss.kind.as_deref() == Some("f") && word("rows") => {
            format!("changes rows of {object}, which are another server's and aren't measured")
        }
        "replaced" if word("column") => {
            format!(
                "puts another column in the place of the column {} of {object}",
                told(label)
            )
        }
        "replaced" => format!("puts another object in the place of {object}"),
        "added" => match () {
            () if word("rights") => format!("gives rights on {object}: {}", acl::in_words(kind(loss), now)),
            () if word("place under") => format!(
                "puts {object} under {}, whose readers read it through that",
                told(label)
            ),
            () if word("template") => {
                format!("makes a template of {object}, which everyone who may make databases copies")
            }
            () if loss.key == "roles and settings" => {
                format!("adds {}", marked(facet, &super::shown::quoted(facet)))
            }
            () => format!("adds the {} to {object}", first_word_and_label(facet, label)),
        },
        _ if word("rights") => format!("changes the rights on {object} to: {}", acl::in_words(kind(loss), now)),
        _ if word("owner") => format!("changes the owner of {object}"),
        _ if word("schema") => format!("moves {object} to another schema, with whose rights it is reached"),
        _ if word("body") => format!("replaces the body of {object}"),
        _ if word("security") || word("settings") || word("leakproof") => {
            format!("changes the {facet} of {object}, with which it runs")
        }
        _ if word("rule") && label == "definition" => format!("replaces the definition of {object}"),
        "gone" if word("column") => format!("drops the {} of {object}", named("column")),
        _ if word("column") => format!("changes the type of the {} of {object}", named("column")),
        "gone" if word("place under") => format!("takes {object} out of {}", told(label)),
        _ if word("place under") => format!("changes which rows {object} has of {}", told(label)),
        _ if word(CHECKS) => format!(
            "drops or turns off a check of the constraint {} at {object}",
            told(label)
        ),
        "gone" if word("trigger") => format!("drops or turns off the {} of {object}", named("trigger")),
        "gone" if word("replica identity") || word("full replica identity") => {
            format!("takes the {facet} of {object} away, by which others are told of changes of its rows")
        }
        "gone" if word("row level") || word("forced row") || word("logging") || word("uniqueness") => {
            format!("turns {facet} of {object} off")
        }
        "gone" if loss.key == "roles and settings" => {
            format!("removes {}", marked(facet, &super::shown::quoted(facet)))
        }
        _ if loss.key == "roles and settings" => {
            format!("changes {}", marked(facet, &super::shown::quoted(facet)))
        }
        "gone" => format!("drops the {} of {object}", first_word_and_label(facet, label)),
        _ => format!("changes the {} of {object}", first_word_and_label(facet, label)),
    }
}

/// `constraint "orders_total_check"` of `constraint 16407`.
fn first_word_and_label(facet: &str, label: &str) -> String {
    let word = facet.split(' ').next().unwrap_or(facet);
    if bare(label).is_empty() || label == facet {
        return word.to_owned();
    }
    format!("{word} {}", told(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(key: &str, name: &str, facet: Option<&str>, what: &str, kind: Option<&str>) -> Loss {
        Loss {
            line: String::new(),
            key: key.to_owned(),
            name: name.to_owned(),
            facet: facet.map(str::to_owned),
            label: facet.map(|_| "x".to_owned()),
            what: what.to_owned(),
            now: None,
            kind: kind.map(str::to_owned),
        }
    }

    #[test]
    fn checks_of_a_constraint_are_told_unless_their_constraint_is() {
        let check = |table: &str, number| {
            let facet = format!("trigger of constraint 7/77 {number}");
            loss(
                &format!("relation {table}"),
                "public.o",
                Some(&facet),
                "gone",
                Some("r"),
            )
        };
        let told = |lines: Vec<Loss>| {
            let count = u64::try_from(lines.len()).unwrap();
            let measured = Measured {
                lines,
                count,
                ..Measured::default()
            };
            losses(&measured).iter().map(|loss| bare(loss)).collect::<Vec<_>>()
        };
        let constraint = |what: &str| loss("relation 7", "public.p", Some("constraint 77"), what, Some("r"));
        let off = "drops or turns off a check of the constraint \"x\" at the table \"public.o\"";
        assert_eq!(told(vec![check("8", 1), check("8", 2)]), [off]);
        // With its constraint, or with that one's table, they are gone, and with no other one.
        let gone = told(vec![constraint("gone"), check("8", 1), check("7", 2)]);
        assert_eq!(gone, ["drops the constraint \"x\" of the table \"public.p\""]);
        let table = loss("relation 7", "public.p", None, "gone", Some("r"));
        assert_eq!(told(vec![table, check("8", 1)]), ["drops the table \"public.p\""]);
        for other in [
            constraint("changed"),
            loss("relation 8", "public.o", Some("constraint 77"), "gone", Some("r")),
            loss("relation 7", "public.p", Some("constraint 7"), "gone", Some("r")),
            loss("relation 77", "public.q", None, "gone", Some("r")),
        ] {
            assert_eq!(told(vec![other, check("8", 1)]).last().unwrap(), off);
        }
    }

    #[test]
    fn loss_is_told_in_words() {
        for (loss, words) in [
            (
                loss("relation 1", "public.t", None, "gone", Some("r")),
                "drops the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.i", None, "gone", Some("i")),
                "drops the index \"public.i\"",
            ),
            (
                loss("function 1", "public.f()", None, "gone", None),
                "drops the function \"public.f()\"",
            ),
            (
                loss("relation 1", "public.t", Some("+place under 2"), "added", Some("r")),
                "puts the table \"public.t\" under \"x\", whose readers read it through that",
            ),
            (
                loss("relation 1", "public.t", Some("schema"), "changed", Some("r")),
                "moves the table \"public.t\" to another schema, with whose rights it is reached",
            ),
            (
                loss("relation 1", "public.t", Some("column 2"), "gone", Some("r")),
                "drops the column \"x\" of the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.t", Some("constraint 77"), "gone", Some("r")),
                "drops the constraint \"x\" of the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.t", Some("+policy p"), "added", Some("r")),
                "adds the policy \"x\" to the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.t", Some("rows"), "emptied", Some("r")),
                "empties the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.t", Some("name"), "replaced", Some("r")),
                "puts another object in the place of the table \"public.t\"",
            ),
            (
                loss("relation 1", "public.t", Some("row level security"), "gone", Some("r")),
                "turns row level security of the table \"public.t\" off",
            ),
            (
                loss(
                    "relation 1",
                    "public.t",
                    Some("full replica identity"),
                    "gone",
                    Some("r"),
                ),
                "takes the full replica identity of the table \"public.t\" away, by which others are told of changes of its rows",
            ),
        ] {
            assert_eq!(bare(&sentence(&loss)), words);
        }
    }
}
