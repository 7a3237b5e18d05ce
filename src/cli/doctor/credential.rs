//! The credential: of what kind, from where, how far it reaches, until when. Never what it is.

use std::time::Duration;

use super::check::Check;
use crate::neon::{Client, ClientConfig, Context, ErrorKind, KeyKind, key_kind};
use crate::settings::{Account, AccountSource, KeyOrigin, Settings, Upstream};
use crate::text::escaped;

const CHECK: &str = "credential";

/// Where somebody without a credential gets one.
const GET_ONE: &str = "`neon-mcp login` signs you in; or set NEON_API_KEY or give --api-key-file FILE: \
     https://console.neon.tech/app/settings/api-keys makes a key; or try everything without an account: --sandbox";

/// A credential that was found, and from where.
pub(super) struct Found {
    account: Account,
    /// What it is, as far as its place says: a key, a login.
    kind: &'static str,
    /// Its place, for people.
    source: String,
    /// When it ends, where its place says so.
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
    /// It is renewed by itself before it ends.
    is_renewed: bool,
}

/// Those of the accounts that the settings name; for one whose place can't be read, what is wrong with it.
pub(super) fn find(settings: &Settings) -> Vec<Result<Found, Check>> {
    match &settings.upstream {
        Upstream::Api { accounts, .. } => accounts.iter().filter_map(of).collect(),
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => Vec::new(),
    }
}

fn of(account: &Account) -> Option<Result<Found, Check>> {
    let found = |kind, source| Found {
        account: account.clone(),
        kind,
        source,
        expires_at: None,
        is_renewed: false,
    };
    match &account.source {
        AccountSource::Key(_, KeyOrigin::Variable) => {
            Some(Ok(found("api_key", "the variable NEON_API_KEY".to_owned())))
        }
        AccountSource::Key(_, KeyOrigin::File(path)) => {
            let path = escaped(&path.to_string_lossy());
            Some(Ok(found("api_key", format!("the file {path}"))))
        }
        AccountSource::SignIn(sign_in) => match sign_in.status() {
            Ok(None) => None,
            Ok(Some(status)) => Some(Ok(Found {
                expires_at: status.expires_at,
                is_renewed: status.is_renewed,
                ..found(
                    if status.is_key { "api_key" } else { "login" },
                    status.origin.to_string(),
                )
            })),
            Err(error) => Some(Err(Check::problem(CHECK, escaped(&error.to_string()), GET_ONE))),
        },
    }
}

impl Found {
    /// A client that sends it. It is kept out of all that is printed.
    pub(super) fn client(&self, base: &crate::base_url::BaseUrl) -> Client {
        match &self.account.source {
            AccountSource::Key(key, _) => crate::guard::OwnKey::new(key.expose()).keep_out_of_logs(),
            AccountSource::SignIn(sign_in) => sign_in.key().keep_out_of_logs(),
        }
        Client::new(ClientConfig::new(base.clone(), self.account.source.credentials()))
    }

    /// Its place, and whose it is where there are several accounts.
    fn place(&self) -> String {
        match &self.account.name {
            Some(name) => format!("{} (account {})", self.source, escaped(name)),
            None => self.source.clone(),
        }
    }

    /// How long it lasts, for people.
    fn lasts(&self) -> String {
        match (self.expires_at, self.is_renewed) {
            (_, true) => "it is renewed by itself".to_owned(),
            (Some(time), false) => format!("it ends at {}", time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
            (None, false) => "it has no expiry of its own".to_owned(),
        }
    }

    /// What Neon says of it.
    pub(super) async fn check(&self, client: &Client) -> Check {
        let (kind, source) = (self.kind, self.place());
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
                let message = match self.kind {
                    "login" => format!("a login from {source}; {}", self.lasts()),
                    _ => format!("a {} from {source}; {}", kind.name(), self.lasts()),
                };
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
            Err(error) if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::NotSignedIn) => Check::problem(
                CHECK,
                format!("Neon doesn't take the credential from {source}: it is wrong, or was revoked"),
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
            format!("there is one, from {}; Neon isn't asked (--offline)", self.place()),
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
