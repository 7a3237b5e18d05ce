//! What isn't bounded by the branch is marked, and what is isn't.

use super::{only, rows, statements};
use sql_effect::{StatementEffect, parse};

const LEAVING: &str = include_str!("leaving.txt");

#[test]
fn what_leaves_the_branch_is_told_from_what_destroys_on_it() {
    let mut wrong = Vec::new();
    let mut counts = [0, 0];
    for row in rows(LEAVING) {
        let (wanted, text) = row.split_once(" | ").expect("two fields");
        let wanted = match wanted {
            "leaves" => true,
            "stays" => false,
            other => panic!("{other}: {text}"),
        };
        counts[usize::from(wanted)] += 1;
        let statement = only(text);
        if statement.leaves != wanted {
            wrong.push(format!(
                "{text}: leaves is {}, because {:?}",
                statement.leaves, statement.reasons
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.iter().all(|count| *count >= 40), "{counts:?}");
}

#[test]
fn what_leaves_is_destructive_and_so_asks_wherever_it_runs() {
    let of_table = rows(statements::STATEMENTS).map(|row| statements::fields(row)[3]);
    let all: Vec<_> = rows(LEAVING)
        .filter_map(|row| row.split_once(" | ").map(|(_, text)| text))
        .chain(of_table)
        .map(only)
        .collect();
    for statement in &all {
        if statement.leaves {
            assert_eq!(statement.effect, StatementEffect::Destructive, "{}", statement.text);
        }
        if statement.kind == "UNKNOWN" {
            assert!(statement.leaves, "{}", statement.text);
        }
    }
}

#[test]
fn one_statement_that_leaves_makes_the_script_leave() {
    assert!(!parse("drop table t; delete from t").leaves());
    assert!(parse("drop table t; copy t to program 'x'; select 1").leaves());
}
