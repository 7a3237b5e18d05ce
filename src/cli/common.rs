//! What all commands share.

use clap::Arg;

use super::log_format;
pub(super) use super::said::{complain, print, print_folded, print_painted};
use crate::settings::{Layer, Settings};
use crate::text::escaped_in_json;

/// The settings: flags over the environment over the file.
pub(super) fn resolve(flags: Layer) -> anyhow::Result<Settings> {
    let settings = Settings::resolve(flags, std::env::vars_os())?;
    if let Some(format) = settings.http.log_format {
        log_format::choose(format);
    }
    Ok(settings)
}

/// An argument of a command that uses few settings: a setting that isn't among them is taken, and not shown.
pub(super) fn only(argument: Arg, used: &[&str]) -> Arg {
    let is_setting = argument.get_help_heading().is_some();
    let is_used = used.contains(&argument.get_id().as_str());
    if is_setting && !is_used {
        argument.hide(true)
    } else {
        argument
    }
}

/// The same, with what the working directory is linked to.
pub(super) fn here(settings: Settings) -> anyhow::Result<Settings> {
    let directory = std::env::current_dir().ok();
    Ok(settings.with_context(directory.as_deref())?)
}

/// A value as JSON for people and programs, in which characters that can't be seen are escaped.
pub(super) fn json_text(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(escaped_in_json(&serde_json::to_string_pretty(value)?))
}

/// An error for people: with what it came of, and that once, though errors often tell their cause themselves.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
