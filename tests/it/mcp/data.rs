//! The Data API, anonymized branches, branch credentials and consumption, through a real client on a sandbox.

use chrono::{SecondsFormat, TimeDelta, Utc};
use neon_mcp::sandbox::{Limits, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::error;
use crate::support::human::{Human, Manner};
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A server on a sandbox of its own, with a project and a branch that is no throwaway, and the human behind the client.
struct Story {
    sandbox: Sandbox,
    server: TestServer,
    human: Human,
    org: String,
    project: String,
}

impl Story {
    async fn begin() -> Self {
        // The plan that has every version of the consumption history.
        let options = SandboxOptions {
            limits: Limits::scale(),
            ..SandboxOptions::default()
        };
        let sandbox = sandbox::start(options).await;
        let mut command = program(&["--toolsets", "all"], &sandbox.api_url(), sandbox.api_key());
        command.env("NEON_MCP_LOG", "trace");
        let human = Human::who(Manner::Accepts);
        let server = TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await;
        let mut story = Self {
            sandbox,
            server,
            human,
            org: String::new(),
            project: String::new(),
        };
        let organizations = story.call("list_organizations", json!({})).await;
        story.org = text(&organizations["organizations"][0]["id"]);
        let org = story.org.clone();
        let made = story
            .call("create_project", json!({"name": "shop", "org_id": org}))
            .await;
        story.project = text(&made["project"]["id"]);
        story.on("create_branch", json!({"name": "dev"}), None).await;
        story
    }

    /// A call that must succeed: what Neon said.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let (value, is_error) = self.server.call(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
        if value["result"].is_null() {
            value
        } else {
            value["result"].clone()
        }
    }

    fn arguments(&self, more: Value, branch: Option<&str>) -> Value {
        let mut arguments = more;
        arguments["project_id"] = self.project.as_str().into();
        if let Some(branch) = branch {
            arguments["branch_id"] = branch.into();
        }
        arguments
    }

    /// A call about the project, or a branch of it.
    async fn on(&self, tool: &str, more: Value, branch: Option<&str>) -> Value {
        self.call(tool, self.arguments(more, branch)).await
    }

    /// A call that must fail.
    async fn fails(&self, tool: &str, more: Value, branch: &str) -> Value {
        let (value, is_error) = self.server.call(tool, self.arguments(more, Some(branch))).await;
        assert!(is_error, "{tool}: {value}");
        error(&value).clone()
    }

    /// How often the human was asked since the last time.
    fn asked(&self, before: &mut usize) -> usize {
        let now = self.human.asked().len();
        let since = now - *before;
        *before = now;
        since
    }

    async fn advance(&self, seconds: u32) {
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client")
            .post(format!("{}/clock", self.sandbox.admin_url()))
            .bearer_auth(self.sandbox.api_key())
            .json(&json!({"advance_seconds": seconds}))
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success());
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

#[tokio::test]
async fn a_database_is_opened_to_the_world_and_closed_by_a_human_only() {
    let story = Story::begin().await;
    let mut asked = 0;
    let database = || json!({"database_name": "neondb"});
    let failure = story.fails("get_data_api", database(), "dev").await;
    assert_eq!(failure["status"], 404, "{failure}");

    let mut open = database();
    open["auth_provider"] = "external".into();
    let failure = story.fails("provision_neon_data_api", open.clone(), "dev").await;
    assert_eq!(failure["kind"], "invalid_arguments", "{failure}");
    open["jwks_url"] = "https://keys.example/jwks.json".into();
    open["db_max_rows"] = 50.into();
    let made = story.on("provision_neon_data_api", open, Some("dev")).await;
    assert!(text(&made["url"]).ends_with("/neondb/rest/v1"), "{made}");
    assert_eq!(story.asked(&mut asked), 1);

    let mut rows = database();
    rows["db_max_rows"] = 10.into();
    story.on("update_data_api", rows, Some("dev")).await;
    assert_eq!(story.asked(&mut asked), 0, "a limit exposes nothing");
    let mut schemas = database();
    schemas["db_schemas"] = json!(["public", "private"]);
    story.on("update_data_api", schemas, Some("dev")).await;
    assert_eq!(story.asked(&mut asked), 1, "another schema is exposed");
    let shown = story.on("get_data_api", database(), Some("dev")).await;
    assert_eq!(shown["settings"]["db_max_rows"], 10, "{shown}");
    assert_eq!(shown["settings"]["db_schemas"], json!(["public", "private"]));

    story.human.changes_to(Manner::Declines);
    let failure = story.fails("delete_data_api", database(), "dev").await;
    assert_eq!(failure["kind"], "rejected", "{failure}");
    story.on("get_data_api", database(), Some("dev")).await;
    story.human.changes_to(Manner::Accepts);
    story.on("delete_data_api", database(), Some("dev")).await;
    let failure = story.fails("get_data_api", database(), "dev").await;
    assert_eq!(failure["status"], 404, "{failure}");
}

#[tokio::test]
async fn an_anonymized_branch_is_made_ruled_and_masked() {
    let story = Story::begin().await;
    let mut asked = 0;
    let rule = |column: &str| {
        json!({
            "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": column,
            "masking_function": "anon.fake_email()",
        })
    };
    let new = json!({"name": "masked", "parent_id": "dev", "masking_rules": [rule("email")]});
    let made = story.on("create_anonymized_branch", new, None).await;
    assert_eq!(made["branch"]["name"], "masked", "{made}");
    assert!(
        !made.to_string().contains("npg_sandbox_"),
        "a password is shown: {made}"
    );
    let state = story.on("get_anonymization_status", json!({}), Some("masked")).await;
    assert_eq!(state["state"], "initialized", "{state}");

    let both = json!({"masking_rules": [rule("email"), rule("name")]});
    story.on("update_masking_rules", both, Some("masked")).await;
    assert_eq!(story.asked(&mut asked), 0);
    story
        .on("update_masking_rules", json!({"masking_rules": []}), Some("masked"))
        .await;
    assert_eq!(story.asked(&mut asked), 1, "no column would be masked");
    story
        .on(
            "update_masking_rules",
            json!({"masking_rules": [rule("name")]}),
            Some("masked"),
        )
        .await;
    let rules = story.on("list_masking_rules", json!({}), Some("masked")).await;
    assert_eq!(rules["masking_rules"], json!([rule("name")]), "{rules}");

    story.on("start_anonymization", json!({}), Some("masked")).await;
    assert_eq!(story.asked(&mut asked), 1, "it overwrites for good");
    story.advance(5).await;
    let state = story.on("get_anonymization_status", json!({}), Some("masked")).await;
    assert_eq!(state["state"], "anonymized", "{state}");
    assert_eq!(state["last_run"]["masked_columns"], 1);
    let failure = story.fails("get_anonymization_status", json!({}), "dev").await;
    assert_eq!(failure["status"], 404, "{failure}");
}

#[tokio::test]
async fn a_credential_is_handed_over_only_where_that_is_the_purpose() {
    let story = Story::begin().await;
    let mut asked = 0;
    let new = json!({"name": "app", "scopes": ["storage:read"]});
    let made = story.on("create_credential", new, Some("dev")).await;
    assert_eq!(story.asked(&mut asked), 1);
    let token = json!({"token_id": made["token_id"]});
    let secret = text(&made["s3_secret_access_key"]);
    assert!(text(&made["api_token"]).starts_with("nbt_sandbox_"), "{made}");

    let listed = story.on("list_credentials", json!({}), Some("dev")).await;
    assert_eq!(listed["credentials"][0]["name"], "app", "{listed}");
    assert!(!listed.to_string().contains("_sandbox_"), "no secrets: {listed}");
    let shown = story.on("reveal_credential", token.clone(), Some("dev")).await;
    assert_eq!(shown["s3_secret_access_key"], secret.as_str());
    assert_eq!(story.asked(&mut asked), 0, "of a branch that is nobody's default");
    let rotated = story.on("rotate_credential", token.clone(), Some("dev")).await;
    assert_ne!(rotated["s3_secret_access_key"], secret.as_str());
    story.on("revoke_credential", token.clone(), Some("dev")).await;
    assert_eq!(story.asked(&mut asked), 2);
    let failure = story.fails("reveal_credential", token, "dev").await;
    assert_eq!(failure["status"], 404, "{failure}");
    let listed = story.on("list_credentials", json!({}), Some("dev")).await;
    assert_eq!(listed["credentials"], json!([]), "{listed}");

    let gateway = story.on("get_ai_gateway", json!({}), Some("dev")).await;
    assert_eq!(gateway["enabled"], true, "{gateway}");
    let storage = story.on("get_object_storage", json!({}), Some("dev")).await;
    assert_eq!(storage["enabled"], true, "{storage}");

    for (plan, _) in story.human.asked() {
        assert!(!plan.contains(&secret), "a plan shows a secret: {plan}");
    }
    let log = story.server.stop().await;
    assert!(!log.contains(&secret), "the log shows a secret");
}

#[tokio::test]
async fn consumption_follows_the_computes() {
    let began = std::time::Instant::now();
    let story = Story::begin().await;
    story.advance(2 * 3600).await;
    // Until then the computes ran by the real clock, too, at half a unit together.
    let real = began.elapsed().as_secs() / 2 + 1;
    let time = |hours: i64| (Utc::now() + TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let asked = json!({
        "org_id": story.org, "project_ids": [story.project], "from": time(-2), "to": time(3), "granularity": "hourly",
        "metrics": ["compute_unit_seconds"],
    });
    let total = |item: &Value| -> u64 {
        let rows = item["usage"].as_array().expect("rows").iter();
        rows.map(|row| row["compute_unit_seconds"].as_u64().expect("a figure that isn't zero"))
            .sum()
    };
    let used = story.call("get_project_consumption", asked.clone()).await;
    let all = total(&used["projects"][0]);
    assert!(
        (148..=152 + real).contains(&all),
        "two computes, 300 s each at 0.25 CU: {all} {used}"
    );
    let mut whole = asked.clone();
    whole["detail"] = "full".into();
    let full = story.call("get_project_consumption", whole).await;
    // Whatever the date is: a period ends with its month.
    let periods = full["projects"][0]["periods"].as_array().expect("periods");
    let frames = |period: &Value| period["consumption"].as_array().expect("timeframes").len();
    assert!(
        periods.iter().map(frames).sum::<usize>() > used["projects"][0]["usage"].as_array().expect("rows").len(),
        "{full}"
    );
    let used = story.call("get_branch_consumption", asked.clone()).await;
    let branches = used["branches"].as_array().expect("branches");
    assert_eq!(branches.len(), 2, "{used}");
    let sum: u64 = branches.iter().map(total).sum();
    assert!(sum.abs_diff(all) <= 4, "{used}");

    let mut legacy = asked;
    legacy["metrics"] = json!(["active_time_seconds"]);
    let used = story.call("get_legacy_project_consumption", legacy.clone()).await;
    assert_eq!(used["projects"][0]["project_id"], story.project.as_str(), "{used}");
    legacy["from"] = time(-24 * 30).into();
    let (value, is_error) = story.server.call("get_legacy_project_consumption", legacy).await;
    assert!(is_error, "{value}");
    assert_eq!(error(&value)["status"], 406, "{value}");
}
