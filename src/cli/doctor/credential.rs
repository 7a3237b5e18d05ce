//! The credential: of what kind, from where, how far it reaches, until when. Never what it is.

use std::time::Duration;

use super::check::Check;
use crate::neon::{Client, Context, Credential, ErrorKind, KeyKind, key_kind};
use crate::settings::{Layer, Settings, Upstream};

const CHECK: &str = "credential";

/// Where somebody without a credential gets one.
const GET_ONE: &str = "set NEON_API_KEY or give --api-key-file FILE: https://console.neon.tech/app/settings/api-keys makes a key; \
     or try everything without an account: --sandbox";

/// A credential that was found, and from where.
pub(super) struct Found {
    pub(super) credential: Credential,
    /// What it is, as far as its place says: a key, a login.
    kind: &'static str,
    /// Its place, for people.
    source: String,
    /// When it ends, where its place says so.
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Where the settings have it from. Other kinds of credentials are found here, too.
pub(super) fn find(settings: &Settings, flags: &Layer) -> Option<Found> {
    let credential = match &settings.upstream {
        Upstream::Api { credential, .. } => credential.clone()?,
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => return None,
    };
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = flags.api_key_file.clone().map(std::path::PathBuf::into_os_string);
    let source = match (file, variable("NEON_API_KEY"), variable("NEON_MCP_API_KEY_FILE")) {
        (Some(file), _, _) | (None, None, Some(file)) => format!("the file {}", file.to_string_lossy()),
        (None, Some(_), _) => "the variable NEON_API_KEY".to_owned(),
        (None, None, None) => "the file that the settings file names".to_owned(),
    };
    Some(Found {
        credential,
        kind: "api_key",
        source,
        expires_at: None,
    })
}

impl Found {
    /// Keeps it out of all that is printed.
    pub(super) fn hide(&self) {
        crate::guard::OwnKey::new(self.credential.expose()).keep_out_of_logs();
    }

    /// What Neon says of it.
    pub(super) async fn check(&self, client: &Client) -> Check {
        let (kind, source) = (self.kind, &self.source);
        let about = |check: Check| {
            let check = check.with("kind", kind).with("source", source.as_str());
            match self.expires_at {
                Some(time) => check.with("expires_at", time.to_rfc3339()),
                None => check.with("expires_at", serde_json::Value::Null),
            }
        };
        let asked = key_kind(client, &Context::within(Duration::from_secs(20))).await;
        about(match asked {
            Ok(kind) => {
                let reach = match kind {
                    KeyKind::Project => "project",
                    KeyKind::Organization => "organization",
                    KeyKind::Personal => "account",
                    KeyKind::Other(_) => "unknown",
                };
                let message = format!("a {} from {source}; it has no expiry of its own", kind.name());
                let check = if kind.is_account_wide() {
                    let next = "a project-scoped key, or --project-id, bounds what an agent can reach";
                    Check::warning(
                        CHECK,
                        format!("{message}; it reaches every project of the {reach}"),
                        next,
                    )
                } else {
                    Check::ok(CHECK, message)
                };
                check.with("key", kind.name()).with("reach", reach)
            }
            Err(error) if error.kind() == ErrorKind::Unauthorized => Check::problem(
                CHECK,
                format!("Neon doesn't take the key from {source}: it is wrong, or was revoked"),
                GET_ONE,
            ),
            Err(error) => Check::warning(
                CHECK,
                format!("there is one, from {source}; Neon didn't say what it is: {error}"),
                "mend what the check of the API says, and run this again",
            ),
        })
    }

    /// What is known of it without asking.
    pub(super) fn unasked(&self) -> Check {
        Check::skipped(
            CHECK,
            format!("there is one, from {}; Neon isn't asked (--offline)", self.source),
        )
        .with("kind", self.kind)
        .with("source", self.source.as_str())
    }
}

/// There is none.
pub(super) fn none() -> Check {
    Check::problem(CHECK, "there is none", GET_ONE)
}

/// A sandbox has one of its own.
#[cfg(feature = "sandbox")]
pub(super) fn of_sandbox() -> Check {
    Check::ok(CHECK, "the sandbox has its own, and nothing in it is real").with("kind", "sandbox")
}
