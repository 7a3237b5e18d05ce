//! The schema of a tool's results: what every result has, and the fields that are kept of Neon's answer, with their types.
//!
//! It is small, and true of every result, also of errors: it names no field that can be of another type, and closes nothing, for
//! Neon may add fields.

use serde_json::{Map, Value, json};

use super::declaration::{Content, Keep};
use super::tool::Tool;

// The fields that declarations keep and that have one type wherever they stand in Neon's answers, by its OpenAPI file, and are never
// null. What isn't here is told without a type, by being left out.
#[rustfmt::skip]
const STRINGS: [&str; 71] = [
    "action", "authentication_method", "branch_id", "compute_last_active_at", "compute_release_version",
    "consumption_period_end", "consumption_period_start", "created_at", "current_state", "deactivated_at",
    "deleted_at", "description", "detail", "email", "endpoint_id", "error", "facing", "grant_source", "granted_at",
    "granted_to_email", "handle", "hipaa_enabled_at", "host", "init_source", "invited_at", "invited_by",
    "invocation_url", "joined_at", "jwks_url", "jwt_audience", "last_active", "last_name", "last_reset_at",
    "last_used_from_addr", "level", "library_name", "maintenance_scheduled_for", "maintenance_starts_at",
    "member_id", "name", "org_id", "org_role", "owner_name", "parent_id", "parent_lsn", "parent_timestamp",
    "pending_state", "plan", "project_id", "project_role", "provider_name", "quota_reset_at_last",
    "recoverable_until", "region_id", "remediation", "restore_status", "restored_as", "restored_from", "role",
    "slug", "source_branch_id", "started_at", "state", "status", "subscription_type", "suspended_at", "title",
    "type", "updated_at", "user_id", "version",
];

#[rustfmt::skip]
const INTEGERS: [&str; 16] = [
    "active_seconds_limit", "active_time_seconds", "branch_logical_size_limit_bytes", "branches_limit",
    "compute_seconds_limit", "compute_time_seconds", "data_storage_bytes_hour", "data_transfer_bytes", "full_size",
    "history_retention_seconds", "logical_size", "pg_version", "projects_limit", "suspend_timeout_seconds",
    "synthetic_storage_size", "written_data_bytes",
];

#[rustfmt::skip]
const NUMBERS: [&str; 3] = [
    "autoscaling_limit_max_cu", "autoscaling_limit_min_cu", "max_autoscaling_limit",
];

#[rustfmt::skip]
const BOOLEANS: [&str; 12] = [
    "credential_rotation_recommended", "default", "disabled", "has_mfa", "is_default", "is_experimental", "manual",
    "org_api_key_rotation_recommended", "passwordless_access", "protected", "revoked", "store_passwords",
];

#[rustfmt::skip]
const ARRAYS: [&str; 21] = [
    "branches", "categories", "databases", "endpoints", "functions", "invitations", "issues", "jwks", "libraries",
    "members", "operations", "organizations", "project_members", "project_permissions", "projects", "regions",
    "restricted_actions", "role_names", "roles", "snapshots", "unavailable_project_ids",
];

#[rustfmt::skip]
const OBJECTS: [&str; 18] = [
    "active_deployment", "annotation", "billing_account", "branch", "created_by", "current_deployment",
    "default_endpoint_settings", "endpoint", "function", "member", "owner", "pg_settings", "preload_libraries",
    "project", "recovery", "settings", "user", "value",
];

/// The type of a field in Neon's answers, where it has one wherever it stands.
#[must_use]
pub fn type_of_field(name: &str) -> Option<&'static str> {
    let types: [(&str, &[&str]); 6] = [
        ("string", &STRINGS),
        ("integer", &INTEGERS),
        ("number", &NUMBERS),
        ("boolean", &BOOLEANS),
        ("array", &ARRAYS),
        ("object", &OBJECTS),
    ];
    types
        .into_iter()
        .find_map(|(kind, names)| names.contains(&name).then_some(kind))
}

/// What every result has: of a tool of the catalogue, and of those that the server has beside it.
#[must_use]
pub fn envelope(fields: Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("service".to_owned(), json!({"type": "string"}));
    properties.extend(fields);
    properties.insert(
        "notes".to_owned(),
        json!({"type": "array", "items": {"type": "string"}}),
    );
    properties.insert("error".to_owned(), json!({"type": "object"}));
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("required".to_owned(), json!(["service"]));
    schema.insert("properties".to_owned(), properties.into());
    schema
}

/// The schema of a tool's results.
#[must_use]
pub fn output_schema(tool: &Tool) -> Map<String, Value> {
    let output = &tool.declaration.output;
    let mut fields = Map::new();
    let mut put = |name: &str, schema: Value| fields.insert(name.to_owned(), schema);
    if output.done.is_some() {
        put("done", json!({"type": "string"}));
    }
    if let Some(result) = result(tool) {
        put("result", result);
    }
    if !output.state.is_empty() {
        put("state", json!({"type": "object"}));
    }
    if output.pages.is_some() {
        let page = json!({
            "returned": {"type": "integer"},
            "total": {"type": "integer"},
            "next_cursor": {"type": "string"}
        });
        put("page", json!({"type": "object", "properties": page}));
    }
    if output.waits {
        put("operations", json!({"type": "array", "items": {"type": "object"}}));
    }
    envelope(fields)
}

/// The schema of what stands in `result`, where it is always an object.
fn result(tool: &Tool) -> Option<Value> {
    let output = &tool.declaration.output;
    if output.content == Content::Bytes {
        let properties = json!({
            "size": {"type": "integer"},
            "encoding": {"type": "string"},
            "content": {"type": "string"}
        });
        return Some(json!({"type": "object", "properties": properties}));
    }
    if tool.declaration.workflow.is_some() {
        return None;
    }
    match (&output.wrap, &output.keep) {
        (Some(name), keep) => {
            let item = keep.as_ref().map_or_else(|| json!({"type": "object"}), kept);
            let list = json!({"type": "array", "items": item});
            Some(json!({"type": "object", "properties": {name.as_str(): list}}))
        }
        (None, Some(keep)) => Some(kept(keep)),
        (None, None) => None,
    }
}

/// The schema of the part of an answer that is kept. What it names without a type of its own is left out.
fn kept(keep: &Keep) -> Value {
    let field = |name: &str, keep: Option<&Keep>| -> Option<Value> {
        let inner = || keep.map_or_else(|| json!({"type": "object"}), kept);
        Some(match (type_of_field(name)?, keep) {
            // Of what, isn't said.
            ("array", None) => return None,
            ("array", Some(_)) => json!({"type": "array", "items": inner()}),
            ("object", _) => inner(),
            (kind, _) => json!({"type": kind}),
        })
    };
    let mut properties = Map::new();
    match keep {
        Keep::All(_) => {}
        Keep::Fields(names) => {
            let fields = names.iter().filter_map(|name| Some((name.clone(), field(name, None)?)));
            properties.extend(fields);
        }
        Keep::Tree(tree) => {
            let fields = tree.iter().filter_map(|(name, keep)| {
                let keep = (!matches!(keep, Keep::All(_))).then_some(keep);
                Some((name.clone(), field(name, keep)?))
            });
            properties.extend(fields);
        }
    }
    json!({"type": "object", "properties": properties})
}
