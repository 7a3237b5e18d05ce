//! A script of statements that is tried on one branch and then applied to another: read, checked, and cut into parts that
//! each run in one transaction.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{ArgumentProblem, Failure};
use crate::sql::{SessionAct, Statement, StatementEffect, Transaction, kept};
use crate::workflows::sql::losses;

/// The most statements of a script.
const MAX_STATEMENTS: usize = 200;

/// The most problems that are told at once.
const MAX_TOLD: usize = 10;

/// Statements that run together: in one transaction, or the one that runs in none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// How many statements.
    pub(crate) count: usize,
    /// It is one statement that Postgres runs outside of transactions only.
    pub(crate) alone: bool,
}

/// A script that was read.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) statements: Vec<Statement>,
    pub(super) parts: Vec<Part>,
    /// What was left out of it, and why.
    pub(super) notes: Vec<String>,
    /// It has a transaction of its own around it, so that it is never cut.
    pub(super) whole: bool,
}

/// Reads a script from an argument.
///
/// # Errors
/// When it can't be applied as it is.
pub(super) fn read(argument: &str, parsed: &[crate::sql::Script]) -> Result<Script, Failure> {
    let problem = |message: String| {
        Err(Failure::Arguments(vec![ArgumentProblem {
            argument: argument.to_owned(),
            message,
        }]))
    };
    let mut statements: Vec<Statement> = parsed.iter().flat_map(|script| script.statements.clone()).collect();
    let mut notes = Vec::new();
    let is = |statement: Option<&Statement>, kinds: &[&str]| {
        statement.is_some_and(|statement| kinds.contains(&statement.kind.as_str()))
    };
    let problems = |messages: Vec<String>| {
        let told = messages.into_iter().take(MAX_TOLD).map(|message| ArgumentProblem {
            argument: argument.to_owned(),
            message,
        });
        Err(Failure::Arguments(told.collect()))
    };
    // Of a file of a tool what is told first is what can't be sent, all of it.
    let unsent = refused(&statements);
    if !unsent.is_empty() {
        return problems(unsent);
    }
    // A script of its own transaction is one transaction here, too.
    let whole = is(statements.first(), &["BEGIN"]) && is(statements.last(), &["COMMIT"]) && statements.len() > 1;
    if whole {
        if let Some(index) = statements
            .iter()
            .position(|statement| statement.transaction == Transaction::Outside)
        {
            return problem(format!(
                "statement {} ({}) can't run inside a transaction, and the script puts BEGIN and COMMIT around it: leave those out, \
                 and it runs in parts.",
                index + 1,
                statements.get(index).map_or("", |statement| statement.kind.as_str())
            ));
        }
        statements.pop();
        statements.remove(0);
        notes.push("BEGIN and COMMIT around the script were left out: it runs in a transaction anyway.".to_owned());
    }
    if statements.is_empty() {
        return problem("it holds no statement.".to_owned());
    }
    if statements.len() > MAX_STATEMENTS {
        return problem(format!(
            "it holds {} statements, and {MAX_STATEMENTS} is the most: make several migrations of it.",
            statements.len()
        ));
    }
    for (index, statement) in statements.iter().enumerate() {
        let number = index + 1;
        if statement.session.contains(&SessionAct::ResetsAll) {
            return problem(format!(
                "statement {number} takes every setting back, those among them that keep the transaction within its bounds: RESET each \
                 by its name."
            ));
        }
        if statement.session.contains(&SessionAct::DiscardsAll) {
            return problem(format!(
                "statement {number} (DISCARD ALL) discards what a session holds, which is nothing where it runs: outside of transactions, in \
                 a session of its own. Leave it out, and take settings back with RESET."
            ));
        }
        if statement.transaction == Transaction::Control {
            let controls = statements.iter().enumerate();
            let controls = controls.filter(|(_, statement)| statement.transaction == Transaction::Control);
            let told = controls.map(|(index, statement)| {
                format!(
                    "statement {} is transaction control ({}): leave it out, this server does the transactions.",
                    index + 1,
                    statement.kind
                )
            });
            return problems(told.collect());
        }
        if statement.leaves {
            return problem(format!(
                "statement {number} ({}) can't be part of it, because it {}, and what is tried first must be bounded by its branch: leave \
                 it out or write it otherwise. Nothing was made.",
                statement.kind,
                statement
                    .reasons
                    .first()
                    .map_or("reaches beyond the branch", String::as_str)
            ));
        }
    }
    let parts = parts(&statements);
    if let Some(why) = torn(&statements, &parts) {
        return problem(why);
    }
    notes.extend(about_sessions(&statements, &parts));
    Ok(Script {
        statements,
        parts,
        notes,
        whole,
    })
}

/// The worst reasons of a judgement as one sentence.
pub(super) fn because<'r>(reasons: impl Iterator<Item = &'r str>) -> String {
    let reasons: Vec<String> = reasons.take(5).map(|reason| format!("it {reason}")).collect();
    reasons.join("; ")
}

/// The statements that are sent to no server, and why: of those with the same reason the first.
fn refused(statements: &[Statement]) -> Vec<String> {
    let mut reasons: Vec<&str> = Vec::new();
    let mut told = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let Some(refusal) = statement.refusal.as_deref() else {
            continue;
        };
        // What is refused in the same words needs the same.
        if !reasons.contains(&refusal) {
            reasons.push(refusal);
            told.push(format!("statement {} ({}) {refusal}.", index + 1, statement.kind));
        }
    }
    told
}

/// What of the session's state the parts of a script need from earlier ones and can't be given: each part runs in a session of
/// its own, where settings, role and user are set again, and nothing else.
pub(super) fn torn(statements: &[Statement], parts: &[Part]) -> Option<String> {
    let mut first = 0;
    for part in parts {
        let earlier = statements.get(..first).unwrap_or_default();
        let own = statements.get(first..first + part.count).unwrap_or_default();
        first += part.count;
        let number = first - part.count + 1;
        let kind = own.first().map_or("", |statement| statement.kind.as_str());
        for kept in kept(earlier) {
            let (by, what) = (kept.by + 1, kept.in_words());
            let Some(at) = own.iter().position(|statement| kept.is_used_by(statement)) else {
                continue;
            };
            if kept.is_around() && part.alone && !own.iter().all(|statement| kept.is_dispensable_for(statement)) {
                return Some(format!(
                    "statement {number} ({kind}) runs outside of transactions, in a session of its own, where {what} of statement {by} doesn't \
                     hold and can't be set: place statement {by} behind it, take it back with RESET before it, or write names with their \
                     schema."
                ));
            }
            if kept.is_around() && !part.alone && !kept.is_repeatable() {
                return Some(format!(
                    "statement {by} sets {what} in a way that can't be done again, and from statement {number} on the script runs in another \
                     session: write it as a SET with a plain value."
                ));
            }
            if !kept.is_around() {
                return Some(format!(
                    "statement {by} makes {what}, which ends with its session, and statement {} runs in another one, since the script is cut \
                     where a statement runs outside of transactions: put what needs it before that statement, or into another migration.",
                    number + at
                ));
            }
        }
        // What holds for its transaction alone would be missed by whoever took the script for one.
        let local = |statement: &Statement| {
            statement.session.iter().any(|act| match act {
                SessionAct::SetsLocally(setting) => {
                    matches!(setting.as_str(), "search_path" | "role" | "session_authorization" | "")
                }
                _ => false,
            })
        };
        if let Some(by) = earlier.iter().position(local) {
            return Some(format!(
                "statement {} holds for its transaction alone, and statement {number} runs in another one: write SET without LOCAL, which is \
                 set again for each part.",
                by + 1
            ));
        }
    }
    None
}

/// What is said of settings and the like, for what is cut and for what does nothing else.
pub(super) fn about_sessions(statements: &[Statement], parts: &[Part]) -> Vec<String> {
    let mut notes = Vec::new();
    let (mut repeated, mut missing) = (Vec::new(), Vec::new());
    let mut first = 0;
    for part in parts {
        for kept in kept(statements.get(..first).unwrap_or_default()) {
            let list = if part.alone { &mut missing } else { &mut repeated };
            let words = kept.in_words();
            if kept.is_around() && !list.contains(&words) {
                list.push(words);
            }
        }
        first += part.count;
    }
    if !repeated.is_empty() {
        notes.push(format!(
            "Each part runs in a session of its own; set again at the start of later parts: {}.",
            repeated.join(", ")
        ));
    }
    if !missing.is_empty() {
        notes.push(format!(
            "Statements outside of transactions run without {}.",
            missing.join(", ")
        ));
    }
    let local = |statement: &Statement| {
        let mut acts = statement.session.iter();
        acts.any(|act| matches!(act, SessionAct::SetsLocally(_)))
    };
    if parts.len() > 1 && statements.iter().any(local) {
        notes.push("What is set with LOCAL holds until the end of its part, and not for later ones.".to_owned());
    }
    if statements.iter().all(|statement| !statement.session.is_empty()) {
        notes.push("What these statements do ends with their session: nothing of it stays on the branch.".to_owned());
    }
    notes
}

/// The statements that are run again at the start of what stands behind these: they set what those left around it.
pub(super) fn again(earlier: &[Statement]) -> Vec<&Statement> {
    let mut places: Vec<usize> = kept(earlier)
        .iter()
        .filter(|kept| kept.is_around() && kept.is_repeatable())
        .map(|kept| kept.by)
        .collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().filter_map(|place| earlier.get(place)).collect()
}

/// Neighbours that can share a transaction do.
fn parts(statements: &[Statement]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for statement in statements {
        let alone = statement.transaction == Transaction::Outside;
        match parts.last_mut() {
            Some(last) if !alone && !last.alone => last.count += 1,
            _ => parts.push(Part { count: 1, alone }),
        }
    }
    parts
}

/// How the parts run, in words.
pub(super) fn in_words(parts: &[Part]) -> String {
    match parts {
        [one] if !one.alone => "in one transaction: all of it takes effect, or nothing".to_owned(),
        [_] => "alone, since Postgres runs such a statement outside of transactions only".to_owned(),
        several => format!(
            "in {} parts, each of which takes effect by itself: {}",
            several.len(),
            several
                .iter()
                .map(|part| match (part.alone, part.count) {
                    (true, _) => "one statement outside of transactions".to_owned(),
                    (false, 1) => "one statement".to_owned(),
                    (false, count) => format!("{count} statements in a transaction"),
                })
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

impl Script {
    /// Its statements' texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.statements.iter().map(|statement| statement.text.clone()).collect()
    }

    /// Whether a statement of it loses something.
    pub(super) fn loses(&self) -> bool {
        let effects = self.statements.iter().map(|statement| statement.effect);
        effects.max() == Some(StatementEffect::Destructive)
    }

    /// Whether a statement of it gives something another name.
    pub(super) fn renames(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.kind.contains("RENAME"))
    }

    /// What each statement is and does, for the agent: as it is judged when it is applied.
    pub(super) fn shown(&self) -> Value {
        self.statements
            .iter()
            .map(|statement| {
                let unheld = losses::is_unheld(statement);
                let mut shown = json!({
                    "kind": statement.kind,
                    "effect": match statement.effect {
                        StatementEffect::Destructive => "destructive",
                        _ if unheld => "destructive",
                        StatementEffect::Read => "read",
                        StatementEffect::Write => "write",
                    },
                });
                if let Some(object) = shown.as_object_mut()
                    && (unheld || statement.effect == StatementEffect::Destructive)
                {
                    object.insert("description".into(), Self::description(statement).into());
                }
                shown
            })
            .collect()
    }

    /// Why a statement isn't a read, the worst first.
    fn reasons(statement: &Statement) -> impl Iterator<Item = &str> {
        let unheld = losses::is_unheld(statement).then_some(losses::UNHELD);
        unheld.into_iter().chain(statement.reasons.iter().map(String::as_str))
    }

    /// What a statement does that destroys, in words.
    fn description(statement: &Statement) -> String {
        because(Self::reasons(statement))
    }

    /// The parts, in their order.
    pub(super) fn shown_parts(&self) -> Value {
        let part = |part: &Part| json!({"statements": part.count, "in_transaction": !part.alone});
        self.parts.iter().map(part).collect()
    }

    /// The sentences of ours that show it. The names in them are the agent's own.
    pub(super) fn ours(&self) -> Vec<String> {
        let kinds = self.statements.iter().map(|statement| statement.kind.clone());
        let reasons = self.statements.iter().map(Self::description);
        kinds.chain(reasons).chain([in_words(&self.parts)]).collect()
    }
}

/// How many statements hold when part number `part` is the first that doesn't.
pub(super) fn statements_before(parts: &[Part], part: usize) -> usize {
    parts.iter().take(part).map(|part| part.count).sum()
}
