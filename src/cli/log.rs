//! `neon-mcp log`: the audit log, for people.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fold::{folded, width};
use super::store;
use super::style::Style as Paint;
use crate::catalog::{Catalog, nearest};
use crate::guard::audit::{AuditOutcome, Entry, LogReader};
use crate::guard::{Effect, StoreAddress, quoted, state_dir};
use crate::neon::text::{escaped, is_hidden, one_line};
use crate::settings::{KeptPlaces, StoreText};
use crate::text::{escaped_in_json, name_told_apart};

/// How often `--follow` looks for new lines.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest text that is shown, in characters: nothing that we wrote is longer.
const LONGEST: usize = 500;

/// Where the second and later lines of an entry begin: below the outcome.
const INDENT: usize = 22;

/// How wide the first line of an entry is up to the tool: the time, the outcome, the effect, and the tool, with blanks between.
const FIRST: usize = 20 + 2 + 10 + 2 + 11 + 2 + 30;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The log; also NEON_MCP_AUDIT_LOG [default: audit.jsonl in the state directory]
    #[arg(long, visible_alias = "audit-log", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The server's state directory, whose audit.jsonl is shown; also NEON_MCP_STATE_DIR
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    state_dir: Option<PathBuf>,
    /// The server's store, where it is `dir:PATH`, whose audit.jsonl is shown
    #[arg(long, value_name = "STORE", value_parser = store::text, conflicts_with_all = ["file", "state_dir"])]
    store: Option<StoreText>,
    /// The server's settings file, which says where its log is; also NEON_MCP_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only calls of these tools
    #[arg(long = "tool", value_name = "NAME", value_delimiter = ',')]
    tools: Vec<String>,
    /// Only calls with one of these effects
    #[arg(long = "effect", value_name = "EFFECT", value_delimiter = ',', value_parser = effects())]
    effects: Vec<Effect>,
    /// Only calls that ended so
    #[arg(long = "outcome", value_name = "OUTCOME", value_delimiter = ',', value_parser = outcomes())]
    outcomes: Vec<AuditOutcome>,
    /// Only calls about this project
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Only calls of this caller: its whole name (`token ann`, `ISSUER SUBJECT`), or what stands behind `token` or the issuer
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Only calls since: an age (90s, 15m, 2h, 7d) or a time (2026-07-01T12:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// Only the last of them
    #[arg(long, value_name = "N", value_parser = count)]
    last: Option<usize>,
    /// Print the lines as they stand in the log
    #[arg(long)]
    json: bool,
    /// Go on with new lines as they come, until interrupted
    #[arg(long)]
    follow: bool,
}

/// The directory of a store.
fn directory_of(store: &StoreText) -> anyhow::Result<PathBuf> {
    match store.address()? {
        StoreAddress::Directory(directory) => Ok(directory),
        _ => bail!("the audit log is in no such store: each replica writes its own; name its file with --file"),
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "write how many, a whole number, e.g. 20".to_owned())
}

fn effects() -> impl TypedValueParser<Value = Effect> {
    const ALL: [Effect; 4] = [Effect::Read, Effect::Write, Effect::Access, Effect::Destructive];
    PossibleValuesParser::new(ALL.map(Effect::name)).try_map(|name| named(&name))
}

fn outcomes() -> impl TypedValueParser<Value = AuditOutcome> {
    PossibleValuesParser::new(AuditOutcome::ALL.map(AuditOutcome::name)).try_map(|name| named(&name))
}

fn named<T: DeserializeOwned>(name: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let age = || {
        let unit = text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Utc::now().checked_sub_signed(TimeDelta::try_seconds(i64::from(number).checked_mul(seconds)?)?)
    };
    age().ok_or_else(|| "write an age, as 90s, 15m, 2h or 7d, or a time, as 2026-07-01T12:00:00Z".to_owned())
}

/// Names that no tool has are told: a log may hold calls of tools that another version had, so they are looked for all the same.
fn say_unknown(names: &[String]) -> anyhow::Result<()> {
    let catalog = Catalog::embedded()?;
    for name in names.iter().filter(|name| catalog.tool(name).is_none()) {
        let near = nearest(name, catalog.tools().iter().map(|tool| tool.name()));
        let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        eprintln!("neon-mcp: there is no tool `{}`{near}", escaped(name));
    }
    Ok(())
}

/// Exits with 1 when there is no log.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.path()?;
    say_unknown(&arguments.tools)?;
    let style = Style {
        json: arguments.json,
        paint: Paint::of(&std::io::stdout()),
        width: width(std::io::stdout()),
    };
    let mut reader = LogReader::new(&path);
    let mut first = true;
    loop {
        let mut shown = VecDeque::new();
        let mut broken = 0_usize;
        let missed = reader.read(!arguments.follow, |line| match parse(line) {
            Some(_) if first && arguments.last == Some(0) => {}
            Some((entry, value)) if arguments.choose(&entry) => {
                if first && arguments.last == Some(shown.len()) {
                    shown.pop_front();
                }
                shown.push_back(style.entry(&entry, line, &value));
            }
            Some(_) => {}
            None => broken += 1,
        });
        let missed = match missed {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "there is no audit log at {}: nothing was noted yet, or it is kept elsewhere (--config, --file, NEON_MCP_AUDIT_LOG)",
                path.display()
            ),
            missed => missed.with_context(|| format!("can't read {}", path.display()))?,
        };
        if missed {
            eprintln!("neon-mcp: the file that was read is gone: lines may be missing or come twice");
        }
        let mut out = std::io::stdout().lock();
        // A reader that has gone away (`| head`) is no reason to complain, or to go on.
        if shown.iter().any(|text| writeln!(out, "{text}").is_err()) || out.flush().is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        match broken {
            0 => {}
            1 => eprintln!("neon-mcp: 1 line of the log can't be read and is left out"),
            _ => eprintln!("neon-mcp: {broken} lines of the log can't be read and are left out"),
        }
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        first = false;
        std::thread::sleep(PAUSE);
    }
}

fn parse(line: &[u8]) -> Option<(Entry, Value)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    Some((serde_json::from_value(value.clone()).ok()?, value))
}

impl Arguments {
    /// The log: what the command line names, else what the environment does, else the settings file, else that in the state directory.
    fn path(&self) -> anyhow::Result<PathBuf> {
        let log = |directory: PathBuf| directory.join("audit.jsonl");
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        if let Some(state) = &self.state_dir {
            return Ok(log(state.clone()));
        }
        if let Some(store) = &self.store {
            return Ok(log(directory_of(store)?));
        }
        let known = KeptPlaces::read(self.config.clone(), std::env::vars_os())?;
        if let Some(file) = known.audit_log {
            return Ok(file);
        }
        // A store that is a directory has the log; beside another each replica has one in its state directory.
        let store = known.store.as_ref().map(StoreText::address).transpose()?;
        let own = || known.state_dir.or_else(|| state_dir(|name| std::env::var_os(name)));
        let directory = match store {
            Some(StoreAddress::Directory(directory)) => Some(directory),
            _ => own(),
        };
        let none = "there is no state directory, because HOME isn't set: name the log with --file, or the directory with --state-dir";
        Ok(log(directory.context(none)?))
    }

    fn choose(&self, entry: &Entry) -> bool {
        (self.tools.is_empty() || self.tools.contains(&entry.tool))
            && (self.effects.is_empty() || self.effects.contains(&entry.effect))
            && (self.outcomes.is_empty() || self.outcomes.contains(&entry.outcome))
            && self.caller.as_ref().is_none_or(|name| is_named(&entry.caller, name))
            && (self.project.is_none() || self.project == entry.project_id)
            && self.since.is_none_or(|since| entry.time >= since)
    }
}

/// Whether a caller has that name, or what comes behind its issuer or `token` is it.
fn is_named(caller: &str, name: &str) -> bool {
    let told = name_told_apart(name);
    let is_it = |known: &str| known == name || known == told;
    is_it(caller) || caller.split_once(' ').is_some_and(|(_, of)| is_it(of))
}

/// How entries are shown. Whatever stands in the log is taken for untrusted: someone else may have written it.
struct Style {
    json: bool,
    paint: Paint,
    /// How wide the terminal is, where it is one.
    width: Option<usize>,
}

impl Style {
    fn entry(&self, entry: &Entry, line: &[u8], value: &Value) -> String {
        if self.json {
            raw(line, value)
        } else {
            self.readable(entry)
        }
    }

    fn readable(&self, entry: &Entry) -> String {
        let clean = |text: &str| one_line(text, LONGEST);
        let time = entry.time.format("%Y-%m-%d %H:%M:%SZ").to_string();
        let outcome = format!("{:<10}", entry.outcome.name());
        let mut columns = FIRST;
        let mut first = format!(
            "{}  {}  {:<11}  {:<30}",
            self.paint.dim(&time),
            self.paint.paint(colour(entry.outcome), &outcome),
            entry.effect.name(),
            clean(&entry.tool),
        );
        let place: Vec<String> = [&entry.project_id, &entry.branch_id]
            .into_iter()
            .flatten()
            .map(|id| clean(id))
            .collect();
        let mut below = Vec::new();
        for text in [place.join("/"), service(&clean(&entry.service))] {
            columns += 2 + text.chars().count();
            match self.width {
                _ if text.is_empty() => {}
                Some(width) if columns > width => below.push(text),
                _ => {
                    first.push_str("  ");
                    first.push_str(&text);
                }
            }
        }
        let caller = clean(&entry.caller);
        let mut about = Vec::new();
        if !caller.is_empty() {
            // Of a human's decision the caller is who asked for the call.
            let role = match entry.outcome {
                AuditOutcome::Approved => "asked by",
                AuditOutcome::Rejected if entry.channel.is_some() => "asked by",
                _ => "by",
            };
            about.push(format!("{role} {}", principal(&caller)));
        }
        about.extend(
            entry
                .person
                .as_deref()
                .map(|person| format!("for {}", subject(&clean(person)))),
        );
        about.extend(
            entry
                .account
                .as_ref()
                .map(|account| format!("account {}", clean(account))),
        );
        about.extend(
            entry
                .channel
                .as_deref()
                .map(|channel| format!("through {}", clean(channel))),
        );
        about.extend(
            entry
                .approver
                .as_deref()
                .map(|approver| format!("decided by {}", principal(&clean(approver)))),
        );
        about.extend(entry.rule.as_deref().map(|rule| format!("rule {}", clean(rule))));
        about.push(duration(entry.duration_ms));
        // Its own word: quoted, and behind all that the server says.
        about.extend(
            entry
                .client
                .as_deref()
                .map(|client| format!("client {}", quoted(client))),
        );
        let mut text = first.trim_end().to_owned();
        let indent = " ".repeat(INDENT);
        let mut add = |below: &str, is_dim: bool| {
            for line in folded(below, self.width, &indent, &indent) {
                text.push('\n');
                text.push_str(&if is_dim { self.paint.dim(&line) } else { line });
            }
        };
        below.iter().for_each(|below| add(below, false));
        add(&about.join(", "), true);
        if let Some(reason) = entry.reason.as_deref().map(clean) {
            add(&reason, false);
        }
        text
    }
}

/// The name of a principal: of whom an issuer names, the subject stands by itself.
fn principal(name: &str) -> String {
    match name.split_once(' ') {
        Some((issuer, of)) if issuer.contains("://") => format!("{issuer} {}", subject(of)),
        _ => name.to_owned(),
    }
}

/// The name that an issuer gives a person. Some let people choose it: what could pass for words of ours is quoted.
fn subject(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.@+|:/=~".contains(letter);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// The line as it stands, but that characters which can't be seen are escaped. Ours holds none.
fn raw(line: &[u8], value: &Value) -> String {
    let text = String::from_utf8_lossy(line);
    if !text.chars().any(is_hidden) {
        return text.into_owned();
    }
    // Written anew they can only stand within texts, where they may be escaped.
    escaped_in_json(&value.to_string())
}

/// Neon is what is meant where nothing is said.
fn service(service: &str) -> String {
    match service {
        "neon" | "" => String::new(),
        other => format!("({other})"),
    }
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
    }
}

/// The colour of an outcome: what changed something, what may have, what didn't.
fn colour(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Done => "32",
        AuditOutcome::Failed => "31",
        AuditOutcome::Unknown => "1;31",
        AuditOutcome::Asked | AuditOutcome::Approved | AuditOutcome::DryRun => "36",
        _ => "33",
    }
}
