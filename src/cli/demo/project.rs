//! How the demo's story begins and ends: with a project.

use serde_json::{Value, json};

use super::agent::{Agent, text};
use super::human::Answer;
use super::layout;

/// The project's name. Tools take it in place of its id.
pub(super) const SHOP: &str = "shop";

/// A new project: its id.
pub(super) async fn begin(agent: &mut Agent) -> anyhow::Result<String> {
    layout::say("\nA PROJECT");
    let organizations = agent.looks("list_organizations", json!({})).await?;
    let created = agent
        .does(
            "Create a project. The call ends when its compute runs.",
            "create_project",
            json!({"name": SHOP, "org_id": text(&organizations, "/organizations/0/id")?}),
        )
        .await?;
    let id = text(&created, "/result/project/id")?;
    agent.nobody_was_asked("what only adds something runs.")?;
    let listed = agent.looks("list_projects", json!({})).await?;
    agent.check(
        listed.pointer("/projects/0/id").and_then(Value::as_str) == Some(&id),
        &format!("The project is there: {id}. Tools take its name, too."),
        &listed,
    )?;
    Ok(id)
}

/// The project goes, when its name is typed, and comes back.
pub(super) async fn end(agent: &mut Agent) -> anyhow::Result<()> {
    layout::say("\nTHE PROJECT GOES, AND COMES BACK");
    let delete = json!({"project_id": SHOP});
    agent.human_will(Answer::Types("show"));
    agent
        .is_refused(
            "Delete the project. The human mistypes its name.",
            "delete_project",
            delete.clone(),
        )
        .await?;
    agent.was_asked_again(
        &["Delete project \"shop\""],
        "A wrong name is asked again, once, and approves nothing.",
    )?;
    let there = agent.looks("describe_project", delete.clone()).await?;
    agent.check(
        text(&there, "/project/name")? == SHOP,
        "The project is still there.",
        &there,
    )?;

    agent.human_will(Answer::Types(SHOP));
    let deleted = agent
        .does(
            "Delete it again, and the human types the right name.",
            "delete_project",
            delete,
        )
        .await?;
    agent.was_asked(&["Delete project \"shop\""], "The human was asked, once.")?;
    let left = agent.looks("list_projects", json!({})).await?;
    agent.check(
        left.pointer("/projects").is_some_and(|projects| projects == &json!([])),
        "The project is gone.",
        &left,
    )?;
    way_back(agent, &deleted, "Take the way back that the result names.").await?;
    agent.nobody_was_asked("getting something back loses nothing.")?;
    let there = agent.looks("describe_project", json!({"project_id": SHOP})).await?;
    agent.check(text(&there, "/project/name")? == SHOP, "The project is back.", &there)
}

/// Makes the call that a result has as its way back, exactly as it is there.
pub(super) async fn way_back(agent: &mut Agent, result: &Value, about: &str) -> anyhow::Result<Value> {
    let tool = text(result, "/undo/tool")?;
    let arguments = result.pointer("/undo/arguments").cloned().unwrap_or_default();
    agent.does(about, &tool, arguments).await
}
