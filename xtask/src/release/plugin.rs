//! One plugin folder for five clients: each reads its own manifest, and all of them the same skill. No key stands in it: clients take
//! it from the environment, or ask for it.

use serde_json::{Value, json};

use super::file::json as file;
use super::project::Project;

/// The plugin's folder.
const FOLDER: &str = "plugin";

pub(super) fn files(project: &Project) -> Vec<(String, String)> {
    let path = |name: &str| format!("{FOLDER}/{name}");
    vec![
        // Claude Code, and GitHub Copilot's command line.
        file(&path(".claude-plugin/plugin.json"), &manifest(project, &json!({}))),
        file(
            &path(".github/plugin/plugin.json"),
            &manifest(project, &json!({"skills": "./skills/", "mcpServers": "./.mcp.json"})),
        ),
        file(
            &path(".mcp.json"),
            &servers(project, &json!({"env": {"NEON_API_KEY": "${NEON_API_KEY:-}"}})),
        ),
        file(
            &path(".cursor-plugin/plugin.json"),
            &manifest(
                project,
                &json!({"skills": "./skills/", "mcpServers": "./cursor.mcp.json"}),
            ),
        ),
        file(
            &path("cursor.mcp.json"),
            &servers(project, &json!({"env": {"NEON_API_KEY": "${env:NEON_API_KEY}"}})),
        ),
        file(
            &path(".codex-plugin/plugin.json"),
            &manifest(
                project,
                &json!({
                    "skills": "./skills/",
                    "mcpServers": "./codex.mcp.json",
                    "interface": {
                        "displayName": "Neon",
                        "shortDescription": "Neon (serverless Postgres), with approvals",
                        "longDescription": project.summary,
                        "developerName": "neon-mcp contributors",
                        "category": "Developer Tools",
                        "capabilities": ["Read", "Write"],
                        "websiteURL": project.repository,
                    },
                }),
            ),
        ),
        // Codex hands over variables by their names.
        file(
            &path("codex.mcp.json"),
            &servers(project, &json!({"env_vars": ["NEON_API_KEY"]})),
        ),
        file(&path("gemini-extension.json"), &gemini(project)),
        file(".claude-plugin/marketplace.json", &marketplace(project)),
    ]
}

fn manifest(project: &Project, more: &Value) -> Value {
    let mut manifest = json!({
        "name": "neon-mcp",
        "version": project.version,
        "description": project.summary,
        "author": {"name": "neon-mcp contributors", "url": project.repository},
        "homepage": project.repository,
        "repository": project.repository,
        "license": project.license,
        "keywords": project.keywords,
    });
    merge(&mut manifest, more);
    manifest
}

/// How the server is started, whoever does it.
fn server(project: &Project, more: &Value) -> Value {
    let mut server = json!({"command": "npx", "args": ["-y", format!("neon-mcp@{}", project.version)]});
    merge(&mut server, more);
    server
}

fn servers(project: &Project, more: &Value) -> Value {
    json!({"mcpServers": {"neon": server(project, more)}})
}

fn gemini(project: &Project) -> Value {
    json!({
        "name": "neon-mcp",
        "version": project.version,
        "description": project.summary,
        "mcpServers": {"neon": server(project, &json!({"env": {"NEON_API_KEY": "${NEON_API_KEY}"}}))},
        "contextFileName": "skills/neon/SKILL.md",
        "settings": [{
            "name": "Neon API key",
            "description": "From the Neon Console; a project-scoped key bounds what an agent can reach",
            "envVar": "NEON_API_KEY",
            "sensitive": true,
        }],
    })
}

fn marketplace(project: &Project) -> Value {
    json!({
        "name": "neon-mcp",
        "owner": {"name": "neon-mcp contributors"},
        "metadata": {"description": project.summary, "version": project.version},
        "plugins": [{"name": "neon-mcp", "source": format!("./{FOLDER}"), "description": project.summary}],
    })
}

fn merge(value: &mut Value, more: &Value) {
    if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
        value.extend(more.clone());
    }
}
