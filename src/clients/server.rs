//! What is written for a client: which program it starts or which address it calls, and where the key is.

use serde_json::{Map, Value, json};

use super::table::Client;
use super::variables::{KEY_VARIABLE, TOKEN_VARIABLE};
use crate::base_url::BaseUrl;

/// The name of the entry: what a client shows, and the begin of its tools' names there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(String);

/// Why a name can't be one.
#[derive(Debug, thiserror::Error)]
#[error("a name has 1 to 32 letters, digits, - and _, such as neon or neon-staging")]
pub struct InvalidName;

impl ServerName {
    /// Takes a name that every client takes.
    ///
    /// # Errors
    /// When some client would not.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || text.len() > 32 || !text.bytes().all(right) {
            return Err(InvalidName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the credential is. Never the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// In an environment variable, or kept by the client, which the entry refers to where it can.
    Referred,
    /// On this machine, where the server finds it by itself: a login, a file. Or there is none to have.
    Elsewhere,
}

/// How the client reaches the server.
#[derive(Debug, Clone)]
pub enum Transport {
    /// It starts this program with these arguments.
    Stdio {
        /// The program, an absolute path.
        command: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// It calls this address.
    Http(BaseUrl),
}

/// What is written.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub transport: Transport,
    /// Where its credential is.
    pub credential: Credential,
}

impl Server {
    /// The entry for a client, in its user's file or a project's; none where the client takes no such server.
    pub(super) fn entry(&self, client: &Client, in_user_file: bool) -> Option<Map<String, Value>> {
        let template = match self.transport {
            Transport::Stdio { .. } => &client.stdio,
            Transport::Http(_) => client.http.as_ref()?,
        };
        let also = in_user_file.then_some(&client.user_also);
        let fields = template.iter().chain(also.into_iter().flatten());
        Some(
            fields
                .filter_map(|(name, value)| Some((name.clone(), self.fill(client, value)?)))
                .collect(),
        )
    }

    /// What VS Code asks its user for, and keeps: the entry refers to it.
    pub(super) fn input(&self, client: &Client) -> Option<Value> {
        if !client.inputs || self.credential != Credential::Referred {
            return None;
        }
        let (variable, description) = match self.transport {
            Transport::Stdio { .. } => (KEY_VARIABLE, "Neon API key (console.neon.tech/app/settings/api-keys)"),
            Transport::Http(_) => (TOKEN_VARIABLE, "Bearer token of neon-mcp http"),
        };
        Some(json!({
            "type": "promptString",
            "id": variable.to_lowercase(),
            "description": description,
            "password": true,
        }))
    }

    fn fill(&self, client: &Client, value: &Value) -> Option<Value> {
        let Some(word) = value.as_str().and_then(|text| text.strip_prefix('$')) else {
            return Some(value.clone());
        };
        let referred = self.credential == Credential::Referred;
        let refers = |variable: &str| client.refers_to(variable).filter(|_| referred);
        match (word, &self.transport) {
            ("name", _) => Some(json!(self.name.as_str())),
            ("command", Transport::Stdio { command, .. }) => Some(json!(command)),
            ("args", Transport::Stdio { arguments, .. }) => Some(json!(arguments)),
            ("words", Transport::Stdio { command, arguments }) => {
                let words = std::iter::once(command).chain(arguments);
                Some(words.map(String::as_str).collect::<Vec<_>>().into())
            }
            ("env", Transport::Stdio { .. }) => Some(json!({ KEY_VARIABLE: refers(KEY_VARIABLE)? })),
            ("variables", Transport::Stdio { .. }) => referred.then(|| json!([KEY_VARIABLE])),
            ("variables", Transport::Http(_)) => referred.then(|| json!([TOKEN_VARIABLE])),
            ("token_variable", Transport::Http(_)) => referred.then(|| json!(TOKEN_VARIABLE)),
            ("url", Transport::Http(url)) => Some(json!(url.as_str())),
            ("headers", Transport::Http(_)) => {
                Some(json!({ "Authorization": format!("Bearer {}", refers(TOKEN_VARIABLE)?) }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_client_would_not_take_are_rejected() {
        for right in ["neon", "neon-2", "a_b", "9"] {
            assert_eq!(ServerName::parse(right).unwrap().as_str(), right);
        }
        for wrong in ["", "-neon", "a b", "a.b", "ne\"on", "né", &"x".repeat(33), "__proto__"] {
            assert!(ServerName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
