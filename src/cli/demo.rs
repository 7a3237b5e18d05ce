//! `neon-mcp demo`: the daily job on a sandbox, through a real MCP client that talks to this very program.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, FormElicitationCapability, Implementation, ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt as _};
use serde_json::{Map, Value, json};
use tokio::process::Command;

use super::print;
use super::sandbox::DataArguments;
use crate::sandbox::Sandbox;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print whole results instead of what matters in them
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    data: DataArguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let sandbox = Sandbox::start(arguments.data.options())
        .await
        .context("the sandbox can't start")?;
    print(&format!(
        "The sandbox, a Neon that neon-mcp carries, listens at {}.",
        sandbox.api_url()
    ));
    let mut command = Command::new(std::env::current_exe().context("this program can't be found")?);
    command
        .args(["stdio", "--toolsets", "all"])
        .env("NEON_API_HOST", sandbox.api_url())
        .env("NEON_API_KEY", sandbox.api_key())
        .env("NEON_MCP_LOG", "error");
    let human = Human::default();
    let client = DemoClient(human.clone())
        .serve(TokioChildProcess::new(command)?)
        .await
        .context("the MCP server didn't start")?;
    let server = client.peer_info().context("the server said nothing about itself")?;
    let identity = server
        .server_info
        .as_ref()
        .map(|info| format!("{} {}", info.name, info.version))
        .unwrap_or_default();
    print(&format!(
        "An MCP client started {identity} on it over stdio; they speak MCP {}.",
        server.protocol_version
    ));
    let mut demo = Demo {
        client,
        human,
        number: 0,
        full: arguments.full,
    };
    let outcome = demo.job(&sandbox).await;
    demo.client.cancel().await?;
    sandbox.shutdown().await;
    outcome?;
    print(&format!(
        "\nDone: {} tool calls in {:.1} s. The sandbox and everything in it is gone.",
        demo.number,
        started.elapsed().as_secs_f64()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What the human behind the demo's client will answer to the next question: the content of the form, or no.
#[derive(Debug, Clone, Default)]
struct Human(Arc<Mutex<Option<Value>>>);

impl Human {
    fn will_answer(&self, form: Option<Value>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = form;
    }
}

/// A client that hears of progress, and can ask its human.
#[derive(Debug, Clone)]
struct DemoClient(Human);

impl ClientHandler for DemoClient {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        ClientConfig::new(
            capabilities,
            Implementation::new("neon-mcp-demo", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, rmcp::ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = &request {
            print("     The server asks the human:");
            message.lines().for_each(|line| print(&format!("     | {line}")));
        }
        let form = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match form {
            Some(form) => {
                print(&format!("     The human (played by this demo) accepts, with {form}."));
                let mut result = ElicitResult::new(ElicitationAction::Accept);
                result.content = Some(form);
                result
            }
            None => {
                print("     The human (played by this demo) declines.");
                ElicitResult::new(ElicitationAction::Decline)
            }
        })
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let total = params.total.unwrap_or_default();
        print(&format!(
            "     … {:.0} of {total:.0}: {}",
            params.progress.floor(),
            params.message.unwrap_or_default()
        ));
    }
}

struct Demo {
    client: RunningService<RoleClient, DemoClient>,
    human: Human,
    number: usize,
    full: bool,
}

impl Demo {
    /// SQL on the main branch: rows in, a deletion that the human doesn't want, rows out.
    async fn sql(&mut self, project: &str) -> anyhow::Result<()> {
        let on_main = |sql: &str| json!({"project_id": project, "branch_id": "main", "sql": sql});
        self.call(
            "run_sql",
            on_main("CREATE TABLE customers (id int PRIMARY KEY, name text)"),
        )
        .await?;
        self.step(
            "Put rows into a table of the main branch",
            "run_sql",
            on_main("INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace')"),
        )
        .await?;
        self.human.will_answer(None);
        let refused = self
            .refused(
                "Try to empty it, which the human doesn't want",
                "run_sql",
                on_main("DELETE FROM customers"),
            )
            .await?;
        print(&format!("     refused: {}", text(&refused, "/error/message")?));
        let kept = self
            .step(
                "The rows are still there; they come as data, inside a fence",
                "run_sql",
                on_main("SELECT * FROM customers ORDER BY id"),
            )
            .await?;
        for line in text(&kept, "/result/rows")?.lines() {
            print(&format!("     {line}"));
        }
        Ok(())
    }

    /// The daily job, step by step.
    async fn job(&mut self, sandbox: &Sandbox) -> anyhow::Result<()> {
        let tools = self.client.list_all_tools().await?;
        print(&format!("It offers {} tools.", tools.len()));

        let organizations = self
            .step("Which organizations are there?", "list_organizations", json!({}))
            .await?;
        let organization = text(&organizations, "/result/organizations/0/id")?;
        let created = self
            .step(
                "Create a project, and wait until it is ready",
                "create_project",
                json!({"name": "shop", "org_id": organization}),
            )
            .await?;
        let project = text(&created, "/result/project/id")?;
        self.step("List the projects", "list_projects", json!({"org_id": organization}))
            .await?;

        let tomorrow =
            (chrono::Utc::now() + chrono::TimeDelta::hours(24)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        self.step(
            "Create a branch with a compute, which Neon deletes tomorrow by itself",
            "create_branch",
            json!({"project_id": project, "name": "add-orders", "expires_at": tomorrow}),
        )
        .await?;
        self.step(
            "Add a role on the branch (named, not by its id)",
            "create_role",
            json!({"project_id": project, "branch_id": "add-orders", "name": "orders_app"}),
        )
        .await?;
        self.step(
            "Add a database that the role owns",
            "create_database",
            json!({"project_id": project, "branch_id": "add-orders", "name": "orders", "owner_name": "orders_app"}),
        )
        .await?;
        self.step(
            "Get a connection string",
            "get_connection_string",
            json!({"project_id": project, "branch_id": "add-orders", "database_name": "orders", "role_name": "orders_app"}),
        )
        .await?;

        if sandbox.postgres_version().is_some() {
            self.step(
                "Make a table on the branch with SQL",
                "run_sql",
                json!({
                    "project_id": project, "branch_id": "add-orders", "database_name": "neondb",
                    "sql": "CREATE TABLE orders (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, placed_at timestamptz DEFAULT now())",
                }),
            )
            .await?;
        } else {
            // Without a Postgres, what a migration would leave is put into the sandbox directly.
            print("\n   (no PostgreSQL here: the sandbox is given the table that SQL on the branch would have made)");
            let branches = self
                .call("list_branches", json!({"project_id": project, "search": "add-orders"}))
                .await?
                .0;
            let branch = text(&branches, "/result/branches/0/id")?;
            give_schema(sandbox, &project, &branch).await?;
        }
        let compared = self
            .step(
                "Compare the branch's schema with its parent's",
                "compare_database_schema",
                json!({"project_id": project, "branch_id": "add-orders", "db_name": "neondb"}),
            )
            .await?;
        for line in text(&compared, "/result/diff")?.lines() {
            print(&format!("     {line}"));
        }
        self.step(
            "Take a snapshot of the main branch",
            "create_snapshot",
            json!({"project_id": project, "branch_id": "main", "name": "before-orders"}),
        )
        .await?;
        if sandbox.postgres_version().is_some() {
            self.sql(&project).await?;
        }

        let deleted = self
            .step(
                "Delete the branch: Neon would delete it tomorrow anyway, so nobody is asked",
                "delete_branch",
                json!({"project_id": project, "branch_id": "add-orders"}),
            )
            .await?;
        print(&format!(
            "     the way back: {}",
            deleted.get("undo").unwrap_or(&Value::Null)
        ));

        self.human.will_answer(None);
        let refused = self
            .refused(
                "Try to delete the project, which the human doesn't want",
                "delete_project",
                json!({"project_id": project}),
            )
            .await?;
        print(&format!("     refused: {}", text(&refused, "/error/message")?));
        let (still_there, is_error) = self.call("describe_project", json!({"project_id": project})).await?;
        ensure!(!is_error, "the project is gone: {still_there}");
        print("     the project is still there");

        self.human.will_answer(Some(json!({"name": "shop"})));
        let deleted = self
            .step(
                "Delete the project, now that the human types its name",
                "delete_project",
                json!({"project_id": project}),
            )
            .await?;
        print(&format!(
            "     the way back: {}",
            deleted.get("undo").unwrap_or(&Value::Null)
        ));
        Ok(())
    }

    /// A step that must be refused.
    async fn refused(&mut self, about: &str, tool: &'static str, arguments: Value) -> anyhow::Result<Value> {
        self.number += 1;
        print(&format!("\n{:>2}. {about}\n     {tool} {arguments}", self.number));
        let (value, is_error) = self.call(tool, arguments).await?;
        ensure!(is_error, "{tool} was not refused: {value}");
        Ok(value)
    }

    /// One step: says what it is about, calls the tool, prints what matters. An error ends the demo.
    async fn step(&mut self, about: &str, tool: &'static str, arguments: Value) -> anyhow::Result<Value> {
        self.number += 1;
        print(&format!("\n{:>2}. {about}\n     {tool} {arguments}", self.number));
        let (value, is_error) = self.call(tool, arguments).await?;
        if is_error {
            bail!("{tool} failed: {value:#}");
        }
        if self.full {
            print(&format!("{value:#}"));
        } else {
            brief(&value).iter().for_each(|line| print(&format!("     {line}")));
        }
        Ok(value)
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> anyhow::Result<(Value, bool)> {
        let arguments: Map<String, Value> = arguments.as_object().cloned().unwrap_or_default();
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result: CallToolResult = self.client.call_tool(request).await.with_context(|| tool)?;
        let value = result.structured_content.context("a result has structured content")?;
        Ok((value, result.is_error.unwrap_or(false)))
    }
}

/// Puts a table into the sandbox's `neondb` on a branch, through the route that only the sandbox has.
async fn give_schema(sandbox: &Sandbox, project: &str, branch: &str) -> anyhow::Result<()> {
    // A provider that is installed already serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sql = "CREATE TABLE public.orders (\n    id bigint NOT NULL,\n    total numeric(10,2)\n);\n";
    reqwest::Client::builder()
        .no_proxy()
        .build()?
        .put(format!("{}/schema", sandbox.admin_url()))
        .bearer_auth(sandbox.api_key())
        .json(&json!({"project_id": project, "branch_id": branch, "database_name": "neondb", "sql": sql}))
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

/// The text at a pointer.
fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("{pointer} is missing in {value}"))
}

/// What matters in a result, a line each.
fn brief(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(result) = value.get("result").and_then(Value::as_object) {
        for (name, part) in result {
            match part {
                Value::Object(part) => lines.push(format!("{name}: {}", fields(part))),
                Value::Array(items) => {
                    for item in items.iter().take(3) {
                        lines.push(match item {
                            Value::Object(item) => format!("{name}: {}", fields(item)),
                            item => format!("{name}: {item}"),
                        });
                    }
                    if items.len() > 3 {
                        lines.push(format!("{name}: … {} in all", items.len()));
                    }
                }
                Value::String(text) if text.contains('\n') => {}
                part => lines.push(format!("{name}: {part}")),
            }
        }
    }
    let operations = value.get("operations").and_then(Value::as_array);
    for operation in operations.into_iter().flatten() {
        let field = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("operation: {} {}", field("action"), field("status")));
    }
    lines
}

fn fields(object: &Map<String, Value>) -> String {
    const FIRST: [&str; 9] = [
        "id",
        "name",
        "action",
        "status",
        "current_state",
        "host",
        "type",
        "owner_name",
        "expires_at",
    ];
    let shown = FIRST.iter().filter_map(|name| match object.get(*name)? {
        Value::String(text) => Some(format!("{name}={text}")),
        Value::Null => None,
        value => Some(format!("{name}={value}")),
    });
    shown.collect::<Vec<_>>().join(" ")
}
