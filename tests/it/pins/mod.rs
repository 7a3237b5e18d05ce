//! What the operator bounds inside of a project: branches, roles, databases; and what the working directory is linked to.

mod branches;
mod linked;
mod names;
mod sql;
mod undo;

use neon_mcp::catalog::{Argument, Catalog, Resource, Tool};
use serde_json::{Map, Value};

use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::World;

/// A server with every tool on that world, with these flags and that policy. Nothing asks: what is refused, the bounds refuse.
async fn server(world: &World, flags: &[&str], policy: &str) -> TestServer {
    let state = crate::support::server::state_home();
    let file = state.join("policy.toml");
    let allowed: String = catalog()
        .tools()
        .iter()
        .map(|tool| format!("{} = \"allow\"\n", tool.name()))
        .collect();
    std::fs::write(&file, format!("{policy}\n[tools]\n{allowed}")).expect("a policy");
    let file = file.to_str().expect("a path").to_owned();
    let mut all = vec!["--toolsets", "all", "--policy", &file];
    all.extend(flags);
    let mut command = program(&all, &world.url(), KEY);
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "warn");
    TestServer::run(command, TestClient::alone(), Era::Legacy).await
}

fn catalog() -> Catalog {
    Catalog::embedded().expect("tools")
}

/// The arguments of a tool that name a branch, or something that is of one.
fn naming(tool: &Tool) -> Vec<(String, Resource)> {
    let properties = tool.input["properties"].as_object().expect("properties");
    properties
        .keys()
        .filter_map(|name| match tool.names(name) {
            Some(Argument::Resource(resource @ (Resource::Branch | Resource::Endpoint | Resource::Snapshot))) => {
                Some((name.clone(), resource))
            }
            _ => None,
        })
        .collect()
}

/// The rule that refused a call.
fn rule(value: &Value) -> &str {
    value["error"]["rule"].as_str().unwrap_or_default()
}

fn with(mut arguments: Map<String, Value>, name: &str, value: &str) -> Value {
    arguments.insert(name.to_owned(), value.into());
    Value::Object(arguments)
}
