//! Who runs a script, and what became of it.

use std::time::Duration;

use neon_mcp::sql::{Script, StatementEffect, Transaction, parse};
use serde_json::json;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config};

use super::bench::{Access, DATABASE, connect};
use crate::examples::Story;
use crate::support::human::Manner;

/// What became of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It wasn't run: it asks for an approval, or can't be sent at all.
    Refused(String),
    /// It was begun, and ended by an error.
    Stopped(String),
    /// It ran to its end.
    Committed,
}

/// Runs scripts on the database of a bench, as the role that owns it.
pub trait Runner {
    /// Runs statements, all of them or none.
    fn run(&self, statements: &[String]) -> impl Future<Output = Outcome> + Send;

    /// The database was made anew: whoever was connected to it is no longer.
    fn restored(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The parser's judgement and nothing else: what it takes for destructive isn't run, and the rest is, in one transaction.
pub struct TextAlone {
    access: Access,
    client: Mutex<Option<Client>>,
}

/// How long a script may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl TextAlone {
    pub fn new(access: &Access) -> Self {
        Self {
            access: access.clone(),
            client: Mutex::new(None),
        }
    }

    async fn connected(&self) -> Client {
        let client = connect(&self.access.owner, DATABASE).await;
        client.batch_execute("SET statement_timeout = '5s'").await.unwrap();
        client
    }
}

/// Why a script isn't run, if it isn't.
fn refusal(scripts: &[Script]) -> Option<String> {
    for script in scripts {
        let Some(statement) = script.only() else {
            return Some("it isn't one statement".to_owned());
        };
        if statement.effect == StatementEffect::Destructive {
            return Some(format!("it {}", statement.reasons.join(", ")));
        }
        match statement.transaction {
            Transaction::Control => return Some("it controls transactions".to_owned()),
            Transaction::Outside if scripts.len() > 1 => return Some("it runs in no transaction".to_owned()),
            _ => {}
        }
    }
    None
}

async fn execute(client: &Client, scripts: &[Script]) -> Result<(), tokio_postgres::Error> {
    let statements = || scripts.iter().flat_map(|script| &script.statements);
    if statements().any(|statement| statement.transaction == Transaction::Outside) {
        for statement in statements() {
            client.execute_typed(&statement.text, &[]).await?;
        }
        return Ok(());
    }
    let reads = statements().all(|statement| statement.effect == StatementEffect::Read);
    client
        .batch_execute(if reads { "BEGIN READ ONLY" } else { "BEGIN" })
        .await?;
    for statement in statements() {
        client.execute_typed(&statement.text, &[]).await?;
    }
    client.batch_execute("COMMIT").await
}

impl Runner for TextAlone {
    async fn run(&self, statements: &[String]) -> Outcome {
        let scripts: Vec<Script> = statements.iter().map(|statement| parse(statement)).collect();
        if let Some(reason) = refusal(&scripts) {
            return Outcome::Refused(reason);
        }
        let mut kept = self.client.lock().await;
        let client = match kept.take() {
            Some(client) if !client.is_closed() => client,
            _ => self.connected().await,
        };
        let outcome = match tokio::time::timeout(PATIENCE, execute(&client, &scripts)).await {
            Ok(Ok(())) => Outcome::Committed,
            Ok(Err(error)) => Outcome::Stopped(match error.as_db_error() {
                Some(error) => error.to_string(),
                None => error.to_string(),
            }),
            Err(_) => return Outcome::Stopped("it took too long".to_owned()),
        };
        // Each script has a session as new as the first one's.
        let cleaned = client
            .batch_execute("ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL")
            .await;
        if cleaned.is_ok() && client.batch_execute("DISCARD ALL").await.is_ok() {
            let limited = client.batch_execute("SET statement_timeout = '5s'").await;
            *kept = limited.is_ok().then_some(client);
        }
        outcome
    }

    async fn restored(&self) {
        *self.client.lock().await = None;
    }
}

/// A real client of the running program, on the default branch of a project in a sandbox. Its human declines whatever they are
/// asked.
pub struct ThroughServer {
    story: Story,
}

impl ThroughServer {
    pub async fn start() -> Self {
        let story = Story::with_data().await;
        story.human().changes_to(Manner::Declines);
        Self { story }
    }

    /// How to connect to the branch beside the server. Its superuser comes in through the socket, and only as the user that
    /// started the sandbox.
    pub async fn access(&self) -> Access {
        let owner: Config = {
            self.story.human().changes_to(Manner::Accepts);
            let uri = self.story.uri("main").await;
            self.story.human().changes_to(Manner::Declines);
            uri.parse().unwrap()
        };
        let client = connect(&owner, DATABASE).await;
        let place = "SELECT current_setting('unix_socket_directories'), current_setting('port')::int";
        let place = client.query_one(place, &[]).await.unwrap();
        let (folder, port): (String, i32) = (place.get(0), place.get(1));
        let mut superuser = Config::new();
        superuser.host_path(folder).port(port.try_into().unwrap());
        superuser.user("cloud_admin");
        Access { superuser, owner }
    }
}

impl Runner for ThroughServer {
    async fn run(&self, statements: &[String]) -> Outcome {
        let (tool, arguments) = match statements {
            [sql] => (
                "run_sql",
                json!({"project_id": "shop", "branch_id": "main", "sql": sql}),
            ),
            statements => (
                "run_sql_transaction",
                json!({"project_id": "shop", "branch_id": "main", "statements": statements}),
            ),
        };
        let (answer, is_error) = self.story.answer(tool, arguments).await;
        match answer["error"]["kind"].as_str() {
            _ if !is_error => Outcome::Committed,
            Some("sql_failed") => Outcome::Stopped(answer["error"].to_string()),
            _ => Outcome::Refused(answer["error"].to_string()),
        }
    }
}
