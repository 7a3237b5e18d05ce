//! The links in the README that add the server to a client by a click. No secret stands in one: the client asks for the key, or reads
//! it from its environment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The links, with what they say.
#[must_use]
pub fn buttons() -> Vec<(&'static str, String)> {
    let server = |env: &str| json!({"command": "npx", "args": ["-y", "neon-mcp"], "env": {"NEON_API_KEY": env}});
    let sandbox = json!({"command": "npx", "args": ["-y", "neon-mcp", "--sandbox"]});
    let inputs =
        json!([{"type": "promptString", "id": "neon_api_key", "description": "Neon API key", "password": true}]);
    vec![
        ("Add to Cursor", cursor("neon", &server("${env:NEON_API_KEY}"))),
        ("the sandbox to Cursor", cursor("neon-sandbox", &sandbox)),
        (
            "Add to VS Code",
            vscode("neon", &server("${input:neon_api_key}"), Some(&inputs)),
        ),
        ("the sandbox to VS Code", vscode("neon-sandbox", &sandbox, None)),
    ]
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// By Cursor's page, since no page of others may link to `cursor://`.
fn cursor(name: &str, server: &Value) -> String {
    let config = STANDARD.encode(server.to_string());
    format!(
        "https://cursor.com/en/install-mcp?name={name}&config={}",
        encoded(&config)
    )
}

fn vscode(name: &str, server: &Value, inputs: Option<&Value>) -> String {
    let inputs = inputs.map(|inputs| format!("&inputs={}", encoded(&inputs.to_string())));
    let config = encoded(&server.to_string());
    format!(
        "https://insiders.vscode.dev/redirect/mcp/install?name={name}{}&config={config}",
        inputs.unwrap_or_default()
    )
}
