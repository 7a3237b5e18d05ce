//! What an entry of ours is started with: in the user's own file what isn't given anew stays, in a project's nothing does; and what stays
//! or goes is told.

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::clients::{Client, Entry, Server, Transport};
use crate::guard::{MASK, mask_text};
use crate::settings::Layer;
use crate::text::one_line;

/// How much of a word of an entry is shown, in characters.
const MAX_SHOWN: usize = 80;

/// The settings that decide where keys, statements and results go, which programs run, and what the operator's word is.
const REDIRECTING: [&str; 14] = [
    "--api-host",
    "--login-issuer",
    "--login-client-id",
    "--sql-host-suffix",
    "--docs-url",
    "--policy",
    "--config",
    "--state-dir",
    "--audit-log",
    "--seal-key-file",
    "--postgres-bin",
    "--sandbox-dir",
    "--context-file",
    "--files-dir",
];

/// The arguments of a server that a client starts.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Started {
    #[command(flatten)]
    settings: Layer,
}

/// The settings of an entry; none of one that calls an address, which has its own.
///
/// # Errors
/// When its arguments aren't those of a server that a client starts: why.
pub(super) fn settings(entry: &Entry) -> Result<Layer, String> {
    entry
        .own_arguments()
        .map_or_else(|| Ok(Layer::default()), |arguments| read(&arguments))
}

/// The settings that arguments of an entry say.
///
/// # Errors
/// When they aren't those of a server that a client starts: why, with nothing of them that may be a secret.
pub(super) fn read(arguments: &[String]) -> Result<Layer, String> {
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first == "stdio" => rest,
        _ => arguments,
    };
    let started = Started::try_parse_from(arguments).map_err(|error| why(&error))?;
    Ok(started.settings)
}

/// The names of our commands: of the words in an entry, these are told.
pub(in crate::cli) const COMMANDS: [&str; 20] = [
    "approve",
    "call",
    "completions",
    "demo",
    "doctor",
    "http",
    "install",
    "log",
    "login",
    "logout",
    "man",
    "oauth-map",
    "policy",
    "ready",
    "sandbox",
    "stdio",
    "token",
    "tools",
    "uninstall",
    "whoami",
];

/// What is wrong with the arguments of an entry. Flags are named; any other word of it may be a secret.
fn why(error: &clap::Error) -> String {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => "",
    };
    let flag = argument.split(['=', ' ']).next().unwrap_or_default();
    let is_flag = flag.starts_with("--") && flag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let flag = one_line(flag, MAX_SHOWN);
    match error.kind() {
        _ if argument.is_empty() => "its arguments can't be read".to_owned(),
        ErrorKind::UnknownArgument if is_flag => format!("there is no option {flag}"),
        ErrorKind::UnknownArgument if COMMANDS.contains(&argument) => {
            format!("it runs the command `{argument}`")
        }
        ErrorKind::UnknownArgument => format!("an argument is no option: {MASK}"),
        ErrorKind::ArgumentConflict => format!("{flag} is there twice, or goes with none of the others"),
        _ if is_flag => format!("{flag} has no value that can be used"),
        _ => format!("an argument can't be used: {MASK}"),
    }
}

/// What of an entry stays and decides where things go: a note for each.
pub(super) fn redirecting(entry: &Entry, had: &Layer, given: &Layer, server: &Server) -> Vec<String> {
    if let Transport::Http(_) = server.transport {
        return Vec::new();
    }
    let given = each(given);
    let is_given = |setting: &[String]| given.iter().any(|one| flag(one) == flag(setting));
    let kept = each(had).into_iter();
    let kept = kept.filter(|setting| is_redirecting(setting) && is_there(setting, server) && !is_given(setting));
    let kept = kept.map(|words| words.join(" ")).chain(entry.redirections());
    kept.map(|what| format!("it keeps what the entry had: {}. --replace drops it", shown(&what)))
        .collect()
}

/// What of an entry isn't kept, in one note; none where nothing goes.
pub(super) fn gone(client: &Client, entry: &Entry, had: &Layer, server: &Server) -> Option<String> {
    let settings = each(had).into_iter().filter(|setting| !is_there(setting, server));
    let mut gone: Vec<String> = settings.map(|words| words.join(" ")).collect();
    gone.extend(entry.own_arguments().and_then(|arguments| read(&arguments).err()));
    gone.extend(entry.redirections());
    gone.extend(entry.other_variables().iter().map(|name| format!("env {name}")));
    // The folder and the file that decide something are named already.
    let named: Vec<String> = gone
        .iter()
        .filter_map(|what| Some(what.split_once(' ')?.0.to_owned()))
        .collect();
    gone.extend(
        client
            .foreign_fields(entry)
            .into_iter()
            .filter(|field| !named.contains(field)),
    );
    let gone: Vec<String> = gone.iter().map(|what| shown(what)).collect();
    (!gone.is_empty()).then(|| format!("what the entry had is not kept: {}", gone.join(", ")))
}

/// The settings of an entry that decide where things go, and the names of all variables that it sets: for a list.
pub(super) fn listed(entry: &Entry) -> (Vec<String>, Vec<String>) {
    let settings = settings(entry).unwrap_or_default();
    let settings = each(&settings).into_iter().filter(|setting| is_redirecting(setting));
    let settings = settings.map(|words| words.join(" ")).chain(entry.redirections());
    let names = entry
        .variables()
        .into_iter()
        .map(|(name, _)| one_line(&name, MAX_SHOWN));
    (settings.map(|what| shown(&what)).collect(), names.collect())
}

/// The settings, each in its words.
fn each(layer: &Layer) -> Vec<Vec<String>> {
    layer.each().unwrap_or_default()
}

/// Whether a setting stands among the arguments of what is written.
fn is_there(setting: &[String], server: &Server) -> bool {
    match &server.transport {
        Transport::Stdio { arguments, .. } => arguments.windows(setting.len().max(1)).any(|words| words == setting),
        Transport::Http(_) => false,
    }
}

fn flag(setting: &[String]) -> &str {
    let first = setting.first().map_or("", String::as_str);
    first.split('=').next().unwrap_or_default()
}

fn is_redirecting(setting: &[String]) -> bool {
    REDIRECTING.contains(&flag(setting))
}

/// A setting or variable of an entry, cut, and without what may be a secret.
fn shown(what: &str) -> String {
    one_line(&mask_text(what), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_entry_are_told_without_what_may_be_a_secret() {
        for (words, told) in [
            (&["hunter2secretvalue"][..], "an argument is no option: [masked]"),
            (&["--new-setting", "x"], "there is no option --new-setting"),
            (&["--new-setting=hunter2"], "there is no option --new-setting"),
            (
                &["--call-timeout-seconds", "hunter2"],
                "--call-timeout-seconds has no value that can be used",
            ),
            (&["call", "list_projects"], "it runs the command `call`"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(read(&words).unwrap_err(), told, "{words:?}");
        }
        let long = format!("--{}", "a".repeat(1_000_000));
        assert!(read(&[long]).unwrap_err().chars().count() < 200);
    }
}
