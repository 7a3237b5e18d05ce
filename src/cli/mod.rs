//! The commands, one file each.
//!
//! ```
//! use clap::Parser as _;
//! use neon_mcp::cli::Cli;
//!
//! assert!(Cli::try_parse_from(["neon-mcp", "tools", "--check"]).is_ok());
//! assert!(Cli::try_parse_from(["neon-mcp", "no-such-command"]).is_err());
//! ```

/// In the place of the standard library's: what commands say on standard error, with nothing in it that steers a terminal.
macro_rules! eprintln {
    () => {
        $crate::cli::common::complain("")
    };
    ($($said:tt)*) => {
        $crate::cli::common::complain(&format!($($said)*))
    };
}

mod about;
mod approve;
mod call;
mod callers;
mod common;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod fold;
mod http;
mod install;
mod log;
mod log_format;
mod log_lines;
mod log_set_up;
mod login;
mod logout;
mod man;
#[cfg(feature = "http-server")]
mod oauth_map;
mod policy;
mod reach;
mod readable;
mod ready;
mod reference;
mod said;
mod serve;
mod spinner;
mod spoken;
mod stdio;
mod store;
mod style;
mod terminal;
mod token;
mod tools;
mod version;
mod whoami;

use std::env::VarError;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::runtime::Builder;

use crate::settings::Layer;
use crate::text::is_hidden;
use common::{here, resolve};

pub use common::told;

/// An MCP server that hands Neon (serverless Postgres) to AI agents, safely.
///
/// Without a command it serves one client over standard input and output, as MCP clients start it.
#[derive(Debug, Parser)]
#[command(name = "neon-mcp", version = version::VERSION, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Layer,
}

/// How long what can't be called off, such as a read of a file, may go on when all else is done.
const LAST_WORK: Duration = Duration::from_millis(50);

/// Which build has what a lean one lacks.
#[cfg(not(all(feature = "demo", feature = "http-server")))]
const WITH_ALL: &str = "The build with default features has it: `cargo install neon-mcp`";

/// The arguments of a command that this build lacks: whatever they are.
#[cfg(not(all(feature = "demo", feature = "http-server")))]
#[derive(Debug, clap::Args)]
struct Lean {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<std::ffi::OsString>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one client over standard input and output (what happens without a command)
    Stdio {
        #[command(flatten)]
        settings: Layer,
    },
    /// Serve many clients over streamable HTTP
    Http(Box<http::Arguments>),
    /// Make, list and revoke the tokens of `neon-mcp http --auth bearer`
    Token(token::Arguments),
    /// Check the map of `neon-mcp http --auth oauth`, and say who gets what by it
    #[cfg(feature = "http-server")]
    OauthMap(oauth_map::Arguments),
    /// In a build without it: say which has it
    #[cfg(not(feature = "http-server"))]
    #[command(hide = true)]
    OauthMap(Lean),
    /// Tell a story on a sandbox, through a real MCP client: a migration that is tried, refused, applied and undone
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    /// In a build without it: say which has it
    #[cfg(not(feature = "demo"))]
    #[command(hide = true)]
    Demo(Lean),
    /// Run the sandbox alone, for any client of Neon's API
    #[cfg(feature = "sandbox")]
    Sandbox(crate::sandbox::command::Arguments),
    /// In a build without it: say which has it
    #[cfg(not(feature = "sandbox"))]
    #[command(hide = true)]
    Sandbox(Lean),
    /// Show the tools: names, effects, sizes
    Tools(tools::Arguments),
    /// Call one tool and print its result
    Call(call::Arguments),
    /// Sign in to Neon in the browser: all servers of this user have it then
    Login(login::Arguments),
    /// End the login: at Neon, and on this machine
    Logout(logout::Arguments),
    /// Say who is signed in, where the credential comes from and what it reaches
    Whoami(whoami::Arguments),
    /// Approve or reject a call that waits for approval; without a code, list what waits
    Approve(approve::Arguments),
    /// Show the audit log, oldest first
    Log(log::Arguments),
    /// Check a policy file, and say what it does
    Policy(policy::Arguments),
    /// Ask a server over HTTP whether it is ready: exits with 1 when it isn't, for health checks of containers
    Ready(ready::Arguments),
    /// Look at what an agent needs: credential, network, clients, policy; and say the next step
    Doctor(doctor::Arguments),
    /// Write this server into the files of the clients on this machine, after asking
    Install(install::Install),
    /// Take this server out of the files of the clients on this machine, after asking
    Uninstall(install::Uninstall),
    /// Print what makes a shell complete commands and options, e.g. `neon-mcp completions bash > /etc/bash_completion.d/neon-mcp`
    Completions(completions::Arguments),
    /// Write manual pages into a folder, e.g. `neon-mcp man ~/.local/share/man/man1`
    Man(man::Arguments),
}

/// Runs a command.
///
/// # Errors
/// When it can't do what it was asked to; the message is for people.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Somebody who typed the name alone is told what it is; whoever means the server says `stdio`.
    if cli.command.is_none() && about::is_wanted() {
        about::check(cli.settings)?;
        about::say(&Cli::command());
        return Ok(ExitCode::SUCCESS);
    }
    let (flag, config) = match &cli.command {
        None => (None, cli.settings.config.as_deref()),
        Some(Command::Stdio { settings }) => (None, settings.config.as_deref()),
        Some(Command::Http(arguments)) => (arguments.log_format(), arguments.settings().config.as_deref()),
        Some(_) => (None, None),
    };
    let format = log_set_up::choose_format(flag, config);
    let filter = match std::env::var("NEON_MCP_LOG") {
        Ok(filter) => filter,
        // A call by hand has its result on the same screen.
        Err(VarError::NotPresent) if matches!(cli.command, Some(Command::Call(_))) => call::LOG.to_owned(),
        Err(VarError::NotPresent) => "warn,neon_mcp=info".to_owned(),
        Err(VarError::NotUnicode(_)) => bail!("NEON_MCP_LOG isn't UTF-8: write it anew"),
    };
    let serves = matches!(cli.command, None | Some(Command::Stdio { .. } | Command::Http(_)));
    log_set_up::begin(&filter, format, serves)?;
    let command = cli.command.unwrap_or(Command::Stdio { settings: cli.settings });
    match command {
        // One client on one pipe: a second thread would only cost start and memory.
        Command::Stdio { settings } => block_on(
            &mut Builder::new_current_thread(),
            stdio::run(here(resolve(settings)?)?),
        ),
        Command::Http(arguments) => runtime(http::run(*arguments)),
        Command::Token(arguments) => token::run(arguments),
        #[cfg(feature = "http-server")]
        Command::OauthMap(arguments) => oauth_map::run(arguments),
        #[cfg(not(feature = "http-server"))]
        Command::OauthMap(_) => bail!("this neon-mcp was built without OAuth. {WITH_ALL}"),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => runtime(demo::run(arguments)),
        #[cfg(not(feature = "demo"))]
        Command::Demo(_) => bail!("this neon-mcp was built without the demo. {WITH_ALL}"),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => runtime(crate::sandbox::command::run(arguments, common::print)),
        #[cfg(not(feature = "sandbox"))]
        Command::Sandbox(_) => bail!("this neon-mcp was built without the sandbox. {WITH_ALL}"),
        Command::Tools(arguments) => tools::run(&arguments),
        Command::Call(arguments) => runtime(call::run(arguments)),
        Command::Login(arguments) => runtime(login::run(arguments)),
        Command::Logout(arguments) => runtime(logout::run(arguments)),
        Command::Whoami(arguments) => runtime(whoami::run(arguments)),
        Command::Approve(arguments) => approve::run(arguments),
        Command::Log(arguments) => log::run(arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Ready(arguments) => runtime(ready::run(arguments)),
        Command::Doctor(arguments) => runtime(doctor::run(arguments)),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
        Command::Install(arguments) => runtime(install::run(arguments)),
        Command::Uninstall(arguments) => install::run_uninstall(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Cli::command()),
    }
}

/// Tells what is wrong with a command line, or what was asked about it, and how to end then.
#[must_use]
pub fn misunderstood(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if !error.use_stderr() {
        let _ = error.print();
        return code;
    }
    if let (Some(ContextValue::String(command)), Some(prior)) = (
        error.get(ContextKind::InvalidSubcommand),
        error.get(ContextKind::PriorArg),
    ) && error.kind() == clap::error::ErrorKind::ArgumentConflict
    {
        let flag = match prior {
            ContextValue::String(flag) => flag.as_str(),
            ContextValue::Strings(flags) => flags.first().map_or("", String::as_str),
            _ => "",
        };
        let flag = flag.split(' ').next().unwrap_or_default();
        let flag = flag.split('[').next().unwrap_or_default();
        eprintln!(
            "error: options stand behind the command: neon-mcp {command} {flag} …\n\nFor more information, try '--help'."
        );
        return code;
    }
    // What was typed is in it, too.
    let plain = error.render().to_string();
    match plain
        .chars()
        .any(|character| is_hidden(character) && character != '\n' && character != '\t')
    {
        true => common::complain(plain.trim_end()),
        false => {
            let _ = error.print();
        }
    }
    if let (clap::error::ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
        && let [command] = commands_with(flag).as_slice()
    {
        eprintln!("\n  tip: {flag} is an option of `neon-mcp {command}`");
    }
    code
}

/// The commands that take a flag, by its long name.
fn commands_with(flag: &str) -> Vec<String> {
    let Some(wanted) = flag.strip_prefix("--") else {
        return Vec::new();
    };
    let cli = Cli::command();
    let takes = |command: &&clap::Command| {
        command
            .get_arguments()
            .any(|argument| argument.get_long() == Some(wanted))
    };
    let commands = cli.get_subcommands().filter(takes);
    commands.map(|command| command.get_name().to_owned()).collect()
}

/// Tells why the program ends, in the format of its log.
pub fn fail(error: &anyhow::Error) {
    log_format::fail(&told(error));
}

fn runtime(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    block_on(&mut Builder::new_multi_thread(), work)
}

fn block_on(runtime: &mut Builder, work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = runtime.enable_all().build().context("the runtime can't start")?;
    let result = runtime.block_on(work);
    // A read of standard input that waits can't be called off, unless that is a pipe: nothing waits for it.
    runtime.shutdown_timeout(LAST_WORK);
    #[cfg(feature = "http-server")]
    crate::telemetry::end();
    result
}

/// What docs/settings.md holds: every setting and every flag of every command.
#[must_use]
pub fn settings_reference() -> String {
    reference::page(Cli::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_an_entry_are_those_that_there_are() {
        let command = Cli::command();
        let mut names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        names.sort_unstable();
        names.retain(|name| *name != "help");
        assert_eq!(names, install::COMMANDS);
    }
}
