//! A script of statements that is tried on one branch and then applied to another: split, checked, and cut into parts that
//! each run in one transaction.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outside::{self, Left};
use super::statements::Target;
use super::{failing, fingerprint};
use crate::engine::{ArgumentProblem, Failure, Held, Kind, WorkflowContext, WorkflowError};
use crate::neon::Changed;
use crate::neon::sql::{Allowance, Connection, Isolation, Measured, Query, Reads, Statements};
use crate::sql::{SessionAct, Statement, StatementEffect, Transaction, kept};

/// The most statements of a script.
const MAX_STATEMENTS: usize = 200;

/// The most problems that are told at once.
const MAX_TOLD: usize = 10;

/// How long a statement waits for a lock: those that wait for it would wait as long.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long a transaction whose answer was lost may take to its end: Neon ends it when it finds the client gone.
const SETTLES: Duration = Duration::from_secs(20);

/// SQLSTATE of the use of an enum's value in the transaction that added it.
const NEW_VALUE_USED: &str = "55P04";

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
    whole: bool,
}

/// What trying a script gave.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// The schema's fingerprint after each part.
    pub(super) states: Vec<String>,
    /// What all parts lost.
    pub(super) measured: Measured,
}

/// How an application ended that didn't reach its end.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) failure: Failure,
    /// The part that failed.
    pub(super) part: usize,
    /// The schema had moved, so that nothing was run.
    pub(super) moved: bool,
    /// The part itself ran: what failed is the look at the schema after it.
    pub(super) looking: bool,
    /// What the part's transaction holds as long as it lasts: see [`settled`].
    pub(super) hold: String,
    /// What its statement left that ran outside of transactions.
    pub(super) left: Option<Left>,
}

impl Stopped {
    fn at(part: usize, failure: Failure) -> Self {
        Self {
            failure,
            part,
            moved: false,
            looking: false,
            hold: String::new(),
            left: None,
        }
    }
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
fn torn(statements: &[Statement], parts: &[Part]) -> Option<String> {
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
fn about_sessions(statements: &[Statement], parts: &[Part]) -> Vec<String> {
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
fn again(earlier: &[Statement]) -> Vec<&Statement> {
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
                let unheld = super::losses::is_unheld(statement);
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
        let unheld = super::losses::is_unheld(statement).then_some(super::losses::UNHELD);
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

    /// Applies the script where it is tried, part by part, and gives the schema's fingerprint after each. A part that uses an
    /// enum's value that it has just added is cut behind the addition, as Postgres wants it, and tried again.
    ///
    /// # Errors
    /// As [`apply`].
    pub(super) async fn try_on(
        &mut self,
        flow: &WorkflowContext<'_, '_>,
        connection: &Connection,
        timeout: Duration,
    ) -> Result<Tried, Stopped> {
        let mut tried = Tried::default();
        let mut at = 0;
        let mut first = 0;
        while let Some(part) = self.parts.get(at).cloned() {
            let own = self.statements.get(first..first + part.count).unwrap_or_default();
            let earlier = self.statements.get(..first).unwrap_or_default();
            let ran = (earlier, own, part.alone);
            match run(flow, connection, ran, None, &mark(), Held::Trial, timeout).await {
                Ok(measured) => {
                    if let Some(measured) = measured {
                        tried.measured.add(measured);
                    }
                    let stopped = |failure| Stopped {
                        looking: true,
                        ..Stopped::at(at, failure)
                    };
                    tried
                        .states
                        .push(fingerprint::of(flow, connection).await.map_err(stopped)?);
                    first += part.count;
                    at += 1;
                }
                Err(failure) => {
                    let uses_new_value =
                        matches!(&failure, Failure::Sql(error) if error.code() == Some(NEW_VALUE_USED));
                    let cut = own.iter().position(|statement| statement.kind.contains("ADD VALUE"));
                    match cut
                        .map(|cut| cut + 1)
                        .filter(|cut| uses_new_value && !self.whole && *cut < part.count)
                    {
                        Some(cut) => {
                            let halves = [cut, part.count - cut].map(|count| Part { count, alone: false });
                            let mut parts = self.parts.clone();
                            parts.splice(at..=at, halves);
                            if let Some(why) = torn(&self.statements, &parts) {
                                return Err(Stopped::at(at, cut_by_enum(&why)));
                            }
                            self.parts = parts;
                            for note in about_sessions(&self.statements, &self.parts) {
                                if !self.notes.contains(&note) {
                                    self.notes.push(note);
                                }
                            }
                        }
                        None => {
                            return Err(Stopped::at(at, failure));
                        }
                    }
                }
            }
        }
        Ok(tried)
    }

    /// Which statement of a part in one transaction fails: found by running ever shorter beginnings of it, which are all rolled
    /// back. For the branch where it is tried, never for another.
    pub(super) async fn culprit(
        &self,
        flow: &WorkflowContext<'_, '_>,
        connection: &Connection,
        part: usize,
        timeout: Duration,
    ) -> usize {
        let first = statements_before(&self.parts, part);
        let count = self.parts.get(part).map_or(0, |part| part.count);
        let own = self.statements.get(first..first + count).unwrap_or_default();
        // All before `good` run; one of those before `bad` fails.
        let (mut good, mut bad) = (0, count);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            let beginning = own.get(..middle).unwrap_or_default();
            let earlier = self.statements.get(..first).unwrap_or_default();
            match flow.measure(connection, &together(earlier, beginning), timeout).await {
                Ok(_) => good = middle,
                Err(_) => bad = middle,
            }
        }
        first + good
    }
}

/// Applies statements to a branch, part by part. Where `unmoved` is given, the first part runs only if the schema has that
/// fingerprint.
///
/// # Errors
/// At the first part that fails: those before it hold, and a part in a transaction leaves nothing behind.
pub(super) async fn apply(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    (statements, parts): (&[Statement], &[Part]),
    unmoved: &str,
    allowance: &Allowance,
) -> Result<(), Stopped> {
    let (target, connection) = at;
    // What stands in the database tells where some statements run: it may be another thing by now. Then none of them runs.
    if let Some(index) = misplaced(statements, parts) {
        return Err(Stopped {
            moved: true,
            ..Stopped::at(index, Failure::Internal("a statement runs in another place".to_owned()))
        });
    }
    let mut first = 0;
    let mut allowance = allowance.clone();
    for (index, part) in parts.iter().enumerate() {
        let mark = mark();
        let stopped = |failure| Stopped {
            hold: mark.clone(),
            ..Stopped::at(index, failure)
        };
        let (Some(earlier), Some(own)) = (statements.get(..first), statements.get(first..first + part.count)) else {
            return Err(stopped(Failure::Internal(
                "a part has more statements than there are".to_owned(),
            )));
        };
        first += part.count;
        let moved = |failure| Stopped {
            moved: true,
            ..Stopped::at(index, failure)
        };
        if index == 0 && part.alone && fingerprint::of(flow, connection).await.map_err(stopped)? != unmoved {
            return Err(moved(Failure::Internal("the schema moved".to_owned())));
        }
        let check = (index == 0 && !part.alone).then(|| fingerprint::unmoved(unmoved, &mark));
        let held = Held::AsTried(&allowance);
        let before = if part.alone {
            outside::before(flow, target, connection).await
        } else {
            None
        };
        match run(
            flow,
            connection,
            (earlier, own, part.alone),
            check,
            &mark,
            held,
            target.timeout(),
        )
        .await
        {
            Ok(lost) => {
                if let Some(lost) = lost {
                    allowance.spend(&lost);
                }
            }
            Err(Failure::Sql(error)) if error.said().is_some_and(|said| said.contains(&mark)) => {
                return Err(moved(Failure::Sql(error)));
            }
            Err(failure) => {
                let left = match (&failure, own) {
                    (Failure::Sql(error), [statement]) if part.alone => {
                        outside::left(flow, at, statement, before, error).await
                    }
                    _ => None,
                };
                return Err(Stopped {
                    left,
                    ..stopped(failure)
                });
            }
        }
    }
    Ok(())
}

/// The first part of which a statement stands elsewhere to transactions than where it was tried.
fn misplaced(statements: &[Statement], parts: &[Part]) -> Option<usize> {
    let mut rest = statements;
    parts.iter().position(|part| {
        let (own, others) = rest.split_at(part.count.min(rest.len()));
        rest = others;
        own.iter()
            .any(|statement| (statement.transaction == Transaction::Outside) != part.alone)
    })
}

/// Statements in one transaction, behind what earlier ones left around them.
fn together(earlier: &[Statement], statements: &[Statement]) -> Statements {
    let all = || again(earlier).into_iter().chain(statements);
    let queries = all().map(|statement| Query::plain(statement.text.clone()));
    let together = Statements::together(queries.collect(), Isolation::ReadCommitted);
    super::statements::about(together, all())
}

/// What comes of a cut that an enum's new value demands and the session's state forbids.
fn cut_by_enum(why: &str) -> Failure {
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::TrialFailed,
        message: format!(
            "It was tried on a throwaway branch. An enum's new value is used, which Postgres allows only after the addition took effect, so \
             the script would be cut there; but {why} The target was not touched, and nothing is prepared."
        ),
        changed: Changed::No,
        next: "Make two migrations of it: the new value first.".to_owned(),
        more: Value::Null,
    }))
}

async fn run(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    (earlier, own, alone): (&[Statement], &[Statement], bool),
    check: Option<(&'static str, Vec<Value>)>,
    hold: &str,
    held: Held<'_>,
    timeout: Duration,
) -> Result<Option<Measured>, Failure> {
    let statements = if alone {
        let Some(statement) = own.first() else {
            return Ok(None);
        };
        super::statements::about(
            Statements::alone(Query::plain(statement.text.clone())),
            std::iter::once(statement),
        )
    } else {
        // The lock is nobody else's, and ends with the transaction: it tells whether that is over.
        const HOLD: &str = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))";
        let first = std::iter::once((HOLD, vec![hold.into()])).chain(check).collect();
        together(earlier, own).behind(first).waiting_for_locks(LOCK_WAIT)
    };
    flow.execute(connection, statements, held, timeout)
        .await
        .map(|executed| executed.measured)
}

/// Waits until the transaction that holds this is over. What looks at the schema before that may see nothing of what is still
/// going to take effect.
///
/// # Errors
/// When it isn't over in time, or nobody can say.
pub(super) async fn settled(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    hold: &str,
) -> Result<(), Failure> {
    let reads = Reads::own(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        vec![hold.into()],
    )
    .pinned();
    flow.query(connection, reads, SETTLES).await.map(|_| ())
}

/// A word that nobody can know beforehand.
fn mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// How many statements hold when part number `part` is the first that doesn't.
pub(super) fn statements_before(parts: &[Part], part: usize) -> usize {
    parts.iter().take(part).map(|part| part.count).sum()
}

/// The failure of a part in a transaction, with what can be found out about it; and the number of the statement that failed, among
/// all, where that is known. Nothing is changed for that: where one must be found, they run once more and are rolled back.
pub(super) async fn explained(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    (statements, parts): (&[Statement], &[Part]),
    part: usize,
    failure: Failure,
) -> (Failure, Option<usize>) {
    let first = statements_before(parts, part);
    let count = parts.get(part).map_or(0, |part| part.count);
    let alone = parts.get(part).is_some_and(|part| part.alone);
    let own = statements.get(first..first + count).unwrap_or_default();
    let around = match alone {
        true => Vec::new(),
        false => again(statements.get(..first).unwrap_or_default()),
    };
    let sent = around.len();
    let single = |statement: &Statement| crate::sql::Script {
        statements: vec![Statement {
            start: 0,
            ..statement.clone()
        }],
    };
    // What stands around a single statement was run for earlier parts already: it isn't what fails.
    let (skipped, scripts): (usize, Vec<crate::sql::Script>) = match own {
        [only] => (0, vec![single(only)]),
        _ => (sent, around.into_iter().chain(own).map(single).collect()),
    };
    let sources: Vec<String> = scripts
        .iter()
        .filter_map(|script| Some(script.only()?.text.clone()))
        .collect();
    let all = failing::Sent::all(&scripts, &sources);
    let failure = failing::explained(flow, at, failure, &all).await;
    let Failure::Sql(error) = &failure else {
        return (failure, None);
    };
    let number = match (&error.found().statement, own) {
        (Some((number, _)), _) => number.checked_sub(skipped).filter(|number| *number > 0),
        (None, [_]) => Some(1),
        _ => None,
    };
    let number = number.map(|number| first + number);
    (failure, number)
}
