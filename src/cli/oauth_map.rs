//! `neon-mcp oauth-map`: what the map of `neon-mcp http --auth oauth` gives whom, before any caller meets it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::common::{print, resolve};
use super::fold::width;
use super::reach::Reach;
use super::readable::readable;
use super::serve::engine_account;
use super::style::Style;
use crate::base_url::BaseUrl;
use crate::catalog::Catalog;
use crate::engine::EngineAccount;
use crate::guard::{Effect, Scopes};
use crate::neon::{Credential, RateLimits};
#[cfg(feature = "sandbox")]
use crate::neon::{DEFAULT_BASE, api_base};
use crate::server::http::{CallerAccounts, MapEntry, MapFile, Unmapped, checked_map};
use crate::settings::{Account, AccountSource, KeyOrigin, Layer, Profiles, Settings, Upstream, read_key};
use crate::text::one_line;

/// The longest name that a sentence quotes, in characters.
const LONGEST: usize = 80;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a map can be used, and what it gives whom, or what one caller would get; nothing is sent
    ///
    /// The file is read as a server reads it at its start, with all that it names. The exit code is 1 where no server would start with it,
    /// and where the caller that is asked about would be refused.
    Check {
        /// The map
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A caller: its subject, as its token has it (the claim of --oauth-subject-claim)
        #[arg(long, value_name = "SUBJECT")]
        as_subject: Option<String>,
        /// A group of that caller, as its token has it (the claim of --oauth-groups-claim); once for each
        #[arg(long, value_name = "GROUP")]
        as_group: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Makes accounts to see whether they can be made: nothing is sent for them.
#[derive(Debug)]
struct Accounts {
    base: BaseUrl,
    profiles: Option<Profiles>,
}

impl Accounts {
    fn of(settings: &Settings) -> anyhow::Result<Self> {
        let base = match &settings.upstream {
            Upstream::Api { base, .. } => base.clone(),
            #[cfg(feature = "sandbox")]
            Upstream::Sandbox(_) => api_base(DEFAULT_BASE)?,
        };
        Ok(Self {
            base,
            profiles: settings.profiles().cloned(),
        })
    }
}

impl CallerAccounts for Accounts {
    fn of_key(&self, key: Credential) -> EngineAccount {
        let account = Account {
            name: None,
            source: AccountSource::Key(key, KeyOrigin::Variable),
        };
        engine_account(account, &self.base, RateLimits::default())
    }

    fn of_key_file(&self, path: &Path) -> Result<EngineAccount, String> {
        let key = read_key(path).map_err(|error| error.to_string())?;
        Ok(self.of_key(key))
    }

    fn of_profile(&self, profile: &str) -> Result<EngineAccount, String> {
        let profiles = self.profiles.as_ref().ok_or("there are no profiles here")?;
        let account = profiles.account(profile, &self.base);
        let account = account.map_err(|error| error.to_string())?;
        Ok(engine_account(account, &self.base, RateLimits::default()))
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Check {
        file,
        as_subject,
        as_group,
        json,
    } = arguments.command;
    let accounts = Accounts::of(&resolve(Layer::default())?)?;
    let catalog = Catalog::embedded()?;
    let tools: Vec<String> = catalog.tools().iter().map(|tool| tool.name().to_owned()).collect();
    let map = checked_map(&file, tools.into(), Arc::new(accounts)).map_err(|why| anyhow!(why))?;
    if as_subject.is_none() && as_group.is_empty() {
        all(&map, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    one(&map, &as_subject.unwrap_or_default(), as_group, json)
}

/// Says what everybody gets.
fn all(map: &MapFile, json: bool) -> anyhow::Result<()> {
    let default = map.unmapped().name();
    if json {
        let entries: Vec<Value> = map.entries().iter().map(entry).collect();
        print(&crate::cli::common::json_text(
            &json!({"entries": entries, "default": default}),
        )?);
        return Ok(());
    }
    let rows: Vec<Value> = map.entries().iter().map(row).collect();
    show(&json!({"entries": rows, "default": default}));
    print("The map can be used.");
    Ok(())
}

/// Says what a caller gets, and exits with 1 where that is nothing.
fn one(map: &MapFile, subject: &str, groups: Vec<String>, json: bool) -> anyhow::Result<ExitCode> {
    let by = map.entry_of(subject, groups);
    let is_served = match by {
        Some(by) => by.scopes().allows(Effect::Read),
        None => map.unmapped() == Unmapped::Allow,
    };
    if json {
        let mut said = by.map_or_else(|| json!({"kind": "default"}), entry);
        if let Some(said) = said.as_object_mut() {
            said.insert("served".to_owned(), is_served.into());
        }
        print(&crate::cli::common::json_text(&said)?);
    } else {
        if let Some(by) = by {
            show(&json!({"entry": [row(by)]}));
        }
        print(&match (by, is_served) {
            (Some(by), true) => format!(
                "Served by the entry of the {} {}, within the scopes of its token; where that names none of this server, with those that are \
                 granted.",
                by.kind().name(),
                one_line(by.name(), LONGEST)
            ),
            (Some(by), false) => format!(
                "Refused: the entry of the {} {} leaves out {}, which every tool needs.",
                by.kind().name(),
                one_line(by.name(), LONGEST),
                Scopes::needed(Effect::Read)
            ),
            (None, true) => {
                "Served what the server has, within the scopes of its token: no entry fits, and default is \"allow\"."
                    .to_owned()
            }
            (None, false) => "Refused: no entry fits, and default is \"deny\".".to_owned(),
        });
    }
    Ok(match is_served {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn show(value: &Value) {
    let stdout = std::io::stdout();
    let text = readable(value, width(&stdout), Style::of(&stdout), &Reach::default());
    crate::cli::common::print_painted(text.trim_end());
}

/// An entry for programs.
fn entry(entry: &MapEntry) -> Value {
    let names = |scopes: Scopes| scopes.names().collect::<Vec<_>>();
    json!({
        "kind": entry.kind().name(),
        "name": entry.name(),
        "scopes": names(entry.scopes()),
        "granted": names(entry.granted()),
        "policy": entry.policy(),
        "api_key_file": entry.api_key_file(),
        "profile": entry.profile(),
        "calls_per_minute": entry.calls_per_minute(),
    })
}

/// An entry for people: what it doesn't say, none of which has a column, is as the server has it.
fn row(entry: &MapEntry) -> Value {
    let scopes = |scopes: Scopes| match scopes {
        Scopes::ALL => "all".to_owned(),
        Scopes::NONE => "none".to_owned(),
        some => some.text(),
    };
    let path = |path: &Path| path.display().to_string();
    let credential = entry.api_key_file().map(path);
    let credential = credential.or_else(|| entry.profile().map(|name| format!("profile {name}")));
    let calls = entry.calls_per_minute().map(|most| most.to_string());
    let granted = (!entry.granted().is_empty()).then(|| scopes(entry.granted()));
    let cells = [
        ("of", Some(format!("{} {}", entry.kind().name(), entry.name()))),
        ("scopes", Some(scopes(entry.scopes()))),
        ("granted", granted),
        ("policy", entry.policy().map(path)),
        ("credential", credential),
        ("calls_per_minute", calls),
    ];
    let cells = cells
        .into_iter()
        .filter_map(|(name, cell)| Some((name.to_owned(), cell?.into())));
    Value::Object(cells.collect::<Map<String, Value>>())
}
