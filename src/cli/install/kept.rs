//! What an entry of ours is started with: what isn't given anew stays, and a bound that goes is told.

use clap::Parser as _;

use crate::clients::Entry;
use crate::settings::Layer;

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
    let Some(arguments) = entry.own_arguments() else {
        return Ok(Layer::default());
    };
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first == "stdio" => rest.to_vec(),
        _ => arguments,
    };
    let started = Started::try_parse_from(&arguments).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("error: ").unwrap_or(first).to_owned()
    })?;
    Ok(started.settings)
}
