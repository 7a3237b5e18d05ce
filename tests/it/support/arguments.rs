//! Valid arguments for any tool, made from its schema.

use neon_mcp::catalog::Tool;
use serde_json::{Map, Value, json};

use super::world::World;

/// Arguments that fit the tool's schema and rules: the required ones, and with `all` every one that can stand beside them.
pub fn arguments(tool: &Tool, all: bool) -> Map<String, Value> {
    let properties = tool.input["properties"].as_object().expect("properties");
    let required: Vec<&str> = tool
        .input
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut given = Map::new();
    for (name, schema) in properties.iter().filter(|(name, _)| required.contains(&name.as_str())) {
        given.insert(name.clone(), value(name, schema));
    }
    let rules: Vec<jsonschema::Validator> = tool
        .declaration
        .request
        .rules
        .iter()
        .map(|rule| jsonschema::draft202012::new(&Value::Object((*rule.schema).clone())).expect("a rule"))
        .collect();
    let broken = |given: &Map<String, Value>| {
        let value = Value::Object(given.clone());
        rules.iter().filter(|rule| !rule.is_valid(&value)).count()
    };
    for (name, schema) in properties.iter().filter(|(name, _)| !required.contains(&name.as_str())) {
        // Here no key tells which organization is its own.
        let is_filled = tool.declaration.request.fills.as_ref() == Some(name);
        if name == "cursor" || (!all && broken(&given) == 0 && !is_filled) {
            continue;
        }
        let before = broken(&given);
        let mut with = given.clone();
        with.insert(name.clone(), value(name, schema));
        if ((all || is_filled) && broken(&with) <= before) || broken(&with) < before {
            given = with;
        }
    }
    apart(tool.name(), &mut given);
    assert_eq!(
        broken(&given),
        0,
        "{}: no arguments fit its rules: {given:?}",
        tool.name()
    );
    given
}

/// What a call makes isn't there yet, and what it takes from elsewhere is elsewhere: otherwise nobody would be asked.
fn apart(tool: &str, given: &mut Map<String, Value>) {
    let other = match tool {
        "restore_branch" => json!({"source_branch_id": "br-root"}),
        // Trials of migrations are its children.
        "reset_from_parent" => json!({"preserve_under_name": "kept"}),
        "provision_neon_auth" | "provision_neon_data_api" | "set_backup_schedule" => json!({"branch_id": "br-root"}),
        "add_auth_domain" => json!({"domain": "https://other.example.com"}),
        "add_auth_oauth_provider" => {
            json!({"oauth_provider_id": "github", "client_id": "an-app", "client_secret": "of-the-app"})
        }
        "update_auth_oauth_provider" => json!({"client_id": "another-app"}),
        "update_database" => json!({"name": "renamed"}),
        "add_project_jwks" => json!({"jwks_url": "https://other.example.com/jwks.json"}),
        "add_custom_domain" => json!({"domain": "other.example.com"}),
        "create_bucket" | "create_role" | "create_database" => json!({"name": "fresh"}),
        "create_compute" => json!({"type": "read_only"}),
        "transfer_projects" => json!({"destination_org_id": "org-other-12345678"}),
        _ => return,
    };
    given.extend(other.as_object().cloned().into_iter().flatten());
}

/// A time so many hours from now.
fn hours(count: i64) -> Value {
    let time = chrono::Utc::now() + chrono::TimeDelta::hours(count);
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
}

/// The same arguments with a handle in them, where the tool completes what another one prepared: that one is called first, and
/// what it changes in the world is passed over.
pub async fn ready(
    world: &World,
    tool: &Tool,
    mut arguments: Map<String, Value>,
    call: impl AsyncFn(&str, Value) -> (Value, bool),
) -> Map<String, Value> {
    let Some(handle) = tool.declaration.completes() else {
        return arguments;
    };
    let preparing = tool.name().replace("complete_", "prepare_");
    let mut given = json!({
        "project_id": arguments["project_id"], "branch_id": arguments["branch_id"], "sql": "DROP TABLE abc",
    });
    if preparing == "prepare_query_tuning" {
        given["sql"] = "SELECT 1".into();
        given["changes"] = "DROP TABLE abc".into();
    }
    let (value, is_error) = call(&preparing, given).await;
    assert!(!is_error, "{preparing}: {value}");
    arguments.insert(handle.to_owned(), value["result"][handle].clone());
    world.pass_over();
    arguments
}

/// A value of one argument.
fn value(name: &str, schema: &Value) -> Value {
    if name == "statements" {
        return json!(["DROP TABLE abc"]);
    }
    match name {
        "project_ids" => return json!(["quiet-sun-12345678"]),
        "branch_ids" => return json!(["br-quiet-sun-a1b2c3d4"]),
        "expires_at" => return hours(7 * 24),
        _ if name.ends_with("timestamp") => return hours(-1),
        _ => {}
    }
    let known = match name {
        "project_id" => Some("quiet-sun-12345678"),
        "branch_id" | "parent_id" | "source_branch_id" | "target_branch_id" | "base_branch_id" => {
            Some("br-quiet-sun-a1b2c3d4")
        }
        "endpoint_id" => Some("ep-quiet-sun-a1b2c3d4"),
        "snapshot_id" => Some("snap-quiet-sun-a1b2c3d4"),
        "org_id" | "source_org_id" | "destination_org_id" => Some("org-quiet-sun-12345678"),
        "key_id" => Some("1"),
        "vpc_endpoint_id" => Some("vpce-1"),
        "member_id" | "permission_id" | "jwks_id" | "token_id" | "trigger_id" => {
            Some("11111111-2222-4333-8444-555555555555")
        }
        "sql" => Some("DROP TABLE abc"),
        "region_id" => Some("aws-us-east-1"),
        "slug" | "function_slug" => Some("hello"),
        "id" => Some("project:quiet-sun-12345678"),
        "domain" if schema.get("format").is_none() => Some("api.example.com"),
        "prefix" => Some("logs/"),
        "cron" => Some("0 3 * * *"),
        "function_path" => Some("/run"),
        "since" => Some("30m"),
        "trace_id" => Some("0123456789abcdef0123456789abcdef"),
        // The first bytes of a zip file.
        "archive_base64" => Some("UEsDBA=="),
        _ if name.ends_with("jwks_url") => Some("https://id.example.com/jwks.json"),
        _ if name.ends_with("lsn") => Some("0/1FE2A90"),
        _ if name.ends_with("slug") => Some("a-slug"),
        _ => None,
    };
    if let Some(text) = known {
        return text.into();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values[0].clone();
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds[0].as_str().unwrap_or("string"),
        _ => "string",
    };
    match kind {
        "integer" | "number" => {
            let least = schema.get("minimum").and_then(Value::as_f64).unwrap_or(1.0).max(1.0);
            if kind == "integer" {
                json!(least as i64)
            } else {
                json!(least)
            }
        }
        "boolean" => false.into(),
        "array" => {
            let item = schema.get("items").map_or(json!("x"), |items| value("item", items));
            Value::Array(vec![item])
        }
        "object" => {
            let mut object = Map::new();
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                // Of two that exclude each other, the first.
                for (name, schema) in properties.iter().filter(|(name, _)| *name != "masking_value") {
                    object.insert(name.clone(), value(name, schema));
                }
            } else {
                object.insert("key".into(), "value".into());
            }
            Value::Object(object)
        }
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-01-01T00:00:00Z".into(),
            Some("uri") => "https://example.com/abc".into(),
            Some("uuid") => "11111111-2222-4333-8444-555555555555".into(),
            Some("email") => "ann@example.com".into(),
            _ => match schema.get("pattern").and_then(Value::as_str) {
                Some(pattern) if pattern.contains(':') => "02:00".into(),
                _ => "abc".into(),
            },
        },
    }
}
