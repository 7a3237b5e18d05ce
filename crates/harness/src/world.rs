//! An upstream that is a small Neon: one project whose facts a test can change, and which records what would change it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_neon::{FakeNeon, Recorded, Reply};

pub const PROJECT: &str = "quiet-sun-12345678";
pub const BRANCH: &str = "br-quiet-sun-a1b2c3d4";
pub const ROOT: &str = "br-root";
pub const ENDPOINT: &str = "ep-quiet-sun-a1b2c3d4";
pub const SNAPSHOT: &str = "snap-quiet-sun-a1b2c3d4";

/// The UUID that made-up arguments have.
const ID: &str = "11111111-2222-4333-8444-555555555555";

/// What there is, as Neon would tell it.
#[derive(Debug, Clone)]
pub struct Facts {
    pub project: Value,
    /// The branch that tests act on, and the default branch.
    pub branches: Vec<Value>,
    pub endpoints: Vec<Value>,
    pub databases: Vec<Value>,
    /// Those without a `branch_id` are on every branch.
    pub roles: Vec<Value>,
    pub snapshots: Vec<Value>,
    /// Requests that fail, by how `METHOD path` ends.
    pub broken: Vec<(&'static str, &'static str)>,
}

impl Default for Facts {
    fn default() -> Self {
        let created = "2026-01-01T00:00:00Z";
        Self {
            project: json!({
                "id": PROJECT, "name": "shop", "org_id": "org-quiet-sun-12345678", "region_id": "aws-us-east-1",
                "created_at": created, "history_retention_seconds": 86_400, "synthetic_storage_size": 1_000,
            }),
            branches: vec![
                json!({"id": ROOT, "project_id": PROJECT, "name": "main", "default": true, "protected": false, "created_at": created}),
                json!({
                    "id": BRANCH, "project_id": PROJECT, "name": "dev", "default": false, "protected": false,
                    "parent_id": ROOT, "created_at": created, "logical_size": 31_000_000, "current_state": "ready",
                    "restored_as": ROOT,
                }),
            ],
            endpoints: vec![json!({
                "id": ENDPOINT, "project_id": PROJECT, "branch_id": BRANCH, "type": "read_write", "name": "compute",
                "host": "ep-quiet-sun-a1b2c3d4.us-east-1.aws.neon.tech", "current_state": "idle",
                "autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 0,
            })],
            databases: vec![json!({"name": "abc", "owner_name": "owner", "created_at": created})],
            roles: vec![
                json!({"name": "abc", "protected": false, "created_at": created}),
                json!({"name": "owner", "protected": false, "created_at": created}),
            ],
            snapshots: vec![json!({
                "id": SNAPSHOT, "name": "before", "source_branch_id": ROOT, "created_at": created, "manual": true,
            })],
            broken: Vec::new(),
        }
    }
}

impl Facts {
    /// The branch that tests act on.
    pub fn branch(&mut self) -> &mut Value {
        &mut self.branches[1]
    }
}

/// The upstream, and the facts behind it.
pub struct World {
    pub upstream: FakeNeon,
    facts: Arc<Mutex<Facts>>,
    /// How many of the first requests count for nothing.
    passed_over: AtomicUsize,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world with facts of its own.
    pub async fn with(change: impl FnOnce(&mut Facts)) -> Self {
        let mut facts = Facts::default();
        change(&mut facts);
        Self::meeting(facts, |_, _| None).await
    }

    /// A world in which something happens when a request arrives, or that answers some of them itself.
    pub async fn meeting(
        facts: Facts,
        meets: impl Fn(&mut Facts, &Recorded) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let facts = Arc::new(Mutex::new(facts));
        let known = facts.clone();
        let upstream = FakeNeon::route(move |request| {
            let mut facts = known.lock().expect("a lock");
            match meets(&mut facts, request).or_else(|| throwaway(&mut facts, request)) {
                Some(reply) => reply,
                None => answer(&facts, request),
            }
        })
        .await;
        Self {
            upstream,
            facts,
            passed_over: AtomicUsize::new(0),
        }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Changes the facts from now on.
    pub fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().expect("a lock"));
    }

    /// A handle for changing them from elsewhere.
    pub fn facts(&self) -> Arc<Mutex<Facts>> {
        self.facts.clone()
    }

    /// From now on what was requested so far counts for nothing.
    pub fn pass_over(&self) {
        self.passed_over.store(self.upstream.count(), Ordering::SeqCst);
    }

    /// The requests that would have changed something.
    pub fn changes(&self) -> Vec<String> {
        self.upstream
            .requests()
            .iter()
            .skip(self.passed_over.load(Ordering::SeqCst))
            .filter(|request| request.method != "GET" && !only_reads(request))
            .map(|request| format!("{} {}", request.method, request.path().trim_start_matches("/api/v2")))
            .collect()
    }
}

/// Whether a request is SQL that Postgres keeps from changing anything.
fn only_reads(request: &Recorded) -> bool {
    request.path() == "/sql"
        && (request.header("neon-batch-read-only") == Some("true") || measuring(&request.json()).is_some())
}

/// The mark of a batch of SQL that is only measured: its last statement always fails, with what was measured.
pub fn measuring(body: &Value) -> Option<String> {
    let last = body.get("queries")?.as_array()?.last()?;
    let parameters = last.get("params")?.as_array()?;
    let compares = last.get("query")?.as_str()?.contains("neon_mcp.before");
    (compares && parameters.get(2)? == "measure").then(|| parameters.get(1)?.as_str().map(str::to_owned))?
}

/// A branch that is made with an end is there from then on.
fn throwaway(facts: &mut Facts, request: &Recorded) -> Option<Reply> {
    if request.method != "POST" || !request.path().ends_with("/branches") {
        return None;
    }
    let body = request.json();
    let branch = body["branch"]
        .as_object()
        .filter(|branch| branch.contains_key("expires_at"))?;
    let made = json!({
        "id": format!("br-made-{}", facts.branches.len()), "project_id": PROJECT, "name": branch.get("name"), "default": false,
        "protected": false, "parent_id": branch.get("parent_id"), "created_at": chrono::Utc::now().to_rfc3339(),
        "expires_at": branch["expires_at"],
    });
    facts.branches.push(made.clone());
    Some(Reply::json(201, json!({"branch": made, "operations": []})))
}

/// Results of SQL over HTTP: one row with a one in it for each statement.
fn sql(request: &Recorded) -> Reply {
    let one = json!({
        "fields": [{"name": "one", "dataTypeID": 23}, {"name": "fingerprint", "dataTypeID": 25}], "rows": [[1, "f"]],
        "command": "SELECT", "rowCount": 1, "rowAsArray": true,
    });
    let body = request.json();
    if let Some(mark) = measuring(&body) {
        let measured = json!({"tables": [], "lines": [], "count": 0});
        let message = format!("invalid input syntax for type integer: \"neon-mcp {mark} measured {measured}\"");
        return Reply::json(400, json!({"message": message, "code": "22P02"}));
    }
    let count = body.get("queries").and_then(Value::as_array).map(Vec::len);
    match count {
        Some(count) => Reply::json(200, json!({"results": vec![one; count]})),
        None => Reply::json(200, one),
    }
}

/// What a request is answered: the one or the list that its path names, and for what changes something, all of it.
pub fn answer(facts: &Facts, request: &Recorded) -> Reply {
    let path = request.path().trim_start_matches("/api/v2").to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let find = |list: &[Value], key: &str, id: &str| list.iter().find(|item| item[key] == *id).cloned();
    let missing = || Reply::error(404, "", "not found");
    let one = |name: &str, item: Option<Value>| item.map_or_else(missing, |item| Reply::json(200, json!({name: item})));
    if facts
        .broken
        .iter()
        .any(|(method, end)| request.method == *method && path.ends_with(end))
    {
        return Reply::error(500, "", "it broke");
    }
    if request.path() == "/sql" {
        return sql(request);
    }
    if path.ends_with("/logs/query") {
        let line = json!({
            "time": "2026-01-01T00:00:00Z", "source": "function", "service_name": "hello", "severity_text": "INFO",
            "body": "started", "message": "started",
        });
        return Reply::json(200, json!({"logs": [line], "is_truncated": false}));
    }
    if request.method != "GET" {
        let branch = parts.get(3).and_then(|id| find(&facts.branches, "id", id));
        let mut branch = branch.unwrap_or_else(|| facts.branches[1].clone());
        if request.method == "POST" && path.ends_with("/branches") {
            // It is made now, and isn't the one that was there before.
            branch["created_at"] = chrono::Utc::now().to_rfc3339().into();
        }
        return Reply::json(
            200,
            json!({
                "project": facts.project, "branch": branch,
                "endpoint": facts.endpoints[0], "database": facts.databases[0], "role": facts.roles[0],
                "snapshot": facts.snapshots[0], "operations": [],
            }),
        );
    }
    match parts.as_slice() {
        ["projects", "shared"] => Reply::json(200, json!({"projects": [], "pagination": {}})),
        ["projects", _] => Reply::json(200, json!({"project": facts.project})),
        ["projects"] => Reply::json(200, json!({"projects": [facts.project], "pagination": {}})),
        ["projects", _, "branches", "count"] => Reply::json(200, json!({"count": facts.branches.len()})),
        ["projects", _, "branches"] => Reply::json(200, json!({"branches": facts.branches, "pagination": {}})),
        ["projects", _, "branches", id] => one("branch", find(&facts.branches, "id", id)),
        ["projects", _, "branches", id, "endpoints"] => {
            let on: Vec<&Value> = facts
                .endpoints
                .iter()
                .filter(|endpoint| endpoint["branch_id"] == **id)
                .collect();
            Reply::json(200, json!({"endpoints": on}))
        }
        ["projects", _, "branches", _, "databases"] => Reply::json(200, json!({"databases": facts.databases})),
        ["projects", _, "branches", _, "databases", name] => one("database", find(&facts.databases, "name", name)),
        ["projects", _, "branches", id, "roles"] => {
            let on = |role: &&Value| role.get("branch_id").is_none_or(|branch| branch == id);
            let roles: Vec<&Value> = facts.roles.iter().filter(on).collect();
            Reply::json(200, json!({"roles": roles}))
        }
        ["projects", _, "branches", _, "roles", name] => one("role", find(&facts.roles, "name", name)),
        ["projects", _, "branches", _, "roles", _, "reveal_password"] => {
            Reply::json(200, json!({"password": "canary-password"}))
        }
        ["projects", _, "branches", _, "backup_schedule"] => Reply::json(
            200,
            json!({"schedule": [{"frequency": "daily", "retention_seconds": 604_800}]}),
        ),
        // The default branch has neither, so that they can be turned on there.
        ["projects", _, "branches", ROOT, "auth"] | ["projects", _, "branches", ROOT, "data-api", _] => missing(),
        ["projects", _, "branches", _, "auth", rest @ ..] => Reply::json(200, auth(rest)),
        ["projects", _, "branches", _, "credentials"] => Reply::json(
            200,
            json!({"credentials": [{
                "token_id": ID, "token_id_short": "abc", "name": "app", "scopes": ["storage:read"],
                "principal_type": "user", "created_at": "2026-01-01T00:00:00Z",
            }]}),
        ),
        ["projects", _, "branches", _, "schema"] => {
            Reply::json(200, json!({"sql": "CREATE TABLE public.abc (\n    id integer\n);\n"}))
        }
        ["projects", _, "branches", _, "masking_rules"] => Reply::json(
            200,
            json!({"masking_rules": [{
                "database_name": "abc", "schema_name": "public", "table_name": "users", "column_name": "email",
                "masking_function": "anon.fake_email()",
            }]}),
        ),
        ["projects", _, "branches", _, "data-api", name] => Reply::json(
            200,
            json!({
                "url": format!("https://data.example/{name}"), "status": "active",
                "settings": {"db_schemas": ["public"], "db_anon_role": "anonymous"}, "available_schemas": ["public"],
            }),
        ),
        ["projects", _, "endpoints"] => Reply::json(200, json!({"endpoints": facts.endpoints})),
        ["projects", _, "endpoints", id] => one("endpoint", find(&facts.endpoints, "id", id)),
        ["projects", _, "snapshots"] => Reply::json(200, json!({"snapshots": facts.snapshots})),
        ["projects", _, "members"] => {
            let member = json!({"member_id": ID, "email": "someone@example.com", "org_role": "editor", "project_role": "viewer"});
            Reply::json(200, json!({"project_members": [member], "pagination": {}}))
        }
        ["projects", _, "permissions"] => {
            let permission = json!({"id": ID, "granted_to_email": "someone@example.com"});
            Reply::json(200, json!({"project_permissions": [permission]}))
        }
        ["projects", _, "jwks"] => {
            let jwks = json!({"id": ID, "jwks_url": "https://id.example.com/jwks.json", "provider_name": "abc"});
            Reply::json(200, json!({"jwks": [jwks]}))
        }
        ["projects", _, "available_preload_libraries"] => Reply::json(200, json!({"libraries": []})),
        ["projects", _, "advisors"] => Reply::json(200, json!({"issues": []})),
        [.., "vpc_endpoints"] => {
            let endpoint = json!({"vpc_endpoint_id": "vpce-1", "label": "abc"});
            Reply::json(200, json!({"endpoints": [endpoint]}))
        }
        ["organizations", _, "members"] => {
            let member = json!({"member": {"id": ID, "role": "editor"}, "user": {"email": "someone@example.com"}});
            Reply::json(200, json!({"members": [member], "pagination": {}}))
        }
        ["projects", _, "connection_uri"] => Reply::json(200, json!({"uri": "postgresql://u:canary-password@host/db"})),
        ["projects", _, "branches", _, rest @ ..] if services(rest).is_some() => services(rest).unwrap_or_else(missing),
        [.., "api_keys"] => Reply::json(
            200,
            json!([{"id": 1, "name": "ci", "created_at": "2026-01-01T00:00:00Z", "last_used_at": null}]),
        ),
        _ => Reply::json(
            200,
            json!({"organizations": [], "projects": [], "branches": [], "members": [], "operations": [], "invitations": [], "regions": [], "pagination": {}}),
        ),
    }
}

/// What is told of Neon Auth.
fn auth(part: &[&str]) -> Value {
    match part {
        [] => json!({
            "auth_provider": "better_auth", "db_name": "abc", "name": "shop",
            "base_url": "https://ep-quiet-sun-a1b2c3d4.neonauth.us-east-1.aws.neon.tech/abc/auth",
        }),
        ["domains"] => json!({"domains": [{"domain": "https://example.com/abc", "auth_provider": "better_auth"}]}),
        ["oauth_providers"] => json!({
            "providers": [{"id": "google", "type": "standard", "client_id": "abc", "client_secret": "canary-password"}],
        }),
        ["email_provider"] => json!({
            "type": "standard", "host": "smtp.example.com", "port": 587, "username": "abc", "password": "canary-password",
            "sender_email": "ann@example.com", "sender_name": "Shop",
        }),
        ["allow_localhost"] => json!({"allow_localhost": true}),
        _ => json!({"enabled": true}),
    }
}

/// What a branch has beside Postgres: one of each.
fn services(parts: &[&str]) -> Option<Reply> {
    let created = "2026-01-01T00:00:00Z";
    let function = json!({
        "id": "fn-1", "slug": "hello", "name": "hello", "invocation_url": "https://hello.example", "created_at": created,
    });
    let trigger = json!({
        "type": "schedule", "trigger_id": ID, "function_slug": "hello", "name": "nightly", "function_path": "/",
        "schedule": {"cron": "0 3 * * *"}, "enabled": true, "version": 1, "next_run_at": null, "inherited": false,
    });
    let body = match parts {
        ["buckets"] => json!({"buckets": [{"name": "abc", "access_level": "private", "created_at": created}]}),
        ["buckets", _, "objects"] => json!({
            "objects": [{"key": "abc", "size": 1, "last_modified": created, "etag": "e"}], "folders": [],
            "prefix": "", "is_truncated": false,
        }),
        ["buckets", _, "objects", _, "download"] => return Some(Reply::raw(200, "hello")),
        ["functions"] => json!({"functions": [function]}),
        ["functions", _] => json!({"function": function}),
        ["triggers"] => json!({"triggers": [trigger]}),
        ["triggers", _] => json!({"trigger": trigger}),
        ["logs", "fields"] => json!({"fields": ["source"]}),
        ["logs", "fields", _, "values"] => json!({"values": ["function"], "is_truncated": false}),
        ["custom-domains"] => json!({"custom_domains": [{
            "domain": "api.example.com", "entity_type": "function", "entity_id": "hello", "cname_target": "x.example",
        }]}),
        _ => return None,
    };
    Some(Reply::json(200, body))
}
