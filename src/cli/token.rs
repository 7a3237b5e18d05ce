//! `neon-mcp token`: the tokens of `neon-mcp http --auth bearer`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use secrecy::ExposeSecret as _;

use super::common::{print, resolve};
use crate::catalog::Catalog;
use crate::guard::{Policy, Scopes};
use crate::server::http::{NewToken, Rotation, TokenEntry, TokenList, TokenListError};
use crate::settings::{AuthMode, HttpAuth, HttpLayer, Layer, read_key};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token and print it, this once
    Create(Create),
    /// List the tokens: names, scopes, ends; no token
    List {
        #[command(flatten)]
        place: Place,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Make another token of a name and print it, this once; the earlier one counts on for a while
    Rotate {
        /// Its name
        name: String,
        /// How long the earlier one counts beside the new one, as 1d, 12h or 30m; 0s ends it at once
        #[arg(long, value_name = "TIME", default_value = "1d", value_parser = overlap)]
        overlap: TimeDelta,
        /// After what time the new one ends [default: as long as the earlier one lasted, or never]
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<TimeDelta>,
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a token: servers that run refuse it from then on
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The file with the tokens [default: tokens.toml in the state directory]
    #[arg(long, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Where state is kept [default: $XDG_STATE_HOME/neon-mcp]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Whose it is: it stands in the audit log (letters, digits and . _ - @)
    name: String,
    /// What it may do at most: neon:read, neon:write, neon:access, neon:destructive [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
    scopes: Option<Vec<String>>,
    /// The policy that narrows the server's for its calls
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The file with the Neon API key that its calls are made with [default: the server's own credential]
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    api_key_file: Option<PathBuf>,
    /// The profile whose login its calls are made with
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// After what time it ends, as 90d, 12h or 30m [default: never]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires: Option<TimeDelta>,
    /// How many tool calls it may make in a minute [default: what the server allows]
    #[arg(long, value_name = "COUNT")]
    calls_per_minute: Option<NonZeroU32>,
    /// Whose it is at the issuer where approvers sign in (the claim of --oauth-subject-claim there). Where the policy has another than
    /// the caller approve, calls are approved on the page only if their token says it
    #[arg(long, value_name = "SUBJECT")]
    person: Option<String>,
    #[command(flatten)]
    place: Place,
}

fn lifetime(text: &str) -> Result<TimeDelta, String> {
    let time = humantime::parse_duration(text).map_err(|_| "write a time as 90d, 12h or 30m".to_owned())?;
    let time = TimeDelta::from_std(time).map_err(|_| "that is too long".to_owned())?;
    match time >= TimeDelta::seconds(1) && time <= TimeDelta::days(36_500) {
        true => Ok(time),
        false => Err("write a time from 1s to 36500d".to_owned()),
    }
}

fn overlap(text: &str) -> Result<TimeDelta, String> {
    match text {
        "0" | "0s" => Ok(TimeDelta::zero()),
        text => lifetime(text),
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Create(create) => make(create)?,
        Command::List { place, json } => {
            let file = place.file()?;
            list(&file, json).map_err(|error| with_servers(error, &file))?;
        }
        Command::Rotate {
            name,
            overlap,
            expires,
            place,
        } => {
            let file = place.file()?;
            rotate(&file, &name, overlap, expires).map_err(|error| with_servers(error, &file))?;
        }
        Command::Revoke { name, place } => {
            let file = place.file()?;
            TokenList::revoke(&file, &name).map_err(|error| with_servers(error.into(), &file))?;
            print(&format!("The token {name} is revoked."));
            warn_of_unusable(&file)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What servers that run make of a file that isn't there.
const OF_ABSENT: &str = "servers that run with it refuse every token, and no server starts with it";

/// An error, and what servers that run make of a file that isn't there or can't be used.
fn with_servers(error: anyhow::Error, file: &Path) -> anyhow::Error {
    let what = match error.downcast_ref::<TokenListError>() {
        Some(TokenListError::Unknown(_)) if !file.exists() => {
            return error.context(format!("{} isn't there: {OF_ABSENT}", file.display()));
        }
        Some(TokenListError::Invalid { .. }) => {
            "servers that run go on with those of their tokens that stand in it whole and as they were, refuse all others, and none starts"
        }
        Some(TokenListError::Untrusted(_)) => {
            "a server that can't read it either goes on with what it said before, and none starts"
        }
        _ => return error,
    };
    anyhow!("{error}. Until that is mended, {what}")
}

impl Place {
    /// The file with the tokens.
    fn file(&self) -> anyhow::Result<PathBuf> {
        let settings = resolve(Layer {
            state_dir: self.state_dir.clone(),
            http: Some(HttpLayer {
                auth: Some(AuthMode::Bearer),
                tokens_file: self.tokens_file.clone(),
                ..HttpLayer::default()
            }),
            ..Layer::default()
        })?;
        match settings.auth() {
            HttpAuth::Bearer(Some(path)) => Ok(path.clone()),
            _ => bail!("there is no state directory to keep tokens in: set HOME, or give --tokens-file FILE"),
        }
    }
}

fn make(create: Create) -> anyhow::Result<()> {
    let path = create.place.file()?;
    // What a server would refuse at its start is refused here.
    let policy = create.policy.map(std::path::absolute).transpose()?;
    if let Some(policy) = &policy {
        let catalog = Catalog::embedded()?;
        Policy::read_of_callers(policy, catalog.tools().iter().map(|tool| tool.name()))?;
    }
    let api_key_file = create.api_key_file.map(std::path::absolute).transpose()?;
    if let Some(file) = &api_key_file {
        read_key(file)?;
    }
    let now = Utc::now();
    let expires = match create.expires {
        Some(time) => Some(now.checked_add_signed(time).context("that end is too far away")?),
        None => None,
    };
    let name = create.name.clone();
    let token = TokenList::create(
        &path,
        NewToken {
            name: create.name,
            scopes: create.scopes,
            policy,
            api_key_file,
            profile: create.profile,
            expires,
            calls_per_minute: create.calls_per_minute,
            person: create.person,
        },
        now,
    )
    .map_err(|error| with_servers(error.into(), &path))?;
    print(token.expose_secret());
    eprintln!(
        "neon-mcp: this is the token {name}, shown this once: {} holds its digest alone. `neon-mcp token revoke {name}` ends it",
        path.display()
    );
    Ok(())
}

fn rotate(path: &Path, name: &str, overlap: TimeDelta, expires: Option<TimeDelta>) -> anyhow::Result<()> {
    let now = Utc::now();
    let end = |time: TimeDelta| now.checked_add_signed(time).context("that end is too far away");
    let expires = expires.map(end).transpose()?;
    let token = TokenList::rotate(path, name, Rotation { overlap, expires }, now)?;
    print(token.expose_secret());
    let list = TokenList::read(path)?;
    let entry = list.entries().iter().find(|entry| entry.name() == name);
    let until = entry.and_then(|entry| entry.previous_expires(now)).map_or_else(
        || "the one before it counts no more".to_owned(),
        |end| {
            format!(
                "the one before it counts until {}",
                end.to_rfc3339_opts(SecondsFormat::Secs, true)
            )
        },
    );
    eprintln!("neon-mcp: this is the new token {name}, shown this once; {until}");
    Ok(())
}

/// Says of which tokens a file can't be used: servers refuse those, and don't start with them.
fn warn_of_unusable(path: &Path) -> anyhow::Result<()> {
    let catalog = Catalog::embedded()?;
    let directory = path.parent().unwrap_or(Path::new("."));
    for entry in TokenList::read(path)?.entries() {
        let policy = entry.policy().map(|file| {
            let names = catalog.tools().iter().map(|tool| tool.name());
            Policy::read_of_callers(&directory.join(file), names).map(drop)
        });
        if let Some(Err(error)) = policy {
            eprintln!("neon-mcp: the token {} can't be used: {error}", entry.name());
        }
        if let Some(Err(error)) = entry.api_key_file().map(|file| read_key(&directory.join(file))) {
            eprintln!("neon-mcp: the token {} can't be used: {error}", entry.name());
        }
    }
    Ok(())
}

fn list(path: &Path, json: bool) -> anyhow::Result<()> {
    let list = match TokenList::read(path) {
        Err(TokenListError::Untrusted(error)) if error.is_absent() => {
            eprintln!("neon-mcp: {} isn't there: {OF_ABSENT}", path.display());
            TokenList::default()
        }
        read => read?,
    };
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    if json {
        let rows = list.entries().iter().map(|entry| {
            serde_json::json!({
                "name": entry.name(),
                "scopes": entry.scopes().names().collect::<Vec<_>>(),
                "policy": entry.policy(),
                "credential": entry.credential(),
                "person": entry.person(),
                "created_at": time(entry.created()),
                "expires_at": entry.expires().map(time),
                "previous_expires_at": entry.previous_expires(Utc::now()).map(time),
            })
        });
        print(&crate::cli::common::json_text(&rows.collect::<Vec<_>>())?);
        return Ok(());
    }
    if list.entries().is_empty() {
        print("There is no token: `neon-mcp token create NAME` makes one.");
    }
    for entry in list.entries() {
        print(&line(entry, Utc::now()));
    }
    Ok(())
}

/// A token in one line.
fn line(entry: &TokenEntry, now: DateTime<Utc>) -> String {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut parts = vec![
        entry.name().to_owned(),
        match entry.scopes() {
            Scopes::ALL => "all scopes".to_owned(),
            scopes => scopes.text(),
        },
        match entry.expires() {
            None => "no end".to_owned(),
            Some(end) if end <= now => format!("expired {}", time(end)),
            Some(end) => format!("expires {}", time(end)),
        },
    ];
    parts.extend(
        entry
            .previous_expires(now)
            .map(|end| format!("the one before it ends {}", time(end))),
    );
    parts.extend(entry.credential().map(|credential| format!("calls with {credential}")));
    parts.extend(
        entry
            .person()
            .map(|person| format!("person {}", crate::text::one_line(person, 80))),
    );
    parts.extend(entry.policy().map(|policy| format!("policy {}", policy.display())));
    parts.join(", ")
}
