//! A call that failed or was refused, as a result that stands alone: what failed, whether anything
//! changed at Neon, what to do next.

use serde_json::{Map, Value, json};

use crate::engine::kind::Kind;
use crate::engine::present::untrusted::Fence;

use crate::docs::DocsError;
use crate::guard::audit::Outcome as Recorded;
use crate::guard::{self, Denied, No};
use crate::neon::sql::{Measured, Reaching, SqlError, Stop};
use crate::neon::text::one_line;
use crate::neon::{Changed, Error, ErrorKind};

/// The largest refusal with a plan, in bytes. Other errors are built from texts that are bounded to less than half of it.
const MOST_PLAN_BYTES: usize = 3_800;

/// Why a call has no ordinary result.
#[derive(Debug)]
pub enum Failure {
    /// The arguments don't fit. Nothing was sent.
    Arguments(Vec<ArgumentProblem>),
    /// A name leads to nothing, or to more than one thing. Only reads were sent.
    Reference {
        /// The argument.
        argument: String,
        /// What is wrong.
        message: String,
        /// What to do.
        next: String,
    },
    /// The operator's policy says no.
    Denied(Denied),
    /// A human must say yes first, and the client can't ask one.
    NeedsYes(Box<NeedsYes>),
    /// A human was asked, and there is no yes that counts.
    NotConfirmed(No),
    /// The call can't be recorded, so it wasn't made.
    Unrecorded(String),
    /// The copy that the policy demands first couldn't be made.
    NoCopy {
        /// Why not.
        why: String,
        /// Whether Neon may have begun it.
        begun: bool,
    },
    /// The target changed while its copy was made: the call wasn't sent.
    ChangedMeanwhile(Value),
    /// Neon, or the way there, said no.
    Neon {
        /// What it said.
        error: Box<Error>,
        /// What helps when it isn't known whether the call happened.
        help: Box<Help>,
    },
    /// The answer isn't what Neon documents.
    Answer {
        /// What is wrong with it.
        message: String,
        /// Whether the call had changed something by then.
        changed: Changed,
    },
    /// Postgres, or the way there, said no to SQL.
    Sql(Box<SqlError>),
    /// The statements mention something that reaches a listed function under another name. They were not run.
    Reaches(Reaching),
    /// Building indexes outside of a transaction would call code of the database's own by now. The statement was not run.
    CallsCode,
    /// The guarded commit stopped statements that lose more than was judged or approved. They were rolled back.
    Exceeded(Box<Measured>),
    /// A step of a workflow didn't come about.
    Step {
        /// The tool that it is.
        step: String,
        /// Why not.
        why: String,
        /// Whether it had changed something by then.
        changed: Changed,
    },
    /// A workflow ended in a way that it tells itself.
    Told(Box<Told>),
    /// A workflow failed after the copy that the policy demands was made.
    AfterCopy {
        /// How it failed.
        failure: Box<Failure>,
        /// What was made.
        copy: Value,
    },
    /// The documentation can't be read. Neon has no part in it.
    Docs {
        /// Why.
        error: DocsError,
        /// The sandbox answers here, which carries no documentation.
        sandbox: bool,
    },
    /// A defect of this server.
    Internal(String),
}

/// A failure in a workflow's own words.
#[derive(Debug)]
pub struct Told {
    /// The name in results and in the audit log.
    pub kind: Kind,
    /// What happened, as sentences of ours: nothing of the database's is in it.
    pub message: String,
    /// Whether anything was changed.
    pub changed: Changed,
    /// What to do next.
    pub next: String,
    /// Details, as an object; what comes from the database stands in a fence.
    pub more: Value,
}

/// What helps when it isn't known whether a call happened.
#[derive(Debug, Default)]
pub struct Help {
    /// The tool whose answer tells.
    pub check: Option<String>,
    /// The copy that was made first.
    pub copy: Option<Value>,
    /// The way back, should it have happened.
    pub undo: Option<Value>,
}

/// What is said to an agent whose client can't ask its human.
#[derive(Debug)]
pub struct NeedsYes {
    /// The plan, as data.
    pub plan: Value,
    /// The code for `neon-mcp approve`, where the policy takes a yes from a terminal.
    pub code: Option<String>,
    /// That command, with the state directory where it must be named.
    pub command: Option<String>,
    /// The address of the approval page, where this server has one.
    pub page: Option<String>,
    /// What proves with a later call that this one was told of the code.
    pub approval: Option<String>,
    /// Why nobody can be asked, where that is so.
    pub nobody: Option<String>,
    /// How long the code waits, in seconds.
    pub waits: u64,
}

/// What Postgres says of a failed statement, as fields of a result. Its own words may hold what somebody stored, so they stand
/// inside a fence.
pub(crate) fn postgres_says(failed: &SqlError, fence: &Fence) -> Map<String, Value> {
    let mut more = Map::new();
    more.extend(
        failed
            .code()
            .filter(|code| is_sqlstate(code))
            .map(|code| ("sqlstate".to_owned(), code.into())),
    );
    more.extend(
        failed
            .position()
            .filter(|_| failed.found().place.is_none())
            .and_then(|position| position.parse::<u32>().ok())
            .map(|position| ("position".to_owned(), position.into())),
    );
    more.extend(found(failed, fence));
    let said: Vec<String> = [
        ("", failed.said()),
        ("detail: ", failed.detail()),
        ("hint: ", failed.hint()),
    ]
    .into_iter()
    .filter_map(|(what, text)| Some(format!("{what}{}", one_line(text?, 300))))
    .collect();
    if !said.is_empty() {
        more.insert("postgres_says".to_owned(), fence.around(&said.join(" | ")).into());
    }
    more
}

/// What was found out about a failed statement, as fields of a result.
fn found(failed: &SqlError, fence: &Fence) -> Map<String, Value> {
    let found = failed.found();
    let mut more = Map::new();
    if let Some((number, kind)) = &found.statement {
        more.insert("statement".into(), (*number).into());
        if kind != crate::sql::UNREAD {
            more.insert("kind_of_statement".into(), kind.as_str().into());
        }
    }
    if let Some(beginning) = &found.beginning {
        more.insert("statement_begins".into(), fence.quote(&one_line(beginning, 120)).into());
    }
    for (field, name) in [("constraint", failed.constraint()), ("column_name", failed.column())] {
        more.extend(name.map(|name| (field.to_owned(), fence.quote(&one_line(name, 100)).into())));
    }
    if let Some((schema, table)) = failed.table() {
        let table = schema.map_or_else(|| table.to_owned(), |schema| format!("{schema}.{table}"));
        more.insert("table".into(), fence.quote(&one_line(&table, 160)).into());
    }
    if let Some(place) = found.place {
        more.insert("position".into(), place.position.into());
        more.insert("line".into(), place.line.into());
        more.insert("column".into(), place.column.into());
    }
    if let Some(position) = found.in_statement {
        more.insert("position_in_statement".into(), position.into());
    }
    if !found.nearest.is_empty() {
        let names = found
            .nearest
            .iter()
            .map(|name| Value::from(fence.quote(&one_line(name, 200))));
        more.insert("nearest".into(), names.collect());
    }
    if !found.labels.is_empty() {
        let labels = found
            .labels
            .iter()
            .map(|label| Value::from(fence.quote(&one_line(label, 100))));
        more.insert("labels".into(), labels.collect());
    }
    more
}

/// Whether this is a code of Postgres': five upper case letters or digits (SQL standard, 24.1). Anything else is somebody's text.
fn is_sqlstate(code: &str) -> bool {
    code.len() == 5
        && code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// A failed statement.
fn sql_failed(failed: &SqlError, fence: &Fence) -> Value {
    let more = postgres_says(failed, fence);
    let found = failed.found();
    let next = sql_next(failed);
    let mut message = failed.to_string();
    if found.at_end {
        message.push_str(" It was none of the statements by itself, but what was put off until their end: deferred constraints and triggers.");
    }
    match &found.statement {
        Some((number, _)) if found.at_end => {
            message.push_str(&format!(" Statement {number} is the one that changes the table."));
        }
        Some((number, kind)) if kind == crate::sql::UNREAD => message.push_str(&format!(" It was statement {number}.")),
        Some((number, kind)) => message.push_str(&format!(" It was statement {number} ({kind}).")),
        None => {}
    }
    let kind = if failed.is_too_large() {
        Kind::ResultTooLarge
    } else {
        Kind::SqlFailed
    };
    error(fence, kind, &message, failed.changed(), &next, Value::Object(more))
}

/// What to do about a failed statement.
pub(crate) fn sql_next(failed: &SqlError) -> String {
    let found = failed.found();
    let next = match failed.changed() {
        _ if failed.is_too_large() => match failed.changed() {
            Changed::No => TOO_LARGE,
            _ => TOO_LARGE_CHANGE,
        },
        Changed::Unknown => "Look at the data before deciding to run it again.",
        _ if failed.refused_login() => {
            "Check branch, database_name and role_name; a password may have been changed: try again."
        }
        _ => found
            .next
            .as_deref()
            .unwrap_or_else(|| advice(failed.code().unwrap_or_default())),
    };
    let mut next = next.to_owned();
    if !found.nearest.is_empty() {
        next.push_str(" Names like it are in `nearest`.");
    }
    next
}

/// What to do where a result is over a limit.
const TOO_LARGE: &str = "Ask for less: fewer rows (LIMIT, and from there on by WHERE key > the last one), fewer columns, or a part of large \
                         values (left(text, 1000), length(text), data -> 'key', substring(bytes FROM 1 FOR 1000)).";

/// The same where it isn't known whether the statement was committed.
const TOO_LARGE_CHANGE: &str = "Look whether it took effect before running it again; then leave out RETURNING, or return fewer columns and rows, or a \
                                part of large values (left(text, 1000)).";

/// What to do about a failure, by Postgres' code (PostgreSQL documentation, appendix A) and never by its words, which may quote
/// anything.
fn advice(code: &str) -> &'static str {
    match code {
        "57014" => {
            "It took longer than timeout_seconds (30 where none is given, 120 at most; all statements of a call together) or than a \
             statement_timeout of its own, or was cancelled: give it more time or less to do. explain_sql_statement shows the plan, \
             inspect_database who else holds it up."
        }
        "25P03" => {
            "The session waited in its transaction for longer than idle_in_transaction_session_timeout: run all of it again."
        }
        "25P04" => {
            "The transaction took longer than transaction_timeout, which the role, the database or a SET gives it: do less at once, or \
             set more."
        }
        "40001" | "40P01" => "It met another transaction, and was rolled back: run it again.",
        "55P03" => {
            "Somebody else holds a lock on it, for longer than lock_timeout or in the way of NOWAIT: inspect_database (blocked, long_running) shows \
             who. Run it again later."
        }
        "57P01" | "57P02" | "57P03" | "57P05" | "08000" | "08001" | "08003" | "08006" => {
            "The compute was restarted or is starting, and the statement was rolled back: run it again."
        }
        "53300" => "Too many connections are open: run it again in a moment; inspect_database shows who is connected.",
        "53100" | "53200" | "53400" | "54000" => {
            "The compute's memory, disk or a limit was not enough: do less at once, or use a larger compute."
        }
        "08P01" => {
            "The number of params isn't that of $1, $2, … in the statement: give one for each, in their order. Statements of a list take \
             none: write the values into them, or run such a statement by itself with run_sql."
        }
        "42P02" => "The statement has a $1, $2, … that no param is given for: give one for each, with run_sql.",
        "42P18" => "The type of a parameter can't be told: cast it where it stands, as in $1::text or $1::int[].",
        "42804" => {
            "The types don't match: cast what has the wrong one (total::int, $1::date), or give another value. ALTER COLUMN … TYPE wants \
             USING c::type where Postgres doesn't cast by itself."
        }
        "42846" => {
            "Postgres casts neither directly into the other: go by text where that says the same (x::text::type), or make the value by a \
             function."
        }
        "22P02" | "22P03" => {
            "The value can't be read as the type that is expected there: correct it, or cast the parameter to what it is ($1::text). For a \
             list of values: = ANY($1)."
        }
        "22007" | "22008" => {
            "It isn't a date or time that Postgres reads, or none that there is: write 2026-01-31, or 2026-01-31T10:00:00Z."
        }
        "22003" => "The number is beyond what its type holds: use bigint or numeric, for the column or by a cast.",
        "22023" => {
            "The value isn't one that is taken there: the message names what it is for. Sizes and times of settings have units in their \
             text ('64MB', '5s'); pg_settings shows the bounds."
        }
        "22001" => "A text is longer than its column takes: shorten it, or change the column's type.",
        "22012" => "Something is divided by zero: use nullif(divisor, 0).",
        "22004" | "22002" => "A value is null where none may be.",
        "42P01" => {
            "There is no such table, view or alias: get_database_tables shows what there is, with its schema; a name with capitals stands in \
             double quotes."
        }
        "3F000" => "There is no such schema: get_database_tables shows what there is, with its schema.",
        "42703" => {
            "There is no such column: describe_table_schema shows the columns; a name with capitals stands in double quotes."
        }
        "42883" => {
            "There is no such function or operator for these types: cast the arguments, or look for its name and schema."
        }
        "42704" => "There is no such type, role, index, constraint or other object: look for its name and schema.",
        "42702" => "The column is in more than one table: write the table's name or alias before it.",
        "42725" => "Several functions or operators fit: cast the arguments.",
        "42803" => "A column is neither in GROUP BY nor inside an aggregate: add it there, or aggregate it.",
        "3D000" => "There is no such database: list_branch_databases shows those of the branch; give database_name.",
        "28000" | "28P01" => "The role can't log in: list_branch_roles shows those of the branch; give role_name.",
        "42601" => {
            "Correct the syntax at `line` and `column`, which count in the text as it was sent, and call again; what is wrong may stand \
             right before it."
        }
        "42501" => {
            "The role may not do this: use another role_name, or have the owner GRANT it (describe_table_schema shows who owns a table)."
        }
        "23505" => {
            "Two rows would have the same values in the key of `constraint`: choose others or use ON CONFLICT; where the rows are there already, find \
             them with GROUP BY … HAVING count(*) > 1."
        }
        "23503" => {
            "The foreign key `constraint` refuses it: insert the row that it refers to first, or delete those that refer to it first; the \
             detail says which. One that is put off (DEFERRABLE) is checked at the end."
        }
        "23001" => "Another row refers to it, and the key restricts that: change or delete that one first.",
        "23502" => {
            "The column `column_name` must have a value and would be null: give one, or a default; of rows that are there, fill it first."
        }
        "23000" | "23514" | "23P01" => {
            "`constraint` refuses a row: describe_table_schema shows what it wants. One that is being added is refused by rows that are there: correct those first, or add it NOT VALID."
        }
        "25006" => {
            "What reads by its text runs in a read-only transaction, and a function in it would change something: say so in the text. For \
             its result: run_sql_transaction with [\"SET LOCAL lock_timeout = '10s'\", \"SELECT f()\"]; to keep it: INSERT … SELECT f(); \
             without: DO $$ BEGIN PERFORM f(); END $$. A read replica takes no change at all."
        }
        "25P02" => {
            "A statement before it failed, so that the transaction takes no other: correct the first that failed, and run all again."
        }
        "2BP01" => "Something depends on it: the detail names it. CASCADE would drop that, too.",
        "55006" => "Somebody uses it: end their work, or try again later; inspect_database (long_running) shows who.",
        "55000" => "It isn't in a state for this: the message says what is missing.",
        "42P07" | "42701" | "42P06" => {
            "Something of that name is there already: use IF NOT EXISTS where it is what you want, or another name."
        }
        "42723" => {
            "A function with these arguments is there already: CREATE OR REPLACE takes its place, or choose another name."
        }
        "42P04" => "There is a database of that name already: choose another; list_branch_databases shows them.",
        "42710" => {
            "Something of that name is there already (a type, role, constraint, trigger, policy, publication or extension, most of which have \
             no IF NOT EXISTS): leave it out, DROP … IF EXISTS first, or choose another name."
        }
        "2D000" => {
            "It would end the transaction that it runs in: a procedure or block that commits runs by itself with run_sql, where what it \
             does can be told; else take COMMIT and ROLLBACK out of it."
        }
        "25001" => {
            "It can't run inside of a transaction, or not after its first statement: run it by itself with run_sql; for an isolation level \
             give run_sql_transaction its isolation."
        }
        "25P01" => "It only has an effect inside of a transaction: give it to run_sql_transaction with what it is for.",
        "3B001" => "There is no such savepoint: a DO block with BEGIN … EXCEPTION WHEN … END does the same.",
        "0A000" => {
            "Postgres doesn't do this, or not here: the message says what. An object in the way (a view on a column whose type changes) is \
             dropped first and made again after it."
        }
        code if code.starts_with("22") => {
            "A value can't be used there: correct it, or cast it to the type that is wanted."
        }
        code if code.starts_with("23") => "A constraint refuses a row: describe_table_schema shows the constraints.",
        code if code.starts_with("40") => "The transaction was rolled back: run it again.",
        code if code.starts_with("53") => {
            "The compute has too little of something: do less at once, or run it again later."
        }
        code if code.starts_with("P0") => {
            "A function or block raised this error itself: the message is its own. Correct what it objects to."
        }
        code if code.starts_with("XX") => {
            "Postgres met an error of its own: run it again; if it comes back, write it otherwise."
        }
        _ => "Correct the statement; get_database_tables and describe_table_schema show what there is.",
    }
}

/// How the audit log calls an end after which that much was changed.
fn by_change(changed: Changed) -> Recorded {
    match changed {
        Changed::Unknown => Recorded::Unknown,
        // It was done, though its answer may not be readable.
        Changed::Yes => Recorded::Done,
        Changed::No => Recorded::Failed,
    }
}

/// Said where a statement mentions something that reaches a listed function.
const REACHES: &str = "The statement uses something of the database's own that does more than read, so it was not run.";

/// Said where a statement outside of a transaction builds indexes that call code by now.
const CALLS_CODE: &str = "Indexes of the database call functions of its own by now, which nothing holds outside of a transaction: the \
                          statement wasn't run.";

/// Said where the guarded commit stopped statements.
const EXCEEDED: &str =
    "The statements lose more than was judged or approved, so they were rolled back. Nothing was changed.";

/// What a database said of itself, by the settings' names.
fn identity(found: &Value) -> String {
    let said: Vec<String> = found
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| match value.as_str().unwrap_or_default() {
            "" => format!("{} isn't told", one_line(name, 40)),
            value => format!("{} is {}", one_line(name, 40), one_line(value, 80)),
        })
        .collect();
    said.join(", ")
}

/// What the audit log says of a failed statement: Postgres' own words may quote rows.
fn sql_summary(error: &SqlError) -> String {
    match error.code().filter(|code| is_sqlstate(code)) {
        Some(code) => format!("the SQL failed ({code})"),
        None => "the SQL failed".to_owned(),
    }
}

/// A failure, as the audit log names it.
#[derive(Debug)]
pub(in crate::engine) struct Named {
    pub(in crate::engine) outcome: Recorded,
    pub(in crate::engine) reason: String,
    pub(in crate::engine) rule: Option<String>,
    pub(in crate::engine) request_id: Option<String>,
    /// This server said no, whatever the call would have done.
    pub(in crate::engine) is_refusal: bool,
}

/// What is wrong with one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentProblem {
    /// The argument, or a pointer into it; empty for the arguments as a whole.
    pub argument: String,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Neon {
            error: Box::new(error),
            help: Box::default(),
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Failure {
    /// Why SQL gave no rows: Postgres said no, or a statement of our own stopped the others.
    pub(in crate::engine) fn of_sql(error: SqlError) -> Self {
        let told = |kind: Kind, message: String, next: &str| {
            Self::Told(Box::new(Told {
                kind,
                message,
                changed: Changed::No,
                next: next.to_owned(),
                more: Value::Null,
            }))
        };
        match error.stop() {
            None | Some(Stop::Measured(_) | Stop::Stale) => Self::Sql(Box::new(error)),
            Some(Stop::Reaches(reaching)) => Self::Reaches(reaching.clone()),
            Some(Stop::Exceeded(measured)) => Self::Exceeded(measured.clone()),
            Some(Stop::CallsCode) => Self::CallsCode,
            Some(Stop::Identity(found)) => told(
                Kind::AnotherDatabase,
                format!(
                    "The database that answered isn't the one that the call is about ({}). No statement was run.",
                    identity(found)
                ),
                "Its compute may have moved to another branch just now: look with describe_branch and list_branch_computes, then try again.",
            ),
            Some(Stop::Lexical(setting)) => told(
                Kind::UnsafeSetting,
                format!(
                    "The role or database sets {} so that a text means something else than it says. No statement was run.",
                    one_line(setting, 60)
                ),
                "Run ALTER ROLE … RESET or ALTER DATABASE … RESET for that setting, or let another role run it.",
            ),
            Some(Stop::Tampered | Stop::Unsettled | Stop::Cursor | Stop::Catalogue) => told(
                Kind::NotVerifiable,
                format!(
                    "What the statements lose can't be verified ({}), so they were rolled back.",
                    match error.stop() {
                        Some(Stop::Unsettled) => "deferred triggers go on making work for the commit",
                        Some(Stop::Cursor) => "a cursor WITH HOLD would run its query at the commit",
                        _ => "the baseline that the server keeps was changed",
                    }
                ),
                "Leave that out, or run it on a throwaway branch (create_throwaway_branch).",
            ),
        }
    }

    /// Adds what helps when it isn't known whether the call happened: the read that tells, the copy that was made before, and
    /// the way back.
    #[must_use]
    pub fn with_help(self, tool: Option<&str>, made: Option<&Value>, way: Option<Value>) -> Self {
        match self {
            Self::Neon { error, .. } => Self::Neon {
                help: Box::new(Help {
                    check: tool.map(str::to_owned),
                    copy: made.cloned(),
                    undo: way.filter(|_| error.changed() != Changed::No),
                }),
                error,
            },
            other => other,
        }
    }

    /// Adds the copy that was made before, if one was.
    #[must_use]
    pub(in crate::engine) fn after_copy(self, copy: Option<&Value>) -> Self {
        match copy {
            Some(copy) => Self::AfterCopy {
                failure: Box::new(self),
                copy: copy.clone(),
            },
            None => self,
        }
    }

    /// The failure, as the audit log names it.
    pub(in crate::engine) fn recorded(&self) -> Named {
        let named = |outcome: Recorded, reason: String| Named {
            outcome,
            reason,
            rule: None,
            request_id: None,
            is_refusal: false,
        };
        let refusal = |outcome: Recorded, reason: String| Named {
            is_refusal: true,
            ..named(outcome, reason)
        };
        match self {
            Self::Arguments(_) => named(Recorded::Failed, "the arguments don't fit".to_owned()),
            Self::Reference { message, .. } => named(Recorded::Failed, message.clone()),
            Self::Denied(denied) => Named {
                rule: Some(denied.rule.clone()),
                ..refusal(Recorded::Refused, denied.message.clone())
            },
            Self::NeedsYes(needs) => match (&needs.code, &needs.nobody) {
                (_, Some(nobody)) => refusal(Recorded::Refused, format!("nobody can be asked: {nobody}")),
                (Some(code), _) => refusal(Recorded::Asked, format!("waits for a human's yes as {code}")),
                (None, None) => refusal(Recorded::Asked, "waits for a human's yes on the page".to_owned()),
            },
            Self::NotConfirmed(no) => {
                let outcome = match no {
                    No::Declined => Recorded::Declined,
                    No::Cancelled => Recorded::Cancelled,
                    No::TimedOut => Recorded::TimedOut,
                    No::WrongName(_) => Recorded::WrongName,
                    No::NotTicked | No::Malformed(_) => Recorded::Malformed,
                    No::Expired => Recorded::Expired,
                    No::Used => Recorded::Used,
                    No::Changed => Recorded::Changed,
                    No::Tampered | No::Other(_) | No::Channel(_) | No::Unrecorded(_) => Recorded::Refused,
                };
                refusal(outcome, no.to_string())
            }
            Self::Unrecorded(_) => refusal(Recorded::Refused, self.message()),
            Self::NoCopy { begun: true, .. } => named(Recorded::Failed, self.message()),
            Self::NoCopy { begun: false, .. } => refusal(Recorded::Refused, self.message()),
            Self::ChangedMeanwhile(_) => named(Recorded::Changed, self.message()),
            Self::Neon { error, .. } => Named {
                request_id: error.request_id().map(str::to_owned),
                ..named(by_change(error.changed()), error.summary().to_owned())
            },
            Self::Answer { message, changed } => named(by_change(*changed), message.clone()),
            Self::Sql(error) => named(by_change(error.changed()), sql_summary(error)),
            Self::Exceeded(_) => refusal(Recorded::Refused, EXCEEDED.to_owned()),
            Self::Reaches(_) => refusal(Recorded::Refused, REACHES.to_owned()),
            Self::CallsCode => refusal(Recorded::Refused, CALLS_CODE.to_owned()),
            Self::Step { step, why, changed } => named(by_change(*changed), format!("{step}: {}", one_line(why, 300))),
            Self::Told(told) => named(by_change(told.changed), one_line(&told.message, 300)),
            Self::AfterCopy { failure, .. } => failure.recorded(),
            Self::Docs { error, .. } => named(Recorded::Failed, error.to_string()),
            Self::Internal(message) => named(Recorded::Unknown, message.clone()),
        }
    }

    /// What is said of failures that are this server's own.
    fn message(&self) -> String {
        match self {
            Self::Unrecorded(why) => format!(
                "The call can't be recorded in the audit log ({}), and what leaves no trace doesn't run. Nothing was sent to Neon.",
                one_line(why, 300)
            ),
            Self::ChangedMeanwhile(_) => {
                "The target changed while its copy was made, so the call was not sent.".to_owned()
            }
            Self::NoCopy { why, .. } => format!(
                "The operator's policy demands a copy first, and it couldn't be made: {}. The call was not sent.",
                one_line(why, 300)
            ),
            _ => String::new(),
        }
    }

    /// Whether anything was changed, as far as that is known.
    #[must_use]
    pub(crate) fn changed(&self) -> Changed {
        match self {
            Self::Sql(error) => error.changed(),
            Self::Step { changed, .. } | Self::Answer { changed, .. } => *changed,
            Self::Neon { error, .. } => error.changed(),
            Self::Internal(_) => Changed::Unknown,
            _ => Changed::No,
        }
    }

    /// What the failure says, for a sentence of a result.
    #[must_use]
    pub(crate) fn into_message(self, fence: &Fence) -> String {
        let value = self.into_value(fence);
        let message = value.pointer("/error/message").and_then(Value::as_str);
        message.unwrap_or_default().to_owned()
    }

    /// The failure as the value of a result.
    #[must_use]
    pub(crate) fn into_value(self, fence: &Fence) -> Value {
        let error = |kind: Kind, message: &str, changed: Changed, next: &str, more: Value| {
            error(fence, kind, message, changed, next, more)
        };
        match self {
            Self::Arguments(problems) => arguments(&problems, fence),
            Self::Reference {
                argument,
                message,
                next,
            } => error(
                Kind::Unresolved,
                &message,
                Changed::No,
                &next,
                json!({"argument": argument}),
            ),
            Self::Denied(denied) => error(
                Kind::DeniedByPolicy,
                &denied.message,
                Changed::No,
                &denied.next,
                json!({"rule": denied.rule}),
            ),
            Self::NeedsYes(needs) => needs_yes(*needs, fence),
            Self::NotConfirmed(no) => error(
                Kind::named(no.kind()).unwrap_or(Kind::ConfirmationInvalid),
                &format!("{no} Nothing was sent to Neon."),
                Changed::No,
                if no.is_a_decision() {
                    "Take it as the user's decision: don't call this again, and don't try another way around, unless the user asks for it."
                } else {
                    "Call again without a confirmation to be asked anew, if the user still wants it."
                },
                Value::Null,
            ),
            Self::Unrecorded(_) => error(
                Kind::Unrecorded,
                &self.message(),
                Changed::No,
                "Tell the user: the operator must make the audit log writable, or name another with --audit-log.",
                Value::Null,
            ),
            Self::ChangedMeanwhile(ref copy) => error(
                Kind::TargetChanged,
                &self.message(),
                Changed::Yes,
                "The copy is there. Call again to be asked about what is there now, if the user still wants it.",
                {
                    let mut copy = copy.clone();
                    fence.enclose_copy(&mut copy);
                    json!({"safety_copy": copy})
                },
            ),
            Self::NoCopy { .. } => error(
                Kind::NoSafetyCopy,
                &self.message(),
                Changed::No,
                "Tell the user. A copy that was begun may exist: list_snapshots and list_branches show it.",
                Value::Null,
            ),
            Self::Neon { error: cause, help } => neon(&cause, *help, fence),
            Self::Answer { message, changed } => error(
                Kind::MalformedAnswer,
                &message,
                changed,
                "Don't repeat a changing call before a reading tool has shown what Neon has now.",
                Value::Null,
            ),
            Self::Sql(failed) => sql_failed(&failed, fence),
            Self::Reaches(reaching) => {
                let mut more = json!({ "because": format!("it {}", guard::reaching(&reaching)) });
                fence.enclose_plan(&mut more);
                error(
                    Kind::ReachesListedFunction,
                    REACHES,
                    Changed::No,
                    "Run it with run_sql, which asks the user where it must, or leave out what it names.",
                    more,
                )
            }
            Self::CallsCode => error(
                Kind::RunsUnheldCode,
                CALLS_CODE,
                Changed::No,
                "Call again, or prepare what is left once more: completing it asks the user.",
                Value::Null,
            ),
            Self::Exceeded(measured) => {
                let losses: Vec<String> = guard::told_losses(&measured).into_iter().take(20).collect();
                let mut more = json!({ "would_lose": losses });
                fence.enclose_plan(&mut more);
                error(
                    Kind::LosesMoreThanApproved,
                    EXCEEDED,
                    Changed::No,
                    "Call again to be asked about what it loses now, if the user still wants it.",
                    more,
                )
            }
            Self::Step { step, why, changed } => error(
                Kind::StepFailed,
                &format!(
                    "The step {step} didn't come about: {}.",
                    fence.line(why.trim_end_matches('.'), 700)
                ),
                changed,
                "The list calls show what there is.",
                json!({ "step": step }),
            ),
            Self::Told(told) => error(told.kind, &told.message, told.changed, &told.next, told.more),
            Self::AfterCopy { failure, mut copy } => {
                let mut value = failure.into_value(fence);
                fence.enclose_copy(&mut copy);
                if let Some(error) = value.get_mut("error").and_then(Value::as_object_mut) {
                    error.insert("safety_copy".into(), copy);
                }
                value
            }
            Self::Docs { error: cause, sandbox } => docs(fence, &cause, sandbox),
            Self::Internal(message) => error(
                Kind::Internal,
                &format!("neon-mcp failed: {message}"),
                Changed::Unknown,
                "Look with a reading tool before repeating a changing call, and report this to the project.",
                Value::Null,
            ),
        }
    }
}

/// What an agent is told whose client can't ask: the plan, and how its user says yes.
fn needs_yes(needs: NeedsYes, fence: &Fence) -> Value {
    let mut ways = Vec::new();
    if let Some(command) = &needs.command {
        ways.push(format!("run `{command}` in a terminal"));
    }
    if let Some(page) = &needs.page {
        ways.push(format!("open {page}"));
    }
    let (message, next) = match (&needs.nobody, ways.is_empty()) {
        (None, false) => (
            "This call needs a human's yes, and this client can't ask for one, so it was not sent. Nothing was changed at Neon.".to_owned(),
            format!(
                "Show the user the plan and ask them to {}; it waits {} s. After their yes, make exactly the same call again, with `approval` from here as one more argument. Don't approve it yourself, and don't try another way around.",
                ways.join(", or to "),
                needs.waits
            ),
        ),
        (nobody, _) => (
            format!(
                "This call needs a human's yes, and nobody can be asked: {}. It was not sent. Nothing was changed at Neon.",
                nobody.as_deref().unwrap_or("there is no way to")
            ),
            "Tell the user what the plan says; they can do it in the Neon Console. Don't try another way around.".to_owned(),
        ),
    };
    let mut more = Map::new();
    if let Some(code) = needs.code {
        more.insert("code".into(), code.into());
    }
    if let Some(page) = needs.page {
        more.insert("approval_page".into(), page.into());
    }
    if let Some(approval) = needs.approval {
        more.insert("approval".into(), approval.into());
    }
    // A path may be long, and the command is good only whole.
    more.insert(
        "next".into(),
        fence
            .line(&next, 400 + needs.command.as_ref().map_or(0, String::len))
            .into(),
    );
    more.insert("plan".into(), bounded(needs.plan));
    error(
        fence,
        Kind::NeedsConfirmation,
        &message,
        Changed::No,
        &next,
        Value::Object(more),
    )
}

/// A plan that fits into a result. What is about the target goes first: what would be sent and undone is what the agent has to
/// tell.
fn bounded(mut plan: Value) -> Value {
    for part in ["/target", "/would_send/body", "/undo", "/because"] {
        let size = serde_json::to_string(&plan).map_or(0, |text| text.len());
        if size + 1_000 <= MOST_PLAN_BYTES {
            break;
        }
        if let Some(place) = plan.pointer_mut(part) {
            *place = "(too long to show)".into();
        }
    }
    plan
}

fn error(fence: &Fence, kind: Kind, message: &str, changed: Changed, next: &str, more: Value) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), kind.name().into());
    object.insert("message".into(), fence.line(message, 900).into());
    object.insert("changed".into(), changed_name(changed).into());
    object.insert("next".into(), fence.line(next, 400).into());
    if let Value::Object(more) = more {
        object.extend(more);
    }
    json!({"error": object})
}

/// What is said where the documentation can't be read.
fn docs(fence: &Fence, cause: &DocsError, sandbox: bool) -> Value {
    let mut message = cause.to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    message.push_str(". All other tools work without it.");
    if sandbox && !matches!(cause, DocsError::NoPage { .. }) {
        message.push_str(" The sandbox carries no documentation of its own: it is read from that host here too.");
    }
    let next = match cause {
        DocsError::NoPage { .. } => "Call list_docs_resources to see which pages there are.",
        DocsError::Cancelled => "Call again.",
        DocsError::Unreachable { .. } => {
            "Go on without the documentation, or try again later; the operator names its host with --docs-url."
        }
        DocsError::Unusable { .. } => {
            "Go on without it, and tell the user: the operator names the documentation's host with --docs-url."
        }
    };
    error(
        fence,
        Kind::named(cause.kind()).unwrap_or(Kind::DocsUnusable),
        &message,
        Changed::No,
        next,
        Value::Null,
    )
}

pub(in crate::engine) fn changed_name(changed: Changed) -> &'static str {
    match changed {
        Changed::No => "nothing",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    }
}

fn arguments(problems: &[ArgumentProblem], fence: &Fence) -> Value {
    let mut shown: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for problem in problems {
        let message = fence.line(&problem.message, 300);
        bytes += message.len() + problem.argument.len() + 40;
        if bytes > 1_300 {
            shown.push(json!({"message": format!("and {} more", problems.len() - shown.len())}));
            break;
        }
        shown.push(match problem.argument.as_str() {
            "" => json!({"message": message}),
            argument => json!({"argument": one_line(argument, 100), "message": message}),
        });
    }
    error(
        fence,
        Kind::InvalidArguments,
        "The arguments don't fit this tool. Nothing was sent to Neon.",
        Changed::No,
        "Correct the arguments and call again.",
        json!({"problems": shown}),
    )
}

fn neon(cause: &Error, help: Help, fence: &Fence) -> Value {
    let Help {
        check,
        mut copy,
        mut undo,
    } = help;
    if let Some(copy) = &mut copy {
        fence.enclose_copy(copy);
    }
    if let Some(undo) = &mut undo {
        fence.enclose_undo(undo);
    }
    let check = check.as_deref();
    let next = match (cause.changed(), check) {
        (Changed::No, _) | (_, None) => cause.hint().to_owned(),
        (_, Some(tool)) => format!(
            "Call {tool} to see whether it happened before you call this again. {}",
            cause.hint()
        ),
    };
    let mut message = cause.summary().to_owned();
    if let Some(said) = cause.message() {
        message.push_str(&format!(" Neon says: “{}”", fence.quote(said)));
    }
    let mut more = Map::new();
    if let Some(status) = cause.status() {
        more.insert("status".into(), status.into());
    }
    if let Some(code) = cause.code().filter(|code| !code.is_empty()) {
        more.insert("code".into(), fence.quote(&one_line(code, 100)).into());
    }
    if let Some(wait) = cause.retry_after() {
        more.insert("retry_after_seconds".into(), wait.as_secs_f64().ceil().into());
    }
    if let Some(id) = cause.request_id() {
        more.insert("request_id".into(), fence.quote(&one_line(id, 100)).into());
    }
    more.insert("attempts".into(), cause.attempts().into());
    if let Some(copy) = copy {
        more.insert("safety_copy".into(), copy);
    }
    if let Some(undo) = undo {
        more.insert("undo_if_it_happened".into(), undo);
    }
    error(
        fence,
        kind_of(cause.kind()),
        &message,
        cause.changed(),
        &next,
        Value::Object(more),
    )
}

fn kind_of(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::Unauthorized => Kind::Unauthorized,
        ErrorKind::Forbidden => Kind::Forbidden,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Conflict => Kind::Conflict,
        ErrorKind::Refused => Kind::RefusedByNeon,
        ErrorKind::Locked => Kind::Locked,
        ErrorKind::RateLimited => Kind::RateLimited,
        ErrorKind::Unavailable => Kind::Unavailable,
        ErrorKind::Upstream => Kind::NeonError,
        ErrorKind::Network => Kind::Network,
        ErrorKind::TimedOut => Kind::TimedOut,
        ErrorKind::Cancelled => Kind::Cancelled,
        ErrorKind::OutcomeUnknown => Kind::OutcomeUnknown,
        ErrorKind::AnswerUnreadable => Kind::AnswerUnreadable,
        ErrorKind::Malformed => Kind::MalformedAnswer,
        ErrorKind::TooLarge => Kind::TooLarge,
        ErrorKind::RedirectRefused => Kind::RedirectRefused,
        ErrorKind::Setup => Kind::Internal,
    }
}
