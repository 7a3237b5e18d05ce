//! The settings of `neon-mcp http` alone: who may call, how it listens, limits, and what replicas share.

// The words of fields are the help that a terminal shows.
#![allow(rustdoc::bare_urls)]

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{PREFIX, SettingsError};
use super::store::StoreText;
use crate::server::http::SocketMode;

/// What one source says about serving over HTTP: flags of `neon-mcp http` (`--public-url`), variables (`NEON_MCP_PUBLIC_URL`) and keys
/// of the table `[http]` of the settings file (`public_url`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLayer {
    /// Who may call: `token`, who shows the server's one token; `bearer`, who shows a token of `neon-mcp token`; `oauth`, who shows
    /// an access token of --oauth-issuer; `neon-key`, who shows a Neon API key, which its calls are made with; `none`, whoever
    /// reaches the port [default: token]
    #[arg(long, value_enum, value_name = "MODE")]
    pub auth: Option<AuthMode>,
    /// `--auth bearer`: the file with the tokens [default: tokens.toml in the state directory]
    #[arg(long, value_name = "FILE")]
    pub tokens_file: Option<PathBuf>,
    /// `--auth oauth`: whose tokens are taken, an https URL; its keys are found by its metadata. With --oauth-client-id, approvers sign
    /// in there on the approval page, whatever --auth is
    #[arg(long, value_name = "URL")]
    pub oauth_issuer: Option<String>,
    /// `--auth oauth`: for whom tokens must be made [default: the public URL with /mcp]
    #[arg(long, value_name = "URL")]
    pub oauth_audience: Option<String>,
    /// `--auth oauth`: ask the issuer about tokens (RFC 7662), as the client of --oauth-client-id: whose those are that are no JWT, and
    /// whether JWTs still count. An answer counts for a minute [default: false]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub oauth_introspection: Option<bool>,
    /// With --oauth-introspection: ask about JWTs, too. Without that a JWT that was revoked counts until it expires [default: true]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub oauth_introspect_jwts: Option<bool>,
    /// This server's own client at the issuer, for introspection and for approvers who sign in on the approval page (its redirect is
    /// /approve/callback of this server)
    #[arg(long, value_name = "ID")]
    pub oauth_client_id: Option<String>,
    /// The file with the secret of that client
    #[arg(long, value_name = "FILE")]
    pub oauth_client_secret_file: Option<PathBuf>,
    /// The claim that names the person of a caller or an approver: one that both tokens of a person have alike, and that nobody else
    /// ever gets. Entra ID: oid. Where the policy has another than the caller approve, say it, also where it is sub [default: sub]
    #[arg(long, value_name = "NAME")]
    pub oauth_subject_claim: Option<String>,
    /// The claim that holds the groups of a caller or an approver [default: groups]
    #[arg(long, value_name = "NAME")]
    pub oauth_groups_claim: Option<String>,
    /// `--auth oauth`: the file that says which subjects and groups get which credential, policy and limits
    #[arg(long, value_name = "FILE")]
    pub oauth_map: Option<PathBuf>,
    /// What clients see as this server's address, e.g. https://mcp.example.com
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// TLS ends at proxies in front, at these addresses or networks; forwarding headers count from them alone
    #[arg(long, value_delimiter = ',', value_name = "NETWORKS")]
    pub behind_proxy: Option<Vec<String>>,
    /// The certificate chain of this server, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Who may open the socket of `--listen unix:/PATH`: `0600`, this user; `0660`, its group too; `0666`, every user of the machine
    /// [default: 0600]
    #[arg(long, value_name = "MODE")]
    pub listen_mode: Option<SocketMode>,
    /// Where /metrics is served, for Prometheus [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// What replicas share is kept here: `memory`, `dir:PATH` or `redis://...` (`rediss://` with TLS) [default: the state directory]
    #[arg(long, value_name = "STORE", value_parser = store)]
    pub store: Option<StoreText>,
    /// What the names of everything in a Redis store begin with [default: neon-mcp]
    #[arg(long, value_name = "TEXT")]
    pub store_prefix: Option<String>,
    /// The certificate authority of a Redis store, PEM [default: those that the program carries]
    #[arg(long, value_name = "FILE")]
    pub store_ca: Option<PathBuf>,
    /// The largest request, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    pub max_body_bytes: Option<u64>,
    /// How long a connection has for the head of a request [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub header_timeout_seconds: Option<u64>,
    /// How long a request has for its body after that, and its client to read on in its answer [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub body_timeout_seconds: Option<u64>,
    /// Connections in all [default: 1500]
    #[arg(long, value_name = "COUNT")]
    pub max_connections: Option<u64>,
    /// Connections from one address [default: 1200]
    #[arg(long, value_name = "COUNT")]
    pub max_connections_per_address: Option<u64>,
    /// Sessions in all; each takes memory until it is idle for too long [default: 1000]
    #[arg(long, value_name = "COUNT")]
    pub max_sessions: Option<u64>,
    /// Sessions of one caller; where callers aren't told apart, of one address [default: 100; of one address 1000]
    #[arg(long, value_name = "COUNT")]
    pub max_sessions_per_caller: Option<u64>,
    /// How long a session lasts that nothing uses [default: 43200]
    #[arg(long, value_name = "SECONDS")]
    pub session_idle_seconds: Option<u64>,
    /// Tool calls that run at once, of all callers [default: 256]
    #[arg(long, value_name = "COUNT")]
    pub max_calls: Option<u64>,
    /// Tool calls of one caller that run at once [default: 32]
    #[arg(long, value_name = "COUNT")]
    pub max_calls_per_caller: Option<u64>,
    /// Tool calls of one caller in a minute [default: 600]
    #[arg(long, value_name = "COUNT")]
    pub calls_per_minute: Option<u32>,
    /// How long running calls have to end after a signal to stop [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,
    /// How log lines are written on standard error: `text` or `json` [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Whatever it holds: an error of a parser would show a password.
fn store(text: &str) -> Result<StoreText, std::convert::Infallible> {
    Ok(text.into())
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// Who shows the server's one token.
    Token,
    /// Who shows one of the tokens that `neon-mcp token` made.
    Bearer,
    /// Who shows an access token of the operator's OAuth issuer.
    Oauth,
    /// Who shows a Neon API key of its own.
    NeonKey,
    /// Whoever reaches the port.
    None,
}

impl AuthMode {
    /// Whether callers are told apart by it.
    pub(super) fn tells_apart(self) -> bool {
        match self {
            Self::Bearer | Self::Oauth | Self::NeonKey => true,
            Self::Token | Self::None => false,
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl HttpLayer {
    /// What this source says, and where it says nothing, what the other does.
    #[must_use]
    pub(super) fn over(self, other: Self) -> Self {
        let mut merged = fields(&other);
        merged.extend(fields(&self));
        // Both came from the same type.
        serde_json::from_value(Value::Object(merged)).unwrap_or(self)
    }

    /// Sets the setting of that name from the text of a variable.
    ///
    /// # Errors
    /// When the text is none of its values. Nothing where there is no such setting.
    pub(super) fn set(&mut self, name: &str, text: &str) -> Option<Result<(), SettingsError>> {
        let schema = schemars::schema_for!(Self);
        let property = schema.get("properties")?.get(name)?;
        let is = |kind: &str| match property.get("type") {
            Some(Value::String(known)) => known == kind,
            Some(Value::Array(known)) => known.iter().any(|known| known == kind),
            _ => false,
        };
        let value = if is("array") {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::from(parts.collect::<Vec<&str>>())
        } else if is("boolean") {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => true.into(),
                "false" | "0" | "no" | "off" => false.into(),
                _ => text.into(),
            }
        } else if is("integer") {
            text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
        } else {
            text.into()
        };
        let mut all = fields(self);
        all.insert(name.to_owned(), value);
        Some(match serde_json::from_value(Value::Object(all)) {
            Ok(set) => {
                *self = set;
                Ok(())
            }
            Err(error) => Err(SettingsError::Variable {
                variable: format!("{PREFIX}{}", name.to_uppercase()),
                value: text.chars().take(60).collect(),
                message: error.to_string(),
            }),
        })
    }
}

/// The names of the settings.
pub(super) fn names() -> Vec<String> {
    let schema = schemars::schema_for!(HttpLayer);
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// What is set.
fn fields(layer: &HttpLayer) -> Map<String, Value> {
    match serde_json::to_value(layer) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            fields
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_variable_and_flags_win_over_it() {
        let schema = schemars::schema_for!(HttpLayer);
        let names: Vec<&String> = schema.get("properties").unwrap().as_object().unwrap().keys().collect();
        let mut layer = HttpLayer::default();
        for name in &names {
            let text = match name.as_str() {
                "auth" => "neon-key",
                "log_format" => "json",
                "listen_mode" => "0660",
                "metrics_listen" => "127.0.0.1:9464",
                "oauth_introspection" | "oauth_introspect_jwts" => "yes",
                "behind_proxy" => "10.0.0.0/8, ::1",
                _ => "17",
            };
            layer.set(name, text).unwrap().unwrap();
        }
        assert_eq!(fields(&layer).len(), names.len());
        assert_eq!(layer.behind_proxy.as_deref().unwrap(), ["10.0.0.0/8", "::1"]);
        assert_eq!(layer.max_sessions, Some(17));
        let flags = HttpLayer {
            max_sessions: Some(3),
            ..HttpLayer::default()
        };
        let merged = flags.over(layer.clone());
        assert_eq!((merged.max_sessions, merged.auth), (Some(3), layer.auth));
    }

    #[test]
    fn value_that_is_none_is_an_error_and_another_name_is_no_setting() {
        let mut layer = HttpLayer::default();
        for (name, text) in [
            ("auth", "everyone"),
            ("max_sessions", "many"),
            ("max_sessions", "-1"),
            ("metrics_listen", "9464"),
            ("oauth_introspection", "perhaps"),
        ] {
            assert!(layer.set(name, text).unwrap().is_err(), "{name} = {text}");
        }
        assert!(layer.set("max_session", "1").is_none());
        assert_eq!(layer, HttpLayer::default());
    }
}
