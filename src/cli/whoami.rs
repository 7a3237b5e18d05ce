//! `neon-mcp whoami`: whose account it is, and where the credential comes from. Nothing of it is a secret.

use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::common::{only, print, resolve};
use super::fold::{folded, width};
use super::serve::engine_account;
use super::spoken::spoken;
use crate::neon::{self, AccountInfo, Context, Error, ErrorKind, KeyKind, RateLimits};
use crate::settings::{Account, AccountSource, KeyOrigin, Layer, Upstream};
use crate::text::escaped;

/// How long Neon may take.
const TIME: Duration = Duration::from_secs(20);

/// The settings that it uses; all are taken.
const USED: &[&str] = &[
    "profile",
    "login_issuer",
    "login_client_id",
    "login_scopes",
    "api_host",
    "config",
    "api_key_file",
    "profiles",
];

#[derive(Debug, clap::Args)]
#[command(mut_args(|argument| only(argument, USED)))]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Layer,
}

/// Exits with 1 where an account can't be used.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = resolve(arguments.settings)?;
    let accounts = match &settings.upstream {
        Upstream::Api { accounts, .. } => accounts.clone(),
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => anyhow::bail!("a sandbox has no account: leave --sandbox out"),
    };
    let mut told = Vec::new();
    let mut are_usable = true;
    for account in accounts {
        let mut said = known(&account);
        match whose(&settings.upstream, account).await {
            Ok((info, key)) => {
                add(&mut said, info);
                if let Some(kind) = key.filter(|_| said.get("credential").is_some_and(|kind| kind == "api_key")) {
                    put(&mut said, "key", kind.name().into());
                }
            }
            Err(error) => {
                are_usable = false;
                let kind = match error.kind() {
                    ErrorKind::NotSignedIn => "not_signed_in",
                    ErrorKind::Unauthorized => "unauthorized",
                    ErrorKind::Network | ErrorKind::TimedOut => "network",
                    _ => "neon",
                };
                put(
                    &mut said,
                    "error",
                    json!({"kind": kind, "message": error.summary(), "next": error.hint()}),
                );
            }
        }
        told.push(said);
    }
    if arguments.json {
        print(&crate::cli::common::json_text(&json!({ "accounts": told }))?);
    } else {
        let texts: Vec<String> = told.iter().map(|said| lines(said, width(std::io::stdout()))).collect();
        print(&texts.join("\n\n"));
    }
    Ok(match are_usable {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Asks Neon whose account it is, and what kind of key it has.
pub(super) async fn whose(upstream: &Upstream, account: Account) -> Result<(AccountInfo, Option<KeyKind>), Error> {
    match upstream {
        Upstream::Api { base, .. } => {
            let account = engine_account(account, base, RateLimits::default());
            let context = Context::within(TIME);
            let info = neon::account(&account.client, &context).await?;
            Ok((info, neon::key_kind(&account.client, &context).await.ok()))
        }
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => Ok((AccountInfo::default(), None)),
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// What this machine knows.
fn known(account: &Account) -> Value {
    let mut said = json!({});
    if let Some(name) = &account.name {
        put(&mut said, "account", name.as_str().into());
    }
    match &account.source {
        AccountSource::Key(_, origin) => {
            put(&mut said, "credential", "api_key".into());
            put(
                &mut said,
                "from",
                match origin {
                    KeyOrigin::Variable => "NEON_API_KEY".into(),
                    KeyOrigin::File(path) => format!("the key file {}", path.display()).into(),
                },
            );
        }
        AccountSource::SignIn(sign_in) => {
            put(&mut said, "profile", sign_in.profile().as_str().into());
            match sign_in.status() {
                Ok(Some(status)) => {
                    put(
                        &mut said,
                        "credential",
                        if status.is_key { "api_key" } else { "login" }.into(),
                    );
                    put(&mut said, "from", status.origin.to_string().into());
                    if let Some(end) = status.expires_at {
                        put(
                            &mut said,
                            "expires_at",
                            end.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
                        );
                        put(&mut said, "renewed", status.is_renewed.into());
                    }
                }
                Ok(None) => put(&mut said, "credential", "none".into()),
                Err(_) => put(&mut said, "credential", "unusable".into()),
            }
        }
    }
    said
}

fn add(said: &mut Value, info: AccountInfo) {
    if let Some(person) = info.person {
        put(
            said,
            "user",
            json!({"id": person.id, "email": person.email, "name": person.name}),
        );
    }
    let organizations = info.organizations.into_iter();
    let organizations: Vec<Value> = organizations
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    put(said, "organizations", organizations.into());
}

/// The same for people.
fn lines(said: &Value, width: Option<usize>) -> String {
    let text = |pointer: &str| {
        said.pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let mut lines = Vec::new();
    let blank = " ".repeat(14);
    let mut line = |name: &str, value: String| lines.extend(folded(&value, width, &format!("{name:<14}"), &blank));
    if let Some(account) = text("/account") {
        line("Account", account.to_owned());
    }
    if let Some(email) = text("/user/email").or(text("/user/id")) {
        let name = text("/user/name").map(|name| format!(" ({})", escaped(name)));
        line(
            "Signed in as",
            format!("{}{}", escaped(email), name.unwrap_or_default()),
        );
    }
    for organization in said
        .get("organizations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let of = |name: &str| organization.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = Some(of("name"))
            .filter(|name| !name.is_empty())
            .map(|name| format!(" ({})", escaped(name)));
        line(
            "Organization",
            format!("{}{}", escaped(of("id")), name.unwrap_or_default()),
        );
    }
    let credential = match text("/credential") {
        Some("api_key") => format!(
            "an API key, which doesn't expire by itself ({})",
            text("/key").unwrap_or("of an unknown kind")
        ),
        Some("login") => "a login".to_owned(),
        Some("unusable") => "one that can't be used".to_owned(),
        _ => "none".to_owned(),
    };
    line("Credential", credential);
    if let Some(from) = text("/from") {
        line("From", from.to_owned());
    }
    if let Some(end) = text("/expires_at") {
        let renewed = said.get("renewed").and_then(Value::as_bool).unwrap_or(false);
        let then = if renewed { ", renewed by itself then" } else { "" };
        line("Token until", format!("{end}{then}"));
    }
    if let Some(message) = text("/error/message") {
        line("Problem", escaped(message));
    }
    if let Some(next) = text("/error/next") {
        line("Next", escaped(&spoken(next)));
    }
    lines.join("\n")
}
