//! The project that a sandbox has ready, made as any client would make it: through the API.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use local_files::open_given;
use local_postgres::Install;

use crate::Sandbox;

/// How long the project may take: the first one of a machine waits for `initdb`.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at its operations: at first, and later. The sandbox limits requests as Neon does.
const LOOKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

/// From when on it is later.
const LATER: Duration = Duration::from_secs(2);

/// A project that is ready.
pub(super) struct Ready {
    /// Where its database is.
    pub(super) database_url: String,
    /// Whether it was made now, and not kept from before.
    pub(super) is_new: bool,
}

/// The oldest project, made where there is none. Nothing where somebody deleted what there was: a folder that is kept stays as it was
/// left.
pub(super) async fn ready(api: &Api) -> anyhow::Result<Option<Ready>> {
    let organizations = api.call(Method::GET, "/users/me/organizations", None).await?;
    let organization = text(&organizations, "/organizations/0/id")?;
    if let Some(id) = api.oldest_project(&organization, false).await? {
        let database_url = api.database_url(&id).await?;
        return Ok(Some(Ready {
            database_url,
            is_new: false,
        }));
    }
    if api.oldest_project(&organization, true).await?.is_some() {
        return Ok(None);
    }
    let body = json!({ "project": { "name": "sandbox", "org_id": organization } });
    let made = api.call(Method::POST, "/projects", Some(body)).await?;
    let id = text(&made, "/project/id")?;
    api.wait(&id).await?;
    Ok(Some(Ready {
        database_url: text(&made, "/connection_uris/0/connection_uri")?,
        is_new: true,
    }))
}

/// Runs a file with `psql`, all of it or up to the first error, which has its line. As all programs of the PostgreSQL, which may have
/// been fetched, it runs as the user of the servers, never as root, and gets nothing of our environment.
pub(super) async fn seed(postgres: &Install, database_url: &str, file: &Path) -> anyhow::Result<()> {
    let url = Url::parse(database_url).context("the project's address can't be read")?;
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut command = postgres.command("psql");
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"]);
    // Another user reads what we have opened, and may not be able to reach the file, or the folder in which we run.
    let (named, input) = match postgres.owner {
        Some(_) => (Path::new("-"), Stdio::from(open_given(file)?)),
        None => (file, Stdio::null()),
    };
    command.arg(named).stdin(input);
    if let (None, Ok(here)) = (postgres.owner, std::env::current_dir()) {
        command.current_dir(here);
    }
    let output = Command::from(command)
        .env("PGHOST", url.host_str().unwrap_or_default())
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGUSER", plain(url.username()))
        .env("PGPASSWORD", plain(url.password().unwrap_or_default()))
        .env("PGDATABASE", plain(url.path().trim_start_matches('/')))
        .env("PGSSLMODE", "disable")
        // Standard output is for what others read: what the file's queries return is not for them.
        .stdout(Stdio::from(std::io::stderr()))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("can't run {}", postgres.program("psql").display()))?;
    let said = String::from_utf8_lossy(&output.stderr).replace("psql:<stdin>:", &format!("psql:{}:", file.display()));
    if !output.status.success() {
        bail!("{} can't be run whole: {}", file.display(), said.trim());
    }
    if !said.trim().is_empty() {
        tracing::warn!("{}", said.trim());
    }
    Ok(())
}

/// The API of a sandbox.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    pub(super) fn of(sandbox: &Sandbox) -> anyhow::Result<Self> {
        // There may be a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            base: sandbox.api_url(),
            key: sandbox.api_key().to_owned(),
        })
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        if status.is_success() {
            Ok(answer)
        } else {
            bail!("{path}: {status}: {}", text(&answer, "/message").unwrap_or_default())
        }
    }

    /// The oldest of those that are there, or of those that were deleted and can be recovered.
    async fn oldest_project(&self, organization: &str, deleted: bool) -> anyhow::Result<Option<String>> {
        let path = format!("/projects?limit=400&org_id={organization}&recoverable={deleted}");
        let page = self.call(Method::GET, &path, None).await?;
        let oldest = page
            .get("projects")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .min_by_key(|project| text(project, "/created_at").unwrap_or_default());
        oldest.map(|project| text(project, "/id")).transpose()
    }

    /// The address of the first database of a project's default branch.
    async fn database_url(&self, project: &str) -> anyhow::Result<String> {
        let path = format!("/projects/{project}/branches");
        let branches = self.call(Method::GET, &path, None).await?;
        let branch = branches
            .get("branches")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|branch| branch.get("default") == Some(&Value::Bool(true)))
            .with_context(|| format!("{project} has no default branch"))?;
        let branch = text(branch, "/id")?;
        let databases = self
            .call(Method::GET, &format!("{path}/{branch}/databases"), None)
            .await?;
        let name = text(&databases, "/databases/0/name").context("the default branch has no database")?;
        let owner = text(&databases, "/databases/0/owner_name")?;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("branch_id", &branch)
            .append_pair("database_name", &name)
            .append_pair("role_name", &owner)
            .finish();
        let answer = self
            .call(
                Method::GET,
                &format!("/projects/{project}/connection_uri?{query}"),
                None,
            )
            .await?;
        text(&answer, "/uri")
    }

    /// Waits until a project's operations have ended.
    async fn wait(&self, project: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let path = format!("/projects/{project}/operations");
            let page = self.call(Method::GET, &path, None).await?;
            let operations: Vec<&Value> = page
                .get("operations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .collect();
            let stands = |operation: &&&Value, status: &str| text(operation, "/status").is_ok_and(|is| is == status);
            if let Some(failed) = operations.iter().find(|operation| stands(operation, "failed")) {
                bail!(
                    "the first project can't be made: {}",
                    text(failed, "/error").unwrap_or_default()
                );
            }
            if operations.iter().all(|operation| stands(&operation, "finished")) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("the first project wasn't ready after {} seconds", PATIENCE.as_secs());
            }
            let [soon, later] = LOOKS;
            tokio::time::sleep(if began.elapsed() < LATER { soon } else { later }).await;
        }
    }
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("the sandbox's answer has no {pointer}"))
}

/// What `--seed-sql` names, to be there before anything starts.
pub(super) fn check_seed(file: Option<&PathBuf>) -> anyhow::Result<()> {
    if let Some(file) = file {
        open_given(file).with_context(|| format!("can't read {}", file.display()))?;
    }
    Ok(())
}
