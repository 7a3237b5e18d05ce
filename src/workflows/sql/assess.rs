//! What the SQL of a call does: as it runs at once, as it is tried, and as what was prepared is completed.

use super::losses::{UNHELD, is_unheld, lost_when_tried};
use crate::engine::{ArgumentProblem, Basis, Failure, WorkflowContext};
use crate::guard::{Effect, JudgedTexts, StatementRisk};
use crate::neon::sql::Measured;
use crate::sql::{Script, Statement, StatementEffect, Transaction};

/// What a call does that tries statements on a branch which it makes for them: that branch is all that the call changes.
pub(in crate::workflows) fn tried(scripts: &[Script], basis: &Basis<'_>) -> StatementRisk {
    let statements = scripts.iter().flat_map(|script| &script.statements);
    StatementRisk {
        effect: basis.declared,
        leaves: false,
        reasons: Vec::new(),
        texts: JudgedTexts::new(statements.map(|statement| statement.text.as_str())),
        deletes: false,
        measurable: false,
        rebuilds_indexes: false,
    }
}

/// What a call does that completes what was prepared. Its statements were checked when they were prepared; completing changes
/// something in any case: at least a branch goes.
pub(in crate::workflows) fn completed(scripts: &[Script], basis: &Basis<'_>, discards: bool) -> StatementRisk {
    let mut assessed = assessed(scripts);
    assessed.effect = assessed.effect.max(Effect::Write);
    let measured = basis.prepared.and_then(lost_when_tried).filter(|_| !discards);
    // A trigger or a function may have done it.
    assessed.deletes = !discards && (assessed.deletes || measured.as_ref().is_some_and(Measured::deletes));
    match measured {
        Some(measured) if measured.exceeds(basis.unasked_rows) => assessed.exceeding(&measured, basis.unasked_rows),
        _ => assessed,
    }
}

/// What completing these statements will be judged as, once they were tried: its effect, and why it asks.
pub(in crate::workflows) fn completing(
    flow: &WorkflowContext<'_, '_>,
    statements: &[Statement],
    measured: &Measured,
    runs_index_code: bool,
) -> (Effect, Vec<String>) {
    let script = Script {
        statements: statements.to_vec(),
    };
    let unasked = flow.unasked();
    let mut assessed = assessed(std::slice::from_ref(&script));
    assessed.effect = assessed.effect.max(Effect::Write);
    if measured.exceeds(unasked) {
        assessed = assessed.exceeding(measured, unasked);
    }
    if flow.is_on_protected() && (assessed.deletes || measured.deletes()) {
        assessed = assessed.on_protected();
    }
    if assessed.rebuilds_indexes && runs_index_code {
        assessed = assessed.running_code();
    }
    (assessed.effect, assessed.reasons)
}

/// What scripts do.
pub(in crate::workflows) fn assessed(scripts: &[Script]) -> StatementRisk {
    let statements = || scripts.iter().flat_map(|script| &script.statements);
    let effect = statements().map(|statement| statement.effect).max();
    let mut reasons: Vec<String> = Vec::new();
    for reason in statements().flat_map(|statement| &statement.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let unguarded = statements().any(is_unheld);
    let effect = if unguarded {
        Some(StatementEffect::Destructive)
    } else {
        effect
    };
    if unguarded {
        reasons.push(UNHELD.to_owned());
    }
    StatementRisk {
        rebuilds_indexes: statements().any(Statement::builds_indexes),
        effect: match effect {
            Some(StatementEffect::Read) | None => Effect::Read,
            Some(StatementEffect::Write) => Effect::Write,
            Some(StatementEffect::Destructive) => Effect::Destructive,
        },
        leaves: scripts.iter().any(Script::leaves),
        deletes: statements().any(|statement| statement.deletes && !statement.of_made),
        reasons,
        texts: JudgedTexts::new(statements().map(|statement| statement.text.as_str())),
        // Measuring must take everything back.
        measurable: statements().all(|statement| {
            !statement.leaves
                && statement.transaction == Transaction::Inside
                && !statement.mentions().outlive_rollback()
        }) && effect.is_some_and(|effect| effect > StatementEffect::Read),
    }
}

/// Rejects statements of an argument that can't be sent as they are, whatever they do.
pub(in crate::workflows) fn sendable(argument: &str, scripts: &[Script], several: bool) -> Result<(), Failure> {
    let problem = |message: String| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: argument.to_owned(),
            message,
        }])
    };
    for (index, script) in scripts.iter().enumerate() {
        let which = if several {
            format!("statement {}", index + 1)
        } else {
            "it".to_owned()
        };
        if let Some((at, refusal)) = script
            .statements
            .iter()
            .enumerate()
            .find_map(|(at, statement)| Some((at, statement.refusal.as_deref()?)))
        {
            let place = match script.statements.as_slice() {
                [_] => String::new(),
                _ => format!(", in its statement {},", at + 1),
            };
            return Err(problem(format!("{which}{place} {refusal}.")));
        }
        match script.statements.as_slice() {
            [one] if one.session.contains(&crate::sql::SessionAct::ResetsAll) => {
                return Err(problem(format!(
                    "{which} takes every setting back, those of transactions among them: RESET each by its name. Every call begins with \
                     all of them as the role and the database have them."
                )));
            }
            [] => return Err(problem(format!("{which} holds no statement."))),
            [one] if one.transaction == Transaction::Control => {
                return Err(problem(format!(
                    "{which} is transaction control{}.",
                    instead_of(one, several)
                )));
            }
            [one] if several && one.transaction == Transaction::Outside => {
                return Err(problem(format!(
                    "{which} ({}) can't run inside a transaction: run it with run_sql.",
                    one.kind
                )));
            }
            [_] => {}
            more => {
                let controls = more.iter().any(|one| one.transaction == Transaction::Control);
                return Err(problem(format!(
                    "{which} holds {} statements, and one is sent at a time: give them {}to run_sql_transaction, each as an item of its list{}.",
                    more.len(),
                    if several { "" } else { "all " },
                    if controls {
                        ", without the transaction control (BEGIN, COMMIT, …): the list is one transaction"
                    } else {
                        ""
                    }
                )));
            }
        }
    }
    Ok(())
}

/// What to do in place of transaction control: the end of a sentence.
fn instead_of(statement: &Statement, several: bool) -> String {
    let kind = match statement.is_read() {
        true => format!(" ({})", statement.kind),
        false => String::new(),
    };
    let instead = match statement.kind.as_str() {
        kind if kind.contains("SAVEPOINT") => {
            "to go on after an error, write DO $$ BEGIN …; EXCEPTION WHEN … THEN …; END $$, which is a savepoint"
        }
        "SET TRANSACTION" | "SET SESSION CHARACTERISTICS" => {
            "run_sql_transaction takes the level as `isolation`, and what only reads runs READ ONLY anyway"
        }
        "ROLLBACK" => {
            "to see what statements would do and keep nothing, run them on a throwaway branch (create_throwaway_branch)"
        }
        kind if kind.ends_with("PREPARED") || kind.starts_with("PREPARE") => {
            "there are no prepared transactions here: give all of the statements to run_sql_transaction as one list"
        }
        _ if several => "the list is one transaction already, of which all takes effect or nothing",
        _ => {
            "run_sql is a transaction by itself, and run_sql_transaction takes several statements as one: all takes effect, or nothing"
        }
    };
    format!("{kind}, which this server does itself: leave it out; {instead}")
}
