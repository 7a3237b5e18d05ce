//! What a policy file may say: the types that the schema and the reference are made from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::Pins;
use crate::guard::Effect;

/// The operator's policy. Every key may be left out; a file of comments changes nothing about the defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "neon-mcp policy")]
pub(super) struct PolicyFile {
    /// Offers only tools that change nothing and hand over no secret. A call of such a tool that would do more after all
    /// is denied.
    pub read_only: bool,
    /// Nothing changes as long as this is set: every call that would change something is denied with this reason. The
    /// tools stay listed. Control characters are dropped, and 200 characters are shown.
    #[schemars(with = "String", length(min = 1))]
    pub freeze: Option<String>,
    /// Calls that would change something answer with what they would send, and send nothing.
    pub dry_run: bool,
    /// Ids of the only projects that calls may name. A tool that isn't about one project is denied when it changes
    /// something or hands over a secret (`create_project`); reading tools that name no project stay, and lists of projects
    /// show only these.
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = r"^[a-z0-9-]{1,60}$")))]
    pub allowed_projects: Option<Vec<String>>,
    /// Ids of the only organizations that calls may name, and whose projects calls may be about. A call that
    /// changes something must name an organization or a project. Where Neon doesn't tell whose a project is, as with a
    /// deleted one, the call is denied.
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = r"^[a-z0-9-]{1,60}$")))]
    pub allowed_organizations: Option<Vec<String>>,
    /// Branches that count as protected whatever Neon says, by name: `*` stands for any run of characters, `?` for one.
    /// Upper and lower case differ, and the pattern is of the whole name.
    #[schemars(inner(length(min = 1, max = 256)))]
    pub protected_branches: Vec<String>,
    /// The only branches that calls may reach, to read as to change: by name (patterns as above), by id, or as `@default` and
    /// `@protected`, which mean the branches that are so at the time of the call. A throwaway branch that was made of one of them
    /// counts, too. What a call reaches is more than what it names: the branch of a compute, the source of a snapshot, the parent
    /// that a branch is made or reset from, the default branch where none is named. A tool that changes something and is about
    /// no branch (`update_project`, `create_api_key`) is denied; lists of a project's branches stay whole.
    #[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1, max = 256)))]
    pub allowed_branches: Option<Vec<String>>,
    /// Branches that no call may reach, written as in `allowed_branches`. Never production, whatever it is called:
    /// `denied_branches = ["@default", "@protected"]`. No branch is made of one either, since a copy has its data.
    #[schemars(inner(length(min = 1, max = 256)))]
    pub denied_branches: Vec<String>,
    /// The only roles of Postgres that calls may name, by name (patterns as above): no other role's connection string or password
    /// is handed over, none is reset, and no SQL runs as another. SQL that takes another role or changes roles is denied, and so is SQL
    /// that makes code (`CREATE FUNCTION`) or runs code that is made at run time (`DO`, `PREPARE`).
    /// A call that names no role takes the owner of the database, who must be one of them.
    #[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1, max = 256)))]
    pub allowed_roles: Option<Vec<String>>,
    /// The only databases that calls may name and SQL runs in, by name (patterns as above).
    #[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1, max = 256)))]
    pub allowed_databases: Option<Vec<String>>,
    /// What flags fix: no key of a file.
    #[serde(skip)]
    pub pins: Pins,
    /// What happens with calls of an effect. The effect is that of the call: some calls do more than their tool usually does.
    pub effects: EffectRules,
    /// What happens with calls of a tool, by its name (`neon-mcp tools --toolsets all` lists them).
    pub tools: BTreeMap<String, Action>,
    /// Bounds on what calls may use.
    pub caps: Caps,
    /// Who may approve a call that asks, and how long that takes.
    pub approval: Approval,
    /// Copies of what is about to be lost.
    pub safety_copy: SafetyCopies,
    /// What SQL may do before a human is asked.
    pub sql: SqlRules,
}

/// What happens with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// It runs without a question.
    Allow,
    /// A human must approve it first.
    RequireApproval,
    /// It doesn't run, whoever approves it.
    Deny,
}

/// Rules by effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EffectRules {
    /// Calls that change nothing.
    #[schemars(with = "Action")]
    pub read: Option<Action>,
    /// Calls that add something, or change what can be changed back.
    #[schemars(with = "Action")]
    pub write: Option<Action>,
    /// Calls that give someone access, open a way out for data, change what is spent, or move ownership.
    #[schemars(with = "Action")]
    pub access: Option<Action>,
    /// Calls that lose data or access, break clients, or can't be taken back.
    #[schemars(with = "Action")]
    pub destructive: Option<Action>,
}

impl EffectRules {
    /// What is written about an effect.
    pub fn of(&self, effect: Effect) -> Option<Action> {
        match effect {
            Effect::Read => self.read,
            Effect::Write => self.write,
            Effect::Access => self.access,
            Effect::Destructive => self.destructive,
        }
    }
}

/// Bounds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Caps {
    /// How far away, in hours, the expiry that a call gives a branch may be. Without this key Neon's own limit
    /// of 720 hours holds.
    #[schemars(with = "u64", range(min = 1, max = 720))]
    pub throwaway_lifetime_hours: Option<u64>,
    /// The most branches of a project: a call that would add one more is denied.
    #[schemars(with = "u64", range(min = 1))]
    pub branches_per_project: Option<u64>,
    /// The largest compute that a call may ask for, in compute units: every argument that ends in `_cu` is held to it. What
    /// a project's computes get when a call names no size isn't.
    #[schemars(with = "f64", range(min = 0.25, max = 56.0))]
    pub compute_cu: Option<f64>,
    /// The most changes in a minute, of all callers together.
    #[schemars(with = "u32", range(min = 1, max = 600))]
    pub changes_per_minute: Option<u32>,
}

/// Bounds on SQL that nobody is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SqlRules {
    /// How many rows of a table SQL may delete or change before a human is asked, on every branch that isn't a throwaway; and never
    /// more than a tenth of a table, but for a single row. On a protected branch every deletion asks. Default: 100.
    #[schemars(with = "u64", range(min = 0, max = 1_000_000))]
    pub unasked_rows: Option<u64>,
}

/// How a human is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Approval {
    /// Where a human may approve calls: in the MCP client, with `neon-mcp approve` in a terminal, on the approval page. An empty
    /// list means that nobody may, so that what asks never runs. Default: all three.
    #[schemars(with = "Vec<Channel>")]
    pub channels: Option<Vec<Channel>>,
    /// How long a question waits for an answer, in seconds. Default: 300.
    #[schemars(with = "u64", range(min = 10, max = 3600))]
    pub question_seconds: Option<u64>,
    /// How long a call waits, in seconds, where another human than the caller's own must come and approve it: where `approvers` names
    /// who may, or `own_calls` is `false`. Default: `question_seconds` where that is given, else 1800.
    #[schemars(with = "u64", range(min = 10, max = 86400))]
    pub approver_seconds: Option<u64>,
    /// How long an approval that was given elsewhere waits for the call to be repeated, in seconds. Default: 300.
    #[schemars(with = "u64", range(min = 10, max = 3600))]
    pub approval_seconds: Option<u64>,
    /// Lets `neon-mcp approve --yes` approve without a terminal.
    pub without_terminal: bool,
    /// A file with the secret of the approval page; a relative path starts at this file's directory. Without one, every
    /// question has a secret of its own in the server's log.
    #[schemars(with = "String", length(min = 1))]
    pub page_secret_file: Option<PathBuf>,
    /// Whether callers may approve their own calls. With `false` another person must: what the caller's client asks its own human
    /// doesn't count then, nor does what the caller approves on the page, nor where nobody can tell the caller from who approves (see
    /// docs/http.md). Default: true.
    #[schemars(with = "bool")]
    pub own_calls: Option<bool>,
    /// Who may approve what: an approval counts where one of these fits both the approver and the call. Without any, whoever reaches
    /// a channel may approve; where approvers sign in on the page, callers may approve their own calls there, and nobody else's.
    #[schemars(length(max = 100))]
    pub approvers: Vec<ApproverRule>,
}

/// Some approvers, and what they may approve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApproverRule {
    /// Who, by the names that the audit log has: `ISSUER SUBJECT`, `token NAME`, `stdio`, or `cli` for the terminal of whoever runs
    /// the server. With neither these nor groups: everybody.
    #[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1, max = 1024)))]
    pub principals: Option<Vec<String>>,
    /// Everybody who is in one of these groups, as the issuer names them.
    #[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1, max = 256)))]
    pub groups: Option<Vec<String>>,
    /// Through which channels. Default: all that `approval.channels` has.
    #[schemars(with = "Vec<Channel>", length(min = 1))]
    pub channels: Option<Vec<Channel>>,
    /// Calls of these effects. Default: all.
    #[schemars(with = "Vec<Effect>", length(min = 1))]
    pub effects: Option<Vec<Effect>>,
    /// Calls of these tools. Default: all.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub tools: Option<Vec<String>>,
    /// Calls that name one of these projects, by id. Default: all.
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = r"^[a-z0-9-]{1,60}$")))]
    pub projects: Option<Vec<String>>,
}

/// Where a human may approve calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// In the MCP client.
    Client,
    /// In a terminal, with `neon-mcp approve`.
    Terminal,
    /// On the approval page.
    Page,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Client, Self::Terminal, Self::Page];

    /// The name in a policy file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Terminal => "terminal",
            Self::Page => "page",
        }
    }
}

/// Copies of what is about to be lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SafetyCopies {
    /// Before which calls a copy of the branch is made, where Neon has one: a call isn't sent when its copy fails. A copy is
    /// a snapshot, or for a branch with a parent a branch of its own, and stays until someone deletes it; the caps on branches and
    /// their lifetime don't count for it.
    pub before: CopiedBefore,
}

/// Before which calls a copy is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CopiedBefore {
    /// Before none.
    #[default]
    None,
    /// Before destructive calls that ask (a throwaway branch is not copied).
    Destructive,
}
