//! `search` and `fetch`: what is found, by how many requests, and what the operator keeps from being seen.

use harness::assert_worded;
use std::sync::{Arc, Mutex};

use neon_mcp::sandbox::SandboxOptions;
use serde_json::{Value, json};

use crate::examples::{Story, text};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::fence::bare;
use crate::support::policy::write_policy;
use crate::support::server::{self, Era, KEY, TestClient, TestServer, program};

/// What an account has.
#[derive(Debug, Clone, Default)]
struct Account {
    /// The status of the list of organizations, where it isn't 200.
    organizations_fail: Option<u16>,
    /// Names of organizations: `org-NAME`.
    organizations: Vec<&'static str>,
    /// Organization, project, its branches. The id of a project is `NAME-sun-12345678`.
    projects: Vec<(&'static str, String, Vec<&'static str>)>,
    /// Projects are listed by organization alone, as for personal keys.
    names_organization: bool,
}

fn id_of(project: &str) -> String {
    format!("{project}-sun-12345678")
}

fn project_of((organization, name, _): &(&str, String, Vec<&str>)) -> Value {
    json!({"id": id_of(name), "name": name, "org_id": format!("org-{organization}"), "region_id": "aws-eu-1", "pg_version": 17})
}

fn branch_of(project: &str, name: &str) -> Value {
    json!({"id": format!("br-{}", name.to_lowercase().replace('/', "-")), "name": name, "project_id": id_of(project), "default": name == "main"})
}

/// The value of a parameter of a query, decoded.
fn parameter(request: &Recorded, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.query().as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

impl Account {
    fn project(mut self, organization: &'static str, name: &str, branches: &[&'static str]) -> Self {
        self.projects.push((organization, name.to_owned(), branches.to_vec()));
        self
    }

    fn answer(&self, request: &Recorded) -> Reply {
        let path = request.path().trim_start_matches("/api/v2").to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let of = |id: &str| self.projects.iter().find(|(_, name, _)| id_of(name) == id);
        let organization =
            |name: &str| json!({"id": format!("org-{name}"), "name": name, "handle": name, "plan": "scale"});
        match parts.as_slice() {
            ["users", "me", "organizations"] => match self.organizations_fail {
                Some(status) => Reply::error(status, "", "not for this key"),
                None => {
                    let listed: Vec<Value> = self.organizations.iter().map(|name| organization(name)).collect();
                    Reply::json(200, json!({"organizations": listed}))
                }
            },
            ["organizations", id] => Reply::json(200, organization(id.trim_start_matches("org-"))),
            ["projects"] => {
                let wanted = parameter(request, "org_id");
                if self.names_organization && wanted.is_none() {
                    return Reply::error(400, "", "org_id is required");
                }
                let search = parameter(request, "search").map(|search| search.to_lowercase());
                let limit: usize = parameter(request, "limit").map_or(10, |limit| limit.parse().expect("a number"));
                let listed: Vec<Value> = self
                    .projects
                    .iter()
                    .filter(|(organization, ..)| wanted.as_ref().is_none_or(|id| *id == format!("org-{organization}")))
                    .filter(|(_, name, _)| search.as_ref().is_none_or(|search| id_of(name).contains(search)))
                    .map(project_of)
                    .take(limit)
                    .collect();
                Reply::json(200, json!({"projects": listed, "pagination": {"cursor": "next"}}))
            }
            ["projects", id] => match of(id) {
                Some(project) => Reply::json(200, json!({"project": project_of(project)})),
                None => Reply::error(404, "", "no such project"),
            },
            ["projects", id, "branches"] => match of(id) {
                Some((_, name, branches)) => {
                    let listed: Vec<Value> = branches.iter().map(|branch| branch_of(name, branch)).collect();
                    Reply::json(200, json!({"branches": listed, "pagination": {}}))
                }
                None => Reply::error(404, "", "no such project"),
            },
            ["projects", _, "branches", "count"] => Reply::json(200, json!({"count": 7})),
            ["projects", id, "branches", branch] => {
                let name = of(id).map_or("?", |(_, name, _)| name.as_str());
                Reply::json(
                    200,
                    json!({"branch": branch_of(name, branch.trim_start_matches("br-"))}),
                )
            }
            ["projects", _, "branches", _, "endpoints"] => Reply::json(
                200,
                json!({"endpoints": [{"id": "ep-a", "type": "read_write", "current_state": "idle"}]}),
            ),
            ["projects", _, "branches", _, "databases"] => Reply::json(200, json!({"databases": [{"name": "neondb"}]})),
            ["projects", _, "branches", _, "roles"] => {
                Reply::json(200, json!({"roles": [{"name": "app", "password": "canary-password"}]}))
            }
            _ => Reply::error(404, "", "nothing there"),
        }
    }
}

/// A server on an account, and the upstream that counts.
struct On {
    upstream: FakeNeon,
    server: TestServer,
    _policy: Option<tempfile::NamedTempFile>,
}

impl On {
    async fn account(account: Account) -> Self {
        Self::with(account, &[], "", KEY).await
    }

    async fn with(account: Account, flags: &[&str], policy: &str, key: &str) -> Self {
        let upstream = FakeNeon::route(move |request| account.answer(request)).await;
        let mut command = program(&["--toolsets", "search"], &upstream.url(), key);
        command.args(flags);
        let file = (!policy.is_empty()).then(|| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            write_policy(file.path(), policy);
            command.arg("--policy").arg(file.path());
            file
        });
        let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
        Self {
            upstream,
            server,
            _policy: file,
        }
    }

    async fn search(&self, arguments: Value) -> Value {
        let (value, is_error) = self.server.call("search", arguments).await;
        assert!(!is_error, "{value}");
        for request in self.upstream.requests() {
            assert_eq!(request.method, "GET", "{}", request.target);
        }
        value
    }

    /// The ids that a query finds.
    async fn ids(&self, query: &str) -> Vec<String> {
        let found = self.search(json!({"query": query})).await;
        let results = found["results"].as_array().expect("results").clone();
        results.iter().map(|hit| text(&hit["id"])).collect()
    }

    async fn fetch(&self, id: &str) -> (Value, bool) {
        self.server.call("fetch", json!({"id": id})).await
    }

    fn targets(&self) -> Vec<String> {
        let requests = self.upstream.requests();
        requests
            .iter()
            .map(|request| request.target.trim_start_matches("/api/v2").to_owned())
            .collect()
    }
}

/// A personal key's account: two organizations, three projects.
fn personal() -> Account {
    Account {
        organizations: vec!["acme", "globex"],
        names_organization: true,
        ..Account::default()
    }
    .project("acme", "shop", &["main", "dev", "Feature/Login"])
    .project("acme", "shopping-list", &["main"])
    .project("globex", "crm", &["main", "shop-import"])
}

#[tokio::test]
async fn hits_are_ranked_and_found_in_every_organization() {
    let on = On::account(personal()).await;
    assert_eq!(
        on.ids("SHOP").await,
        [
            "project:shop-sun-12345678",
            "project:shopping-list-sun-12345678",
            "branch:crm-sun-12345678/br-shop-import",
        ],
        "exact, then what begins so: projects before branches"
    );
    let targets = on.targets();
    assert_eq!(
        targets.len(),
        6,
        "organizations, projects of each, branches of each project: {targets:?}"
    );
    assert!(
        targets
            .iter()
            .filter(|target| target.starts_with("/projects?"))
            .all(|target| target.contains("org_id=org-"))
    );
    assert_eq!(
        on.ids("import shop").await,
        ["branch:crm-sun-12345678/br-shop-import"],
        "all words, in any order"
    );
    assert_eq!(
        on.ids("feature/login").await,
        ["branch:shop-sun-12345678/br-feature-login"]
    );
    assert_eq!(
        on.ids("the main branch of crm").await,
        ["branch:crm-sun-12345678/br-main"]
    );
    assert_eq!(on.ids("br-dev").await, ["branch:shop-sun-12345678/br-dev"]);
    assert_eq!(on.ids("Acme").await, ["org:org-acme"]);
    assert_eq!(on.ids("shop nonsense").await, Vec::<String>::new());
    let main = on.search(json!({"query": "main"})).await;
    assert_eq!(main["results"].as_array().map(Vec::len), Some(3), "{main}");
    assert!(
        main.get("result").is_none(),
        "the fields stand where OpenAI's clients look for them"
    );
    let hit = &main["results"][0];
    assert_eq!((&hit["kind"], &hit["title"]), (&json!("branch"), &json!("main")));
    assert!(
        text(&hit["location"]).contains("crm-sun-12345678") && text(&hit["text"]).contains("default"),
        "{hit}"
    );
    assert!(hit.get("url").is_none(), "the sandbox has no console");
}

#[tokio::test]
async fn a_key_that_may_not_list_organizations_searches_what_is_its_own() {
    for status in [403, 404, 500] {
        let account = Account {
            organizations_fail: Some(status),
            names_organization: false,
            ..personal()
        };
        let on = On::account(account).await;
        let found = on.search(json!({"query": "crm"})).await;
        assert_eq!(found["results"][0]["id"], "project:crm-sun-12345678", "{found}");
        assert_worded!(
            "notes",
            &format!("search: organizations that failed: {status}"),
            found["notes"]
        );
        assert!(on.targets().iter().all(|target| !target.contains("org_id")));
    }
    let on = On::account(Account {
        organizations_fail: Some(401),
        ..personal()
    })
    .await;
    let (refused, is_error) = on.server.call("search", json!({"query": "crm"})).await;
    assert!(is_error && refused["error"]["kind"] == "unauthorized", "{refused}");
}

#[tokio::test]
async fn with_many_projects_branches_are_looked_over_where_the_name_fits() {
    let mut account = Account {
        organizations: vec!["acme"],
        ..Account::default()
    };
    for number in 0..30 {
        account = account.project("acme", &format!("app-{number:03}"), &["main", "app-copy"]);
    }
    let on = On::account(account.clone()).await;
    assert_eq!(on.ids("app-007 main").await, ["branch:app-007-sun-12345678/br-main"]);
    assert_eq!(on.targets().len(), 3, "{:?}", on.targets());
    let main = on.search(json!({"query": "main"})).await;
    assert_eq!(main["results"], json!([]), "{main}");
    assert!(
        main["notes"].to_string().contains("give project_id"),
        "how to narrow: {main}"
    );
    // A project that is given has its branches looked over, and nothing else is asked for.
    let before = on.targets().len();
    let narrowed = on
        .search(json!({"query": "main", "project_id": "app-011-sun-12345678"}))
        .await;
    assert_eq!(narrowed["results"][0]["id"], "branch:app-011-sun-12345678/br-main");
    assert_eq!(on.targets().len(), before + 2);
    // Every project fits: the requests are bounded, and that is said.
    let before = on.targets().len();
    let all = on.search(json!({"query": "app"})).await;
    assert_eq!(on.targets().len() - before, 12, "{:?}", on.targets());
    assert_worded!("notes", "search: more than it reads", all["notes"]);
    assert_eq!(
        all["results"].as_array().map(Vec::len),
        Some(40),
        "30 projects, and 10 of the branches"
    );
    // More than a request gives: Neon searches.
    for number in 30..150 {
        account = account.project("acme", &format!("app-{number:03}"), &["main"]);
    }
    let on = On::account(account).await;
    assert_eq!(on.ids("app-149").await, ["project:app-149-sun-12345678"]);
    assert_eq!(on.ids("app-148 main").await, ["branch:app-148-sun-12345678/br-main"]);
    assert!(
        on.targets().iter().any(|target| target.contains("search=app-148")),
        "{:?}",
        on.targets()
    );
    let all = on.search(json!({"query": "app"})).await;
    assert_eq!(all["results"].as_array().map(Vec::len), Some(50), "{all}");
    assert_worded!("notes", "search: more than it shows", all["notes"]);
}

#[tokio::test]
async fn what_the_policy_hides_is_neither_found_nor_asked_for() {
    let on = On::with(personal(), &[], "allowed_projects = [\"crm-sun-12345678\"]\n", KEY).await;
    assert_eq!(on.ids("shop").await, ["branch:crm-sun-12345678/br-shop-import"]);
    assert!(
        !on.targets().iter().any(|target| target.contains("shop-sun")),
        "{:?}",
        on.targets()
    );
    let (denied, is_error) = on
        .server
        .call("search", json!({"query": "main", "project_id": "shop-sun-12345678"}))
        .await;
    assert!(is_error && denied["error"]["kind"] == "denied_by_policy", "{denied}");
    for id in ["project:shop-sun-12345678", "branch:shop-sun-12345678/br-main"] {
        let (denied, is_error) = on.fetch(id).await;
        assert!(is_error && denied["error"]["rule"] == "allowed_projects", "{denied}");
    }
    assert!(
        !on.targets().iter().any(|target| target.contains("shop-sun")),
        "{:?}",
        on.targets()
    );

    let on = On::with(personal(), &[], "allowed_organizations = [\"org-globex\"]\n", KEY).await;
    assert_eq!(on.ids("shop").await, ["branch:crm-sun-12345678/br-shop-import"]);
    assert_eq!(on.ids("acme").await, Vec::<String>::new());
    assert!(
        !on.targets()
            .iter()
            .any(|target| target.contains("acme") || target.contains("shop-sun")),
        "{:?}",
        on.targets()
    );
    for id in [
        "org:org-acme",
        "project:shop-sun-12345678",
        "branch:shop-sun-12345678/br-main",
    ] {
        let (denied, is_error) = on.fetch(id).await;
        assert!(
            is_error && denied["error"]["rule"] == "allowed_organizations",
            "{id}: {denied}"
        );
        assert!(denied.get("text").is_none());
    }
    assert!(!on.fetch("branch:crm-sun-12345678/br-main").await.1);
    // A key that can't list organizations gets what the policy lets through all the same.
    let account = Account {
        organizations_fail: Some(403),
        names_organization: false,
        ..personal()
    };
    let on = On::with(account, &[], "allowed_organizations = [\"org-globex\"]\n", KEY).await;
    assert_eq!(on.ids("shop").await, ["branch:crm-sun-12345678/br-shop-import"]);

    // A tool that is denied is no step either.
    let on = On::with(personal(), &[], "[tools]\ndescribe_branch = \"deny\"\n", KEY).await;
    let (denied, is_error) = on.fetch("branch:crm-sun-12345678/br-main").await;
    assert!(is_error && denied["error"]["kind"] == "denied_by_policy", "{denied}");
}

#[tokio::test]
async fn a_fixed_project_or_organization_bounds_both_tools() {
    let on = On::with(personal(), &["--project-id", "shop-sun-12345678"], "", KEY).await;
    let tools = on.server.client.list_all_tools().await.expect("a list");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["search", "fetch"]);
    assert!(!serde_json::to_string(&tools).expect("JSON").contains("project_id"));
    assert_eq!(on.ids("main").await, ["branch:shop-sun-12345678/br-main"]);
    assert_eq!(on.ids("crm").await, Vec::<String>::new());
    assert!(
        on.targets()
            .iter()
            .all(|target| target.starts_with("/projects/shop-sun-12345678")),
        "{:?}",
        on.targets()
    );
    let before = on.targets().len();
    for id in [
        "project:crm-sun-12345678",
        "branch:crm-sun-12345678/br-main",
        "org:org-acme",
    ] {
        let (refused, is_error) = on.fetch(id).await;
        assert!(is_error && refused["error"]["kind"] == "invalid_arguments", "{refused}");
    }
    assert_eq!(on.targets().len(), before, "nothing is asked for");
    assert!(!on.fetch("branch:shop-sun-12345678/br-main").await.1);

    let on = On::with(personal(), &["--org-id", "org-globex"], "", KEY).await;
    assert_eq!(on.ids("shop").await, ["branch:crm-sun-12345678/br-shop-import"]);
    assert_eq!(on.ids("globex").await, ["org:org-globex"]);
    assert!(
        !on.targets()
            .iter()
            .any(|target| target.contains("acme") || target.contains("/users/me"))
    );
    for id in [
        "project:shop-sun-12345678",
        "branch:shop-sun-12345678/br-main",
        "org:org-acme",
    ] {
        let (refused, is_error) = on.fetch(id).await;
        assert!(
            is_error && refused["error"]["kind"] == "invalid_arguments",
            "{id}: {refused}"
        );
    }
    assert!(!on.fetch("project:crm-sun-12345678").await.1);
}

#[tokio::test]
async fn one_thing_is_fetched_whole_masked_and_by_few_reads() {
    let on = On::with(personal(), &[], "", "napi_0123456789").await;
    let found = on.search(json!({"query": "crm"})).await;
    let console = on.upstream.origin();
    assert_eq!(
        found["results"][0]["url"],
        format!("{console}/app/projects/crm-sun-12345678"),
        "{found}"
    );
    for (id, requests, title, url, holds) in [
        (
            "org:org-acme",
            1,
            "acme",
            "org-acme/projects",
            vec!["\"plan\": \"scale\""],
        ),
        (
            "project:crm-sun-12345678",
            2,
            "crm",
            "projects/crm-sun-12345678",
            vec!["\"branches\": 7", "aws-eu-1"],
        ),
        (
            "branch:crm-sun-12345678/br-main",
            4,
            "main",
            "projects/crm-sun-12345678/branches/br-main",
            vec!["ep-a", "neondb", "\"app\"", "[masked]"],
        ),
    ] {
        let own = |target: &&String| !target.ends_with("/auth") && !target.ends_with("/api_keys");
        let before = on.targets().iter().filter(own).count();
        let (whole, is_error) = on.fetch(id).await;
        assert!(!is_error, "{whole}");
        assert_eq!(on.targets().iter().filter(own).count() - before, requests, "{id}");
        assert_eq!((&whole["id"], &whole["title"]), (&json!(id), &json!(title)), "{whole}");
        assert_eq!(whole["url"], format!("{console}/app/{url}"));
        assert_eq!(whole["metadata"]["kind"], found_kind(id));
        let text = whole["text"].as_str().expect("a text");
        for part in holds {
            assert!(text.contains(part), "{id} lacks {part}: {text}");
        }
        assert!(!whole.to_string().contains("canary-password"), "{whole}");
    }
    assert!(on.upstream.requests().iter().all(|request| request.method == "GET"));
}

fn found_kind(id: &str) -> &'static str {
    match id.split(':').next() {
        Some("org") => "organization",
        Some("project") => "project",
        _ => "branch",
    }
}

#[tokio::test]
async fn ids_that_are_none_say_the_form_and_send_nothing() {
    let on = On::account(personal()).await;
    for id in [
        "crm",
        "project:",
        "project:../x",
        "project:a/b",
        "branch:crm-sun-12345678",
        "branch:/br-main",
        "branch:a/b/c",
        "org:",
        "org:a%2fb",
        "database:x",
        "Project:crm",
        "project:crm?x",
        " project:crm",
    ] {
        let (refused, is_error) = on.fetch(id).await;
        assert!(
            is_error && refused["error"]["kind"] == "invalid_arguments",
            "{id}: {refused}"
        );
        assert!(refused.to_string().contains("branch:PROJECT_ID/BRANCH_ID"), "{refused}");
    }
    let (refused, is_error) = on.server.call("search", json!({"query": " ?! "})).await;
    assert!(is_error && refused["error"]["kind"] == "invalid_arguments", "{refused}");
    assert_eq!(on.upstream.count(), 0);
    let (missing, is_error) = on.fetch("project:nothing-sun-12345678").await;
    assert!(is_error && missing["error"]["kind"] == "not_found", "{missing}");
}

#[tokio::test]
async fn a_part_that_fails_is_said_and_the_rest_is_shown() {
    let account = personal();
    let broken = Arc::new(Mutex::new("/projects/shop-sun-12345678/branches"));
    let ends = broken.clone();
    let upstream = FakeNeon::route(move |request| {
        if request.path().ends_with(*ends.lock().expect("a lock")) {
            return Reply::error(403, "", "not for you");
        }
        account.answer(request)
    })
    .await;
    let server = server::start(&["--toolsets", "search"], &upstream.url()).await;
    let (found, is_error) = server.call("search", json!({"query": "main"})).await;
    assert!(
        !is_error && found["results"].as_array().map(Vec::len) == Some(2),
        "{found}"
    );
    assert_worded!("notes", "search: branches of a project that failed", found["notes"]);
    *broken.lock().expect("a lock") = "/roles";
    let (whole, is_error) = server
        .call("fetch", json!({"id": "branch:crm-sun-12345678/br-main"}))
        .await;
    assert!(
        !is_error && whole["text"].as_str().expect("a text").contains("neondb"),
        "{whole}"
    );
    assert!(whole["notes"].to_string().contains("roles"), "{whole}");
}

#[tokio::test]
async fn on_the_sandbox_everything_is_found_and_no_compute_is_woken() {
    let story = Story::aside(SandboxOptions::default()).await;
    let project = story.make_shop(json!({})).await;
    let branch = story.make_branch(json!({"name": "feature/login"})).await;
    let found = story.done("search", json!({"query": "login"})).await;
    assert_eq!(
        found["results"][0]["id"],
        format!("branch:{project}/{branch}"),
        "{found}"
    );
    assert_eq!(found["service"], "sandbox");
    let shop = story.done("search", json!({"query": "shop"})).await;
    assert_eq!(shop["results"][0]["id"], format!("project:{project}"), "{shop}");
    // Computes go idle, and stay so.
    story.advance(3_600).await;
    let states = async || {
        let computes = story.shop("list_computes", json!({})).await;
        let computes = computes["endpoints"].as_array().expect("computes").clone();
        computes
            .iter()
            .map(|compute| text(&compute["current_state"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["idle", "idle"]);
    let whole = story
        .done("fetch", json!({"id": format!("branch:{project}/{branch}")}))
        .await;
    let shown: Value = serde_json::from_str(&bare(&text(&whole["text"]))).expect("JSON");
    assert_eq!(shown["branch"]["name"], "feature/login");
    assert_eq!(shown["databases"][0]["name"], "neondb");
    assert_eq!(shown["computes"][0]["current_state"], "idle");
    assert_eq!(shown["roles"][0]["name"], "neondb_owner");
    let whole = story.done("fetch", json!({"id": format!("project:{project}")})).await;
    assert_eq!(whole["metadata"]["branches"], 2, "{whole}");
    let organization = text(&whole["metadata"]["organization_id"]);
    let whole = story.done("fetch", json!({"id": format!("org:{organization}")})).await;
    assert_eq!(whole["metadata"]["kind"], "organization", "{whole}");
    assert_eq!(states().await, ["idle", "idle"]);
    assert_eq!(story.asked(), 0, "nobody is asked");
}
