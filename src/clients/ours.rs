//! Which entries of a client's file are ours: those that start this program, and those that call one which runs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::edit::Entry;
use super::scope::Scope;
use super::variables::{KEY_VARIABLE, TOKEN_VARIABLE};
use crate::base_url::BaseUrl;
use crate::sql::secret::is_secret_name;

/// The domains of Neon, which runs an MCP server of its own there.
const NEONS: [&str; 3] = ["neon.tech", "neon.com", "neon.build"];

impl Entry {
    /// The program that it starts and its arguments.
    #[must_use]
    pub fn command(&self) -> Option<(String, Vec<String>)> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let words = |value: &Value| value.as_array()?.iter().map(word).collect::<Option<Vec<_>>>();
        let field = |names: [&str; 2]| names.into_iter().find_map(|name| self.fields.get(name));
        let command = field(["command", "cmd"])?;
        if let Some(all) = words(command) {
            let (first, rest) = all.split_first()?;
            return Some((first.clone(), rest.to_vec()));
        }
        let arguments = self.fields.get("args").and_then(words).unwrap_or_default();
        Some((word(command)?, arguments))
    }

    /// What this program is given, where the entry starts it: by itself, or by a runner (`npx -y neon-mcp`, `docker run … neon-mcp`).
    #[must_use]
    pub fn own_arguments(&self) -> Option<Vec<String>> {
        let (command, arguments) = self.command()?;
        if is_name(&command) {
            return Some(arguments);
        }
        let runner = ["npx", "bunx", "pnpx", "docker", "podman", "cmd"];
        let file = command.rsplit(['/', '\\']).next().unwrap_or(&command);
        if !runner.contains(&file.split('.').next().unwrap_or(file)) {
            return None;
        }
        let at = arguments.iter().position(|word| is_name(word))?;
        Some(arguments.into_iter().skip(at.saturating_add(1)).collect())
    }

    /// The variables and headers that it sets, with their values.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let objects = self.fields.values().filter_map(Value::as_object).flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        objects.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// What decides where things go, or what runs, beside the arguments: variables with their values, and the folder and the file with
    /// more variables that it is started with.
    #[must_use]
    pub fn redirections(&self) -> Vec<String> {
        let variables = self.variables().into_iter().filter(|(name, _)| redirects(name));
        let variables = variables.map(|(name, value)| format!("env {name}={value}"));
        let places = ["cwd", "workingDirectory", "envFile", "env_file"].into_iter();
        let places = places.filter_map(|name| Some(format!("{name} {}", self.fields.get(name)?.as_str()?)));
        variables.chain(places).collect()
    }

    /// The names of its variables and headers that decide nothing of that kind, and aren't a reference that we write.
    #[must_use]
    pub fn other_variables(&self) -> Vec<String> {
        let is_ours = |name: &str, value: &str| {
            [KEY_VARIABLE, TOKEN_VARIABLE, "Authorization"].contains(&name) && is_reference(value)
        };
        let others = self.variables().into_iter();
        let others = others.filter(|(name, value)| !redirects(name) && !is_ours(name, value));
        others.map(|(name, _)| name).collect()
    }

    /// The address that it calls.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        let names = ["url", "httpUrl", "serverUrl", "uri"];
        names.into_iter().find_map(|name| self.fields.get(name)?.as_str())
    }

    /// Whether it refers to the variable that holds the token of `neon-mcp http`.
    #[must_use]
    pub fn wants_our_token(&self) -> bool {
        let input = format!("${{input:{}}}", TOKEN_VARIABLE.to_lowercase());
        self.url().is_some()
            && texts(&self.fields, true)
                .iter()
                .any(|text| text.contains(TOKEN_VARIABLE) || text.contains(&input))
    }
}

/// Whether a word is a path or the name of this program, of whatever version.
fn is_name(word: &str) -> bool {
    let file = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let file = file.split(['@', ':']).next().unwrap_or(file);
    let file = file.strip_suffix(".exe").unwrap_or(file);
    file.eq_ignore_ascii_case("neon-mcp")
}

/// Whether an entry starts this program, by whatever way, or calls it where it runs.
pub(super) fn is_ours(entry: &Entry) -> bool {
    if entry.command().is_some() {
        return entry.own_arguments().is_some();
    }
    // Any product may be called at any address: ours says which token it wants, or has the name and the path that we give.
    entry.wants_our_token() || entry.name.starts_with("neon") && entry.url().is_some_and(is_our_address)
}

/// The same for an entry of a file of that scope. A project's file is written by whoever made the project, who may put a program
/// called `neon-mcp` beside it: what is started out of the project itself is theirs, whatever it is called. What this takes for ours is
/// written over, and nothing of it stays: more than the name of its program isn't needed for that.
pub(super) fn is_ours_in(entry: &Entry, scope: Scope<'_>) -> bool {
    let is_of_project = |project: &Path| {
        entry.command().is_some_and(|(command, _)| {
            let path = Path::new(&command);
            command.contains(['/', '\\']) && (!path.is_absolute() || path.starts_with(project))
        })
    };
    is_ours(entry) && !scope.project().is_some_and(is_of_project)
}

/// Whether a variable decides where keys, statements or results go, or which program code runs; and isn't a secret itself.
pub(super) fn redirects(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let begins = [
        "NEON_",
        "LD_",
        "DYLD_",
        "NODE_",
        "XDG_",
        "PG",
        "SSL_CERT_",
        "PYTHON",
        "NPM_CONFIG_",
        "UV_",
        "PIP_",
    ];
    let is_one = begins.iter().any(|begin| upper.starts_with(begin))
        || upper.ends_with("_PROXY")
        || ["PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "BROWSER"].contains(&upper.as_str());
    is_one && ![KEY_VARIABLE, TOKEN_VARIABLE].contains(&upper.as_str()) && !is_secret_name(name)
}

/// Whether a text refers to a variable, or to what a client asks for, and says nothing else.
pub(super) fn is_reference(text: &str) -> bool {
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    let inner = text
        .strip_prefix("${")
        .or(text.strip_prefix('{').filter(|inner| inner.starts_with("env:")));
    let inner = inner.and_then(|inner| inner.strip_suffix('}'));
    let plain = |inner: &str| {
        inner
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
    };
    inner.is_some_and(|inner| plain(inner.strip_suffix(":-").unwrap_or(inner)))
}

/// Whether an address looks like one of `neon-mcp http`, whatever it asks for in its query. Neon's own server has such a path, too.
fn is_our_address(url: &str) -> bool {
    let address = url.split(['?', '#']).next().unwrap_or(url);
    let Ok(address) = BaseUrl::parse(address) else {
        return false;
    };
    let neons = |host: &str| {
        NEONS
            .iter()
            .any(|own| host == *own || host.ends_with(&format!(".{own}")))
    };
    let host = url::Url::parse(address.as_str()).ok();
    let host = host.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    address.path() == "/mcp" && !neons(host)
}

/// The texts of an entry. Of one that is there (`all` not), those under `env` and the like are its user's, and may be secrets.
pub(super) fn texts(fields: &Map<String, Value>, all: bool) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let mut left: Vec<&Value> = fields.values().filter(|value| all || !value.is_object()).collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => {
                texts.insert(text.clone());
            }
            Value::Array(items) => left.extend(items),
            Value::Object(fields) => left.extend(fields.values()),
            _ => {}
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_ours_by_its_path_and_never_neons_own() {
        for ours in [
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com:8443/mcp?readonly=true",
            "http://127.0.0.1:7373/mcp",
        ] {
            assert!(is_our_address(ours), "{ours}");
        }
        for others in [
            "https://mcp.neon.tech/mcp",
            "https://mcp.neon.tech/mcp?readonly=true",
            "https://neon.com/mcp",
            "https://mcp.example.com/other-product/mcp",
            "https://mcp.example.com/sse",
            "https://mcp.example.com",
            "http://mcp.example.com/mcp",
            "mcp.example.com/mcp",
        ] {
            assert!(!is_our_address(others), "{others}");
        }
    }
}
