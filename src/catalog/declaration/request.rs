//! What a call sends, and what its arguments must be for that.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place::Place;
use crate::catalog::condition::Condition;
use crate::neon::Method;

/// What a call sends: how its arguments are checked, resolved to ids, placed and written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDeclaration {
    /// The HTTP method.
    pub method: Method,
    /// The path below the API's base, with `{placeholders}` that are arguments.
    pub path: String,
    /// What the published schema can't say: checked after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Arguments that are texts of many lines, where their schema doesn't say so by a `contentMediaType`: SQL and its values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Arguments that hold the id or the name of something, beside those in the path whose name says what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolve: BTreeMap<String, Resource>,
    /// Arguments with what they are where a call leaves them out, as a caller would write it. Only of what reads, and their descriptions
    /// say it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, Value>,
    /// The argument that is the project's default branch where it is left out. Only of what reads: a change never falls back to a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    /// `database_name` and `role_name` are the branch's only database, and its owner, where they are left out. Of several databases, what
    /// reads, or tries something on a copy, takes `neondb`, and what changes something none: the call is refused, and says which there are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default_database: bool,
    /// Of those, the arguments that name something deleted: looked for among what can be recovered, never among what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among_deleted: Vec<String>,
    /// The argument that names the organization and may be left out: where the key reaches only one, it is that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fills: Option<String>,
    /// Other names under which an argument is taken, each with its own name: those of Neon's API and of Neon's own MCP server, where
    /// they differ by more than the case. [`SHARED_ALIASES`] holds for every tool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Where an argument goes when the method doesn't say it: see [`Place`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bind: BTreeMap<String, Place>,
    /// Values that the request carries without being arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Constant>,
    /// How the body is written.
    #[serde(default, skip_serializing_if = "BodyForm::is_json")]
    pub body: BodyForm,
}

impl RequestDeclaration {
    /// Whether an argument that is left out is there all the same once a call is judged.
    #[must_use]
    pub fn fills_in(&self, argument: &str) -> bool {
        self.fills.as_deref() == Some(argument)
            || self.default_branch.as_deref() == Some(argument)
            || (self.default_database && matches!(argument, "database_name" | "role_name"))
    }
}

/// Other names of arguments that mean the same whatever the tool.
pub const SHARED_ALIASES: [(&str, &str); 16] = [
    ("db_name", "database_name"),
    ("database", "database_name"),
    ("role", "role_name"),
    ("compute_id", "endpoint_id"),
    ("organization_id", "org_id"),
    ("branch_id_or_name", "branch_id"),
    ("sql_statements", "statements"),
    ("query", "search"),
    ("search", "query"),
    ("table_name", "table"),
    ("schema_name", "schema"),
    ("migration_sql", "sql"),
    ("migration_id", "migration"),
    ("tuning_id", "tuning"),
    ("handle", "migration"),
    ("handle", "tuning"),
];

/// A rule over the arguments that the published schema doesn't carry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The arguments must fit this JSON Schema.
    pub schema: Condition,
    /// What is said when they don't.
    pub message: String,
}

/// Something of Neon's that has an id. Where it has a name too, an argument takes either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// An organization: id or name.
    Organization,
    /// A project: id or name.
    Project,
    /// A branch: id or name.
    Branch,
    /// A compute endpoint: id or name.
    Endpoint,
    /// A snapshot: id or name.
    Snapshot,
    /// A personal API key: id or name.
    ApiKey,
    /// An API key of an organization: id or name.
    OrganizationApiKey,
    /// A member of an organization: id or e-mail address.
    OrganizationMember,
    /// A member of the organization, in a project: id or e-mail address.
    ProjectMember,
    /// A permission on a project: id, or the e-mail address that has it.
    ProjectPermission,
    /// A VPC endpoint of an organization: id or label.
    OrganizationVpcEndpoint,
    /// A VPC endpoint of a project: id or label.
    ProjectVpcEndpoint,
    /// A JWKS of a project: id, name of its provider, or URL.
    Jwks,
    /// A credential of a branch: id or name.
    Credential,
    /// A trigger of a branch: id or name.
    Trigger,
}

/// A value that the request carries without being an argument.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Where it goes.
    pub at: Place,
    /// What goes there.
    pub value: Value,
    /// Only when the arguments fit this JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// How a body is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BodyForm {
    /// JSON.
    #[default]
    Json,
    /// `multipart/form-data`: each top-level field of the body is a part, a text as it is, all else as JSON.
    Multipart {
        /// The parts that are files, by field.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        files: BTreeMap<String, FileSource>,
    },
}

impl BodyForm {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }

    /// The parts that are files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileSource)> {
        match self {
            Self::Json => None,
            Self::Multipart { files } => Some(files),
        }
        .into_iter()
        .flatten()
        .map(|(field, source)| (field.as_str(), source))
    }
}

/// Where a file in a body comes from: two arguments, of which a call gives at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// The argument that names a file in the folder that the operator allowed (`--files-dir`), 32 MiB at most.
    pub path: String,
    /// The argument that holds the file itself in base64, 64 KiB at most.
    pub base64: String,
    /// The name that it is sent under.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// The bytes that it begins with, in hexadecimal: what doesn't is no such file, and isn't sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
}
