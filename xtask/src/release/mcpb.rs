//! The manifest of the MCPB bundle, which desktop clients install by a click. One bundle a system: `packaging/mcpb/pack`.

use serde_json::json;

use super::file::json as file;
use super::project::Project;

pub(super) fn files(project: &Project) -> Vec<(String, String)> {
    let manifest = json!({
        "manifest_version": "0.3",
        "name": "neon-mcp",
        "display_name": "Neon (serverless Postgres)",
        "version": project.version,
        "description": project.summary,
        "long_description": "Branches, SQL, migrations and projects of Neon in plain language. Destructive calls wait for your \
            approval, which the server enforces. Without an account, turn the sandbox on: a Neon in the program itself.",
        "author": {"name": "neon-mcp contributors", "url": project.repository},
        "repository": {"type": "git", "url": format!("{}.git", project.repository)},
        "homepage": project.repository,
        "documentation": project.page("README.md"),
        "support": format!("{}/issues", project.repository),
        "license": project.license,
        "keywords": project.keywords,
        "server": {
            "type": "binary",
            "entry_point": "server/neon-mcp",
            "mcp_config": {
                "command": "${__dirname}/server/neon-mcp",
                "args": [],
                "env": {
                    "NEON_API_KEY": "${user_config.api_key}",
                    "NEON_MCP_SANDBOX": "${user_config.sandbox}",
                    "NEON_MCP_READ_ONLY": "${user_config.read_only}",
                    "NEON_MCP_PROJECT_ID": "${user_config.project_id}",
                },
                "platform_overrides": {"win32": {"command": "${__dirname}/server/neon-mcp.exe"}},
            },
        },
        "user_config": {
            "api_key": {
                "type": "string",
                "title": "Neon API key",
                "description": "From the Neon Console; a project-scoped key bounds what an agent can reach. Empty with the sandbox.",
                "sensitive": true,
                "required": false,
                "default": "",
            },
            "sandbox": {
                "type": "boolean",
                "title": "Sandbox",
                "description": "Use the Neon that the program carries: no account, no key, nothing real.",
                "required": false,
                "default": false,
            },
            "read_only": {
                "type": "boolean",
                "title": "Read only",
                "description": "Offer only tools that change nothing and hand over no secret.",
                "required": false,
                "default": false,
            },
            "project_id": {
                "type": "string",
                "title": "Project",
                "description": "The id of a project to work on alone. Empty: all that the key reaches.",
                "required": false,
                "default": "",
            },
        },
        "tools_generated": true,
        "compatibility": {"platforms": ["darwin", "linux", "win32"]},
    });
    vec![file("packaging/mcpb/manifest.json", &manifest)]
}
