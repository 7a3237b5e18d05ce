//! A branch with something to lose, and what calls did to it.

use serde_json::{Value, json};
use tokio_postgres::Config;

use super::table::{Case, Expected};
use crate::examples::Story;
use crate::random_scripts::bench::{Access, Bench, DATABASE, connect};
use crate::random_scripts::oracle::Loss;
use crate::support::fence::bare;
use crate::support::server::TestServer;

/// The branch's kind decides what asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Default,
    Protected,
    Plain,
    Throwaway,
}

/// How statements reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `run_sql`, or `run_sql_transaction` where there are several.
    Plain,
    /// `run_sql_transaction`, with a statement that does nothing before.
    Together,
    /// Through the callers of discovery mode.
    Discovery,
}

/// A branch, who looks at it, and what was found there.
pub struct Branch {
    pub kind: Kind,
    pub id: String,
    pub bench: Bench,
    /// What isn't as it must be.
    pub wrong: Vec<String>,
    /// How many calls were made.
    pub calls: usize,
}

/// How to connect to a branch beside the server. Its superuser comes in through the socket, and only as the user that started the
/// sandbox.
pub async fn access(story: &Story, branch: &str) -> Access {
    let owner: Config = story.uri(branch).await.parse().expect("an address");
    let client = connect(&owner, DATABASE).await;
    let place = "SELECT current_setting('unix_socket_directories'), current_setting('port')::int";
    let place = client.query_one(place, &[]).await.expect("a place");
    let (folder, port): (String, i32) = (place.get(0), place.get(1));
    let mut superuser = Config::new();
    superuser.host_path(folder).port(port.try_into().expect("a port"));
    superuser.user("cloud_admin");
    // It runs code of indexes and types by itself, whenever it likes: what a sample's call does is told from that by having none.
    let admin = connect(&superuser, DATABASE).await;
    for statement in ["ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"] {
        admin.batch_execute(statement).await.expect("a setting");
    }
    Access { superuser, owner }
}

/// What became of a call.
#[derive(Debug)]
struct Outcome {
    /// The kind of the error, if it is one.
    error: Option<String>,
    answer: Value,
    /// What was lost; nothing at all was changed where it is `None`.
    losses: Option<Vec<Loss>>,
    /// The question, if there was one.
    question: Option<String>,
}

impl Branch {
    pub async fn start(story: &Story, kind: Kind, name: &str) -> Self {
        Self {
            kind,
            id: story.branch_id(name).await,
            bench: Bench::at(access(story, name).await, None).await,
            wrong: Vec::new(),
            calls: 0,
        }
    }

    /// The questions about this branch since so many had been asked.
    fn questions(&self, story: &Story, since: usize) -> Vec<String> {
        let asked = story.human().asked_since(since).into_iter();
        let about = |plan: &String| plan.lines().next().is_some_and(|first| first.contains(&self.id));
        asked.map(|(plan, _)| plan).filter(about).collect()
    }

    /// Brings about what a case wants to be there.
    pub async fn arrange(&mut self, case: &Case) {
        if case.before.is_empty() {
            return;
        }
        let owner = connect(&self.bench.access.owner, DATABASE).await;
        let superuser = connect(&self.bench.access.superuser, DATABASE).await;
        for (by_superuser, statement) in &case.before {
            let client = if *by_superuser { &superuser } else { &owner };
            if let Err(error) = client.batch_execute(statement).await {
                self.wrong.push(format!("{}: {statement}: {error:?}", case.name()));
            }
        }
        self.bench.losses().await;
    }

    /// Gives back what was there.
    pub async fn restore(&mut self) {
        self.bench.renew().await;
    }

    fn free(&self, expected: &Expected) -> bool {
        self.kind == Kind::Throwaway
            && matches!(
                expected,
                Expected::Asks { everywhere: false, .. } | Expected::Fails { everywhere: false, .. }
            )
    }

    async fn call(&mut self, story: &Story, server: Option<&TestServer>, tool: &str, arguments: Value) -> Outcome {
        let before = story.human().count();
        let (answer, is_error) = match server {
            Some(server) => server.call(tool, arguments).await,
            None => story.answer(tool, arguments).await,
        };
        self.calls += 1;
        let error = is_error.then(|| answer["error"]["kind"].as_str().unwrap_or_default().to_owned());
        Outcome {
            error,
            losses: self.bench.losses().await,
            question: self.questions(story, before).pop(),
            answer,
        }
    }

    /// Makes the call of a case, and notes what isn't as it must be. Returns whether it changed anything.
    pub async fn check(&mut self, story: &Story, case: &Case, mode: Mode, discovery: Option<&TestServer>) -> bool {
        let mut statements = case.statements.clone();
        if mode == Mode::Together {
            statements.insert(0, "SELECT 1".to_owned());
        }
        let (tool, mut arguments) = match statements.as_slice() {
            [sql] => ("run_sql", json!({"sql": sql})),
            several => ("run_sql_transaction", json!({"statements": several})),
        };
        arguments["project_id"] = "shop".into();
        arguments["branch_id"] = self.id.as_str().into();
        let outcome = match discovery {
            Some(server) => {
                let inner = json!({"name": tool, "arguments": arguments});
                self.call(story, Some(server), "call_destructive_tool", inner).await
            }
            None => self.call(story, None, tool, arguments).await,
        };
        if let Some(wrong) = self.judge(case, &outcome) {
            self.wrong.push(format!(
                "{:?}, {mode:?}: {}: {wrong}\n    {:?}\n    {:?} {}",
                self.kind,
                case.name(),
                case.statements,
                outcome.losses,
                outcome.answer["error"]
            ));
        }
        outcome.losses.is_some()
    }

    fn judge(&self, case: &Case, outcome: &Outcome) -> Option<String> {
        let error = outcome.error.as_deref();
        if error.is_some() && outcome.losses.is_some() {
            return Some("it was changed although the call failed".to_owned());
        }
        if error.is_some() && outcome.answer["error"]["changed"] != "no" {
            return Some("the answer doesn't say that nothing was changed".to_owned());
        }
        if error != Some("rejected") && outcome.question.is_some() {
            return Some("it asked, and went on".to_owned());
        }
        let wanted = match &case.expected {
            Expected::Runs => None,
            expected if self.free(expected) => None,
            Expected::Asks { .. } => Some("rejected"),
            Expected::Fails { kind, .. } => Some(kind.as_str()),
        };
        if error != wanted {
            let word = |kind: Option<&str>| kind.unwrap_or("runs").to_owned();
            return Some(format!("{} is wanted, and it is {}", word(wanted), word(error)));
        }
        // Indexes that are built anew beside the old ones have other ids.
        let counts = |loss: &&Loss| case.kind != "outside" || case.expected != Expected::Runs || loss.kind == "rows";
        let lost = outcome.losses.iter().flatten().any(|loss| counts(&loss));
        let bites = matches!(&case.expected, Expected::Asks { quietly: false, .. });
        if self.kind == Kind::Throwaway && bites && !lost {
            return Some("it loses nothing where it runs".to_owned());
        }
        if case.expected == Expected::Runs && lost {
            return Some("it lost more than may go unasked".to_owned());
        }
        if wanted == Some("rejected") {
            let question = bare(outcome.question.as_deref().unwrap_or_default());
            let missing = case.says.iter().find(|words| !question.contains(*words));
            return missing.map(|words| format!("the question doesn't say {words:?}:\n{question}"));
        }
        None
    }

    /// Prepares the statements of a case, as a migration and as a query's tuning: completing either asks, and nothing is changed.
    pub async fn check_prepared(&mut self, story: &Story, case: &Case) {
        self.arrange(case).await;
        let script = case.statements.join(";\n");
        for (prepare, complete, handle, mut arguments) in [
            (
                "prepare_database_migration",
                "complete_database_migration",
                "migration",
                json!({"sql": script}),
            ),
            (
                "prepare_query_tuning",
                "complete_query_tuning",
                "tuning",
                json!({"sql": "SELECT 1", "changes": script}),
            ),
        ] {
            arguments["project_id"] = "shop".into();
            arguments["branch_id"] = self.id.as_str().into();
            let prepared = self.call(story, None, prepare, arguments).await;
            let mut problem = prepared
                .losses
                .map(|losses| format!("it changed the target: {losses:?}"));
            if prepared.error.is_some() || prepared.question.is_some() {
                problem = Some(format!("it isn't prepared: {}", prepared.answer));
            } else {
                let mut arguments = json!({"project_id": "shop", "branch_id": self.id});
                arguments[handle] = prepared.answer["result"][handle].clone();
                let completed = self.call(story, None, complete, arguments.clone()).await;
                if completed.error.as_deref() != Some("rejected") || completed.losses.is_some() {
                    problem = Some(format!("{:?} {}", completed.losses, completed.answer));
                }
                arguments["discard"] = true.into();
                story.done(complete, arguments).await;
            }
            if let Some(problem) = problem {
                self.wrong.push(format!("{prepare}: {}: {problem}", case.name()));
            }
        }
        self.restore().await;
    }

    /// Sends the statements of a case where none of them may change anything.
    pub async fn check_unchanged(&mut self, story: &Story, case: &Case, server: Option<&TestServer>, how: &str) {
        for sql in &case.statements {
            let (tool, more) = match how {
                "read only" => ("run_sql", json!({})),
                "explain" => ("explain_sql_statement", json!({})),
                _ => ("explain_sql_statement", json!({"analyze": true})),
            };
            let mut arguments = json!({"project_id": "shop", "branch_id": self.id, "sql": sql});
            for (name, value) in more.as_object().into_iter().flatten() {
                arguments[name] = value.clone();
            }
            let outcome = self.call(story, server, tool, arguments).await;
            let changed = outcome.losses.is_some();
            let asks = outcome.question.is_some();
            let ran = outcome.error.is_none() && how == "read only" && matches!(case.expected, Expected::Asks { .. });
            let alone = case.statements.len() == 1;
            if changed || asks || (ran && alone) {
                self.wrong.push(format!(
                    "{:?}, {how}: {}: {sql}: changed {changed}, asked {asks}, ran {ran}: {}",
                    self.kind,
                    case.name(),
                    outcome.answer
                ));
            }
        }
    }
}
