//! Names in every argument of every tool that takes an id, in lists of them too, and the organization that nobody has to name.

use neon_mcp::catalog::{Argument, Resource, Tool};
use serde_json::{Map, Value, json};

use super::{catalog, error};
use crate::support::arguments::arguments;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server::{self, TestServer};
use crate::support::world::{self, BRANCH, ENDPOINT, Facts, PROJECT, ROOT, SNAPSHOT};

const ORGANIZATION: &str = "org-quiet-sun-12345678";
const OTHER_ORGANIZATION: &str = "org-annex-12345678";
const MEMBER: &str = "11111111-2222-4333-8444-555555555555";

/// A name that no list has.
const NOBODY: &str = "Nobody Knows";

/// The id and a name of what there is one of.
fn known(resource: Resource) -> (&'static str, &'static str) {
    match resource {
        Resource::Organization => (ORGANIZATION, "Acme Inc"),
        Resource::Project => (PROJECT, "shop"),
        Resource::Branch => (BRANCH, "dev"),
        Resource::Endpoint => (ENDPOINT, "compute"),
        Resource::Snapshot => (SNAPSHOT, "before"),
        Resource::ApiKey => ("42", "ci key"),
        Resource::OrganizationApiKey => ("43", "ci key"),
        Resource::OrganizationMember | Resource::ProjectMember => (MEMBER, "Ann@Example.com"),
        Resource::ProjectPermission => ("perm-1", "ann@example.com"),
        Resource::OrganizationVpcEndpoint | Resource::ProjectVpcEndpoint => ("vpce-1", "The Office"),
        Resource::Jwks => ("jwks-1", "The Provider"),
        Resource::Credential => ("token-1", "The App"),
        Resource::Trigger => ("trigger-1", "Every Night"),
    }
}

/// A Neon with one of each, whose user is in these organizations.
fn neon(organizations: Vec<Value>) -> impl Fn(&Recorded) -> Reply + Send + Sync {
    move |request| {
        let path = request.path().trim_start_matches("/api/v2");
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let deleted = request.query().contains("include_deleted=true") || request.query().contains("recoverable=true");
        let body = match parts.as_slice() {
            _ if request.method != "GET" => None,
            ["users", "me", "organizations"] => Some(json!({"organizations": organizations})),
            ["projects"] if deleted => {
                Some(json!({"projects": [{"id": "gone-sun-12345678", "name": "gone"}], "pagination": {}}))
            }
            ["projects", _, "branches"] if deleted => Some(json!({"branches": [
                {"id": BRANCH, "name": "gone"},
                {"id": "br-gone", "name": "gone", "recovery": {"deleted_at": "2026-01-01T00:00:00Z"}},
            ], "pagination": {}})),
            ["api_keys"] => Some(json!([{"id": 42, "name": "ci key"}])),
            ["organizations", _, "api_keys"] => Some(json!([{"id": 43, "name": "ci key"}])),
            ["organizations", _, "members"] => Some(json!({
                "members": [{"member": {"id": MEMBER, "role": "editor"}, "user": {"email": "ann@example.com"}}], "pagination": {},
            })),
            ["projects", _, "members"] => Some(json!({
                "project_members": [{"member_id": MEMBER, "email": "ann@example.com", "org_role": "editor"}], "pagination": {},
            })),
            ["projects", _, "permissions"] => {
                Some(json!({"project_permissions": [{"id": "perm-1", "granted_to_email": "ann@example.com"}]}))
            }
            [.., "vpc_endpoints"] => Some(
                json!({"endpoints": [{"vpc_endpoint_id": "vpce-1", "label": "The Office", "region_id": "aws-us-east-1"}]}),
            ),
            ["projects", _, "jwks"] => Some(json!({"jwks": [
                {"id": "jwks-1", "provider_name": "The Provider", "jwks_url": "https://id.example.com/jwks.json"}]})),
            ["projects", _, "branches", _, "credentials"] => {
                Some(json!({"credentials": [{"token_id": "token-1", "name": "The App", "scopes": []}]}))
            }
            ["projects", _, "branches", _, "triggers"] => Some(json!({"triggers": [
                {"trigger_id": "trigger-1", "name": "Every Night", "type": "schedule"}]})),
            ["projects", _, "branches", _, "triggers", id] => Some(json!({"trigger": {
                "trigger_id": id, "name": "Every Night", "type": "schedule", "schedule": {"cron": "0 3 * * *"},
            }})),
            _ => None,
        };
        body.map_or_else(
            || world::answer(&Facts::default(), request),
            |body| Reply::json(200, body),
        )
    }
}

fn organization(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name})
}

async fn one_organization() -> FakeNeon {
    FakeNeon::route(neon(vec![organization(ORGANIZATION, "Acme Inc")])).await
}

async fn two_organizations() -> FakeNeon {
    let known = vec![
        organization(ORGANIZATION, "Acme Inc"),
        organization(OTHER_ORGANIZATION, "Annex"),
    ];
    FakeNeon::route(neon(known)).await
}

/// A server that shows what it would change and changes nothing.
async fn dry(upstream: &FakeNeon) -> (TestServer, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "dry_run = true\n").expect("a policy");
    let policy = policy.to_str().expect("a path");
    let server = server::start(&["--toolsets", "all", "--policy", policy], &upstream.url()).await;
    (server, place)
}

/// Every argument that takes ids, and of what.
fn ids() -> Vec<(&'static Tool, String, Resource)> {
    let mut all = Vec::new();
    for tool in catalog().tools() {
        for name in tool.input["properties"].as_object().expect("properties").keys() {
            if let Some(Argument::Resource(resource) | Argument::Item(resource)) = tool.names(name) {
                all.push((&**tool, name.clone(), resource));
            }
        }
    }
    assert!(all.len() >= 300, "{}", all.len());
    all
}

/// Arguments with that text in the place of an id: all ids besides are those of what there is.
fn with(tool: &Tool, name: &str, text: &str) -> Value {
    let mut given = arguments(tool, false);
    if tool
        .property(name)
        .is_some_and(|schema| schema.get("type") == Some(&"array".into()))
    {
        given.insert(name.to_owned(), json!([text]));
    } else {
        given.insert(name.to_owned(), text.into());
    }
    if given.contains_key("sql") {
        given.insert("sql".to_owned(), "SELECT 1".into());
    }
    let others: Vec<String> = given.keys().filter(|other| *other != name).cloned().collect();
    for other in others {
        if let Some(Argument::Resource(resource) | Argument::Item(resource)) = tool.names(&other) {
            let id = Value::from(known(resource).0);
            let list = given[&other].is_array();
            given.insert(other, if list { json!([id]) } else { id });
        }
    }
    // From one organization to itself nothing is transferred: what it is isn't looked at beside the one that is named.
    if tool.name() == "transfer_projects" {
        let other = if name == "destination_org_id" {
            "source_org_id"
        } else {
            "destination_org_id"
        };
        given.insert(other.to_owned(), OTHER_ORGANIZATION.into());
    }
    given.into()
}

/// What belongs to somebody else is in no list of ours.
fn is_foreign(tool: &Tool, name: &str) -> bool {
    tool.declaration.safety.target_is_deleted
        && tool.declaration.request.among_deleted.is_empty()
        && tool.target().is_some_and(|(target, _)| target == name)
}

/// Whether a request only looks something up.
fn looks_up(request: &Recorded) -> bool {
    request.method == "GET"
}

#[tokio::test]
async fn only_compute_of_a_branch_is_found_by_the_name_of_the_branch() {
    let compute = |id: &str, branch: &str| json!({"id": id, "branch_id": branch, "type": "read_write", "host": "h"});
    for (computes, found) in [
        (vec![], Err("create_compute")),
        (vec![compute("ep-one", BRANCH), compute("ep-far", ROOT)], Ok("ep-one")),
        (
            vec![compute("ep-one", BRANCH), compute("ep-two", BRANCH)],
            Err("ep-two"),
        ),
    ] {
        let upstream = FakeNeon::route(move |request| {
            let facts = Facts::default();
            match request.path().ends_with("/endpoints") {
                true => Reply::json(200, json!({"endpoints": computes})),
                false => world::answer(&facts, request),
            }
        })
        .await;
        let (server, _place) = dry(&upstream).await;
        let named = json!({"project_id": PROJECT, "endpoint_id": "dev"});
        let (value, _) = server.call("start_compute", named).await;
        match found {
            Ok(id) => assert!(value["would_send"].to_string().contains(id), "{value}"),
            Err(told) => assert!(value["error"].to_string().contains(told), "{value}"),
        }
        // A branch that isn't there has no compute either.
        let nowhere = json!({"project_id": PROJECT, "endpoint_id": NOBODY});
        let (value, _) = server.call("start_compute", nowhere).await;
        assert_eq!(value["error"]["kind"], "unresolved", "{value}");
    }
}

#[tokio::test]
async fn names_stand_beside_the_ids_of_a_list_where_they_can_be_read() {
    let used = json!([{"timeframe_start": "2026-01-01T00:00:00Z", "active_time_seconds": 5}]);
    for readable in [true, false] {
        let used = used.clone();
        let upstream = FakeNeon::route(move |request| {
            let of = |key: &str, id: &str| {
                let mut item = json!({"periods": [{"consumption": used}]});
                item[key] = id.into();
                Reply::json(200, json!({"projects": [item], "branches": [item], "pagination": {}}))
            };
            let path = request.path();
            match () {
                () if path.ends_with("/consumption_history/v2/projects") => of("project_id", PROJECT),
                () if path.ends_with("/consumption_history/v2/branches") => of("branch_id", BRANCH),
                () if path.ends_with("/endpoints") => {
                    Reply::json(200, json!({"endpoints": [{"id": "ep-one", "branch_id": BRANCH}]}))
                }
                () if !readable && (path.ends_with("/branches") || path.ends_with("/projects")) => {
                    Reply::error(403, "", "not for this key")
                }
                () => neon(vec![organization(ORGANIZATION, "Acme Inc")])(request),
            }
        })
        .await;
        let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
        let over = json!({
            "start_time": "2026-01-01", "end_time": "2026-01-02", "granularity": "daily", "org_id": ORGANIZATION,
            "metrics": ["compute_unit_seconds"],
        });
        let mut of_branches = over.clone();
        of_branches["project_ids"] = json!([PROJECT]);
        for (tool, arguments, item, name) in [
            (
                "list_computes",
                json!({"project_id": PROJECT}),
                "/result/endpoints/0",
                ("branch_name", "dev"),
            ),
            (
                "get_project_consumption",
                over,
                "/result/projects/0",
                ("project_name", "shop"),
            ),
            (
                "get_branch_consumption",
                of_branches,
                "/result/branches/0",
                ("branch_name", "dev"),
            ),
        ] {
            let (value, is_error) = server.call(tool, arguments).await;
            assert!(!is_error, "{tool}: {value}");
            let told = value
                .pointer(item)
                .and_then(|item| item.get(name.0))
                .cloned()
                .unwrap_or_default();
            match readable {
                true => assert!(
                    told.as_str().is_some_and(|told| told.contains(name.1)),
                    "{tool}: {value}"
                ),
                false => assert!(told.is_null(), "{tool}: {value}"),
            }
        }
    }
}

#[tokio::test]
async fn name_is_taken_by_every_argument_that_takes_an_id() {
    let upstream = two_organizations().await;
    let (server, _place) = dry(&upstream).await;
    let mut before = 0;
    for (tool, name, resource) in ids() {
        // What completes something wants a handle first.
        if is_foreign(tool, &name) || tool.declaration.completes().is_some() {
            continue;
        }
        let deleted = tool.declaration.request.among_deleted.contains(&name);
        let (id, text) = match (deleted, resource) {
            (true, Resource::Project) => ("gone-sun-12345678", "gone"),
            (true, _) => ("br-gone", "gone"),
            (false, _) => known(resource),
        };
        let (value, _) = server.call(tool.name(), with(tool, &name, text)).await;
        let kind = value.pointer("/error/kind").and_then(Value::as_str).unwrap_or_default();
        let unresolved = ["unresolved", "invalid_arguments", "internal"].contains(&kind);
        assert!(!unresolved, "{} {name}: {value}", tool.name());
        let requests = upstream.requests().split_off(before);
        before += requests.len();
        let sent: Vec<String> = requests
            .iter()
            .map(|request| format!("{} {}", request.target, String::from_utf8_lossy(&request.body)))
            .collect();
        let sent = format!("{} {}", value["would_send"], sent.join(" "));
        assert!(sent.contains(id), "{} {name}: {sent} {value}", tool.name());
        // A name stands in no request but where it is searched for.
        let last = requests
            .last()
            .map(|request| request.path().to_owned())
            .unwrap_or_default();
        assert!(!last.contains(text), "{} {name}: {last}", tool.name());
        assert!(
            !value["would_send"].to_string().contains(&format!("\"{text}\"")),
            "{}: {value}",
            tool.name()
        );
    }
}

#[tokio::test]
async fn unknown_name_is_refused_by_every_argument_before_anything_else_is_read() {
    let upstream = one_organization().await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let mut before = 0;
    for (tool, name, resource) in ids() {
        if is_foreign(tool, &name) {
            continue;
        }
        let (value, is_error) = server.call(tool.name(), with(tool, &name, NOBODY)).await;
        assert!(is_error, "{} {name}: {value}", tool.name());
        let error = error(&value);
        assert_eq!(error["kind"], "unresolved", "{} {name}: {value}", tool.name());
        assert_eq!(error["argument"], name, "{value}");
        assert_eq!(error["changed"], "no", "{value}");
        let lists = resource.lookup().tool;
        assert!(
            error["next"].to_string().contains(lists),
            "{} {name}: {value}",
            tool.name()
        );
        let requests = upstream.requests().split_off(before);
        before += requests.len();
        let lists = &catalog().tool(lists).expect("a tool").declaration.request.path;
        let ends = lists.rsplit('/').next().expect("a path");
        for request in &requests {
            // People call the only compute of a branch by the branch's name.
            let is_of_branches = resource == Resource::Endpoint && request.path().ends_with("/branches");
            let is_list =
                request.path().ends_with(ends) || request.path().ends_with("/organizations") || is_of_branches;
            assert!(
                looks_up(request) && is_list,
                "{} {name}: {}",
                tool.name(),
                request.target
            );
        }
    }
}

#[tokio::test]
async fn list_of_project_names_is_never_taken_for_no_projects() {
    let upstream = one_organization().await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let mut given = with(
        catalog().tool("get_project_consumption").expect("a tool"),
        "project_ids",
        "shop",
    );
    given["project_ids"] = json!(["shop", PROJECT]);
    let (value, is_error) = server.call("get_project_consumption", given.clone()).await;
    assert!(!is_error, "{value}");
    let last = upstream.requests().pop().expect("a request");
    assert_eq!(
        last.query().matches("project_ids=").count(),
        1,
        "once, though named twice: {}",
        last.target
    );
    given["project_ids"] = json!(["shop", "shpo"]);
    let (value, is_error) = server.call("get_project_consumption", given).await;
    assert!(is_error && error(&value)["kind"] == "unresolved", "{value}");
    assert!(
        error(&value)["next"].to_string().contains(PROJECT),
        "the nearest is named: {value}"
    );
}

/// What a request has in its query by this name.
fn values(request: &Recorded, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(request.query().as_bytes());
    let named = pairs.filter(|(key, _)| key == name);
    named
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn argument_that_is_left_out_is_what_the_declaration_says() {
    let upstream = one_organization().await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let mut tried = 0;
    for tool in catalog().tools() {
        let defaults = &tool.declaration.request.defaults;
        if defaults.is_empty() {
            continue;
        }
        let mut given = arguments(tool, false);
        given.retain(|name, _| !defaults.contains_key(name));
        let (value, is_error) = server.call(tool.name(), given.clone().into()).await;
        assert!(!is_error, "{}: {value}", tool.name());
        let last = upstream.requests().pop().expect("a request");
        let of = |name: &str| values(&last, name);
        assert_eq!(of("granularity"), ["daily"], "{}", last.target);
        let time = |name: &str| chrono::DateTime::parse_from_rfc3339(&of(name).join("")).expect("a time");
        assert_eq!((time("to") - time("from")).num_days(), 6, "{}", last.target);
        let metrics = defaults.get("metrics").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(of("metrics").len(), metrics, "{}", last.target);
        for name in defaults.keys() {
            let mut empty = given.clone();
            empty.insert(name.clone(), "".into());
            let (value, is_error) = server.call(tool.name(), empty.into()).await;
            assert!(!is_error, "{} {name}: {value}", tool.name());
            let last = upstream.requests().pop().expect("a request");
            assert_eq!(values(&last, "granularity"), ["daily"], "{name}");
        }
        // What the caller says holds.
        given.insert("granularity".to_owned(), "hourly".into());
        let (value, is_error) = server.call(tool.name(), given.into()).await;
        assert!(!is_error, "{}: {value}", tool.name());
        let last = upstream.requests().pop().expect("a request");
        assert_eq!(values(&last, "granularity"), ["hourly"]);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[tokio::test]
async fn organization_is_filled_in_by_every_tool_where_there_is_one() {
    let upstream = one_organization().await;
    let (server, _place) = dry(&upstream).await;
    let mut filled = 0;
    for tool in catalog().tools() {
        let Some(argument) = &tool.declaration.request.fills else {
            continue;
        };
        let mut given = with(tool, "nothing", "");
        let object: &mut Map<String, Value> = given.as_object_mut().expect("an object");
        object.remove("nothing");
        object.remove(argument);
        let (value, is_error) = server.call(tool.name(), given).await;
        assert!(!is_error, "{}: {value}", tool.name());
        let last = upstream.requests().pop().expect("a request");
        let sent = format!("{} {}", value["would_send"], last.target);
        assert!(sent.contains(ORGANIZATION), "{}: {sent}", tool.name());
        filled += 1;
    }
    assert!(filled >= 20, "{filled}");
}

#[tokio::test]
async fn several_organizations_are_listed_by_every_tool_that_needs_one() {
    let several = vec![organization("org-a", "Acme Inc"), organization("org-b", "Globex")];
    let upstream = FakeNeon::route(neon(several)).await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    for tool in catalog().tools() {
        let Some(argument) = &tool.declaration.request.fills else {
            continue;
        };
        let mut given = with(tool, "nothing", "");
        let object: &mut Map<String, Value> = given.as_object_mut().expect("an object");
        object.remove("nothing");
        object.remove(argument);
        let (value, is_error) = server.call(tool.name(), given).await;
        if tool.name() == "list_projects" {
            assert!(!is_error, "it lists those of all: {value}");
            continue;
        }
        assert!(is_error, "{}: {value}", tool.name());
        assert_eq!(error(&value)["argument"], argument.as_str(), "{value}");
        for known in ["org-a", "Acme Inc", "org-b", "Globex"] {
            assert!(
                error(&value)["message"].to_string().contains(known),
                "{}: {value}",
                tool.name()
            );
        }
    }
    assert!(upstream.requests().iter().all(looks_up));
}

#[tokio::test]
async fn organization_of_two_with_one_name_is_nobodys() {
    let several = vec![organization("org-a", "Acme Inc"), organization("org-b", "Acme Inc")];
    let upstream = FakeNeon::route(neon(several)).await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let (value, is_error) = server
        .call("describe_organization", json!({"org_id": "Acme Inc"}))
        .await;
    assert!(is_error && error(&value)["kind"] == "unresolved", "{value}");
    for id in ["org-a", "org-b"] {
        assert!(error(&value)["message"].to_string().contains(id), "{value}");
    }
}
