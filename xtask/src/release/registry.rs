//! `server.json`, which the MCP registry is told. A release adds the bundles to it: their checksums are known then.

use serde_json::{Value, json};

use super::file::json as file;
use super::project::Project;

pub(super) fn files(project: &Project) -> Vec<(String, String)> {
    let server = json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": project.registry_name(),
        "title": "neon-mcp",
        "description": project.summary,
        "version": project.version,
        "websiteUrl": project.repository,
        "repository": {"url": project.repository, "source": "github"},
        "packages": [
            {
                "registryType": "npm",
                "identifier": "neon-mcp",
                "version": project.version,
                "runtimeHint": "npx",
                "transport": {"type": "stdio"},
                "environmentVariables": variables(),
            },
            {
                "registryType": "oci",
                "identifier": format!("{}:{}", project.image(), project.version),
                "runtimeHint": "docker",
                "transport": {"type": "stdio"},
                "environmentVariables": variables(),
            },
        ],
    });
    vec![file("server.json", &server)]
}

fn variables() -> Value {
    json!([
        {
            "name": "NEON_API_KEY",
            "description": "API key of Neon; not needed with NEON_MCP_SANDBOX",
            "isRequired": false,
            "isSecret": true
        },
        {
            "name": "NEON_MCP_SANDBOX",
            "description": "Use the Neon that the program carries: no account, no key, nothing real",
            "format": "boolean",
            "default": "false"
        },
        {
            "name": "NEON_MCP_READ_ONLY",
            "description": "Offer only tools that change nothing and hand over no secret",
            "format": "boolean",
            "default": "false"
        },
        {
            "name": "NEON_MCP_TOOLSETS",
            "description": "Toolsets to offer, e.g. branches,snapshots; all for everything",
            "default": "default"
        },
        {
            "name": "NEON_MCP_PROJECT_ID",
            "description": "Work on this project alone"
        },
        {
            "name": "NEON_MCP_POLICY",
            "description": "The operator's policy, a TOML file",
            "format": "filepath"
        }
    ])
}
