//! docs/clients.md, made from the table.

use std::fmt::Write as _;

use super::plan::entry_alone;
use super::server::{Credential, Server, ServerName, Transport};
use super::table::{Client, System, clients};
use crate::base_url::BaseUrl;

const INTRO: &str = include_str!("reference/intro.md.part");

/// What docs/clients.md holds.
///
/// # Errors
/// When the table can't be read.
pub fn clients_reference() -> Result<String, String> {
    let mut text = INTRO.trim_end().to_owned();
    let all = clients()?;
    text.push_str("\n\n| client | `neon-mcp install` | user's file | project's file | the key is |\n| --- | --- | --- | --- | --- |\n");
    for client in all {
        let _ = writeln!(
            text,
            "| [{}](#{}) | `{}` | `{}` | {} | {} |",
            client.name,
            client.name.to_lowercase().replace(' ', "-"),
            client.id,
            shown(client.user(System::Linux).first()),
            client
                .project
                .first()
                .map_or("–".to_owned(), |name| format!("`{name}`")),
            key_is(client)
        );
    }
    for client in all {
        describe(&mut text, client)?;
    }
    Ok(text)
}

/// Where a client has the key from.
fn key_is(client: &Client) -> &'static str {
    match (client.inputs, client.can_refer()) {
        (true, _) => "asked for by the client, which keeps it",
        (false, true) => "referred to, in the environment",
        (false, false) => "on this machine",
    }
}

fn shown(template: Option<&String>) -> String {
    let mut text = template.cloned().unwrap_or_default();
    for (from, to) in [("{app}", "APP"), ("{config}", "~/.config")] {
        text = text.replace(from, to);
    }
    if let (Some(start), Some(end)) = (text.find('{'), text.find('}'))
        && let Some(inner) = text.get(start.saturating_add(1)..end)
    {
        let (name, default) = inner.split_once(':').unwrap_or((inner, ""));
        let rest = text.get(end.saturating_add(1)..).unwrap_or_default();
        return match default {
            "" => format!("${name}{rest}"),
            default => format!("{default}{rest}` or `${name}{rest}"),
        };
    }
    text
}

fn describe(text: &mut String, client: &Client) -> Result<(), String> {
    let _ = write!(
        text,
        "\n## {}\n\n```sh\nneon-mcp install {}\n```\n\n",
        client.name, client.id
    );
    for (system, name) in [
        (System::Linux, "Linux"),
        (System::Macos, "macOS"),
        (System::Windows, "Windows"),
    ] {
        let files: Vec<String> = client
            .user(system)
            .iter()
            .map(|file| format!("`{}`", shown(Some(file))))
            .collect();
        let _ = writeln!(text, "- {name}: {}", files.join(", else "));
    }
    if client.has_projects() {
        let files: Vec<String> = client.project.iter().map(|file| format!("`{file}`")).collect();
        let _ = writeln!(text, "- project (`--project`): {}", files.join(", else "));
    }
    if let Some(note) = &client.key_note {
        let _ = writeln!(text, "- {note}");
    }
    let _ = writeln!(text, "- {}", client.then);
    let name = ServerName::parse("neon").map_err(|error| error.to_string())?;
    let url = BaseUrl::parse("http://127.0.0.1:7373/mcp").map_err(|error| error.to_string())?;
    let local = Transport::Stdio {
        command: "/path/to/neon-mcp".to_owned(),
        arguments: Vec::new(),
    };
    for transport in [local, Transport::Http(url)] {
        let over_http = matches!(transport, Transport::Http(_));
        let server = Server {
            name: name.clone(),
            transport,
            credential: Credential::Referred,
        };
        let Some(written) = entry_alone(client, &server, true) else {
            text.push_str("\nIt takes no server over HTTP.\n");
            continue;
        };
        let about = if over_http {
            "Over HTTP (`--url http://127.0.0.1:7373/mcp`):"
        } else {
            "What is written:"
        };
        let language = client.format.name();
        let _ = write!(text, "\n{about}\n\n```{language}\n{}\n```\n", written.trim_end());
    }
    Ok(())
}
