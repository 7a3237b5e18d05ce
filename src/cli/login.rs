//! `neon-mcp login`: signing in to Neon, in the browser.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use stop_signal::{Hangup, stop_signal};

use super::common::{only, print};
use super::whoami::whose;
use crate::settings::{Account, AccountSource, Layer, Settings, Upstream};
use crate::sign_in::{SignIn, SignInError, open_browser};

/// The settings that it uses; all are taken.
const USED: &[&str] = &[
    "profile",
    "login_issuer",
    "login_client_id",
    "login_scopes",
    "api_host",
    "config",
];

#[derive(Debug, clap::Args)]
#[command(mut_args(|argument| only(argument, USED)))]
pub(super) struct Arguments {
    /// Only print the page's address: for a browser that you open yourself, on this machine
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for you, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    timeout: u64,
    #[command(flatten)]
    settings: Layer,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (sign_in, upstream) = sign_in(arguments.settings)?;
    let stop = stop_signal(Hangup::Ends);
    let flow = tokio::select! {
        flow = sign_in.begin() => flow.map_err(with_next)?,
        () = stop.cancelled() => bail!("stopped before anybody signed in"),
    };
    // Kept until the end: the browser may be slow to read it.
    let opened = match arguments.no_browser {
        true => None,
        false => open_browser(flow.address()),
    };
    print(match opened.is_some() {
        true => "Sign in to Neon in the browser that opens. If none does, open this page on this machine:",
        false => "Sign in to Neon on this page, in a browser on this machine:",
    });
    print(&format!("\n  {}\n", flow.address()));
    let time = Duration::from_secs(arguments.timeout);
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let finish = async {
        match asks {
            true => sign_in.finish_asking(flow, time, is_right).await,
            false => sign_in.finish(flow, time).await,
        }
    };
    let label = tokio::select! {
        label = finish => label.map_err(with_next)?,
        () = stop.cancelled() => bail!("stopped before anybody signed in; nothing was kept"),
    };
    let account = Account {
        name: None,
        source: AccountSource::SignIn(sign_in.clone()),
    };
    let who = whose(&upstream, account).await.ok().and_then(|(info, _)| info.person);
    let who = match who {
        Some(person) if person.name.is_empty() => Some(person.email),
        Some(person) => Some(format!("{} ({})", person.email, person.name)),
        None => label,
    };
    print(&match who {
        Some(who) => format!("Signed in to Neon as {who}."),
        None => "Signed in to Neon.".to_owned(),
    });
    if let Ok(Some(status)) = sign_in.status() {
        print(&format!(
            "It is kept in {}; servers that run have it without a restart. `neon-mcp logout` ends it.",
            status.origin
        ));
    }
    if std::env::var_os("NEON_API_KEY").is_some_and(|key| !key.is_empty()) {
        eprintln!("neon-mcp: NEON_API_KEY is set here, and beats the login: a server that has it uses that key");
    }
    Ok(ExitCode::SUCCESS)
}

/// An error, with what to try next where the network is in the way.
fn with_next(error: SignInError) -> anyhow::Error {
    match error {
        SignInError::Unreachable { .. } => anyhow::anyhow!(
            "{error}. Try: `neon-mcp doctor`, which looks at the network; HTTPS_PROXY=http://HOST:PORT, where a proxy leads out; or an API \
             key in NEON_API_KEY (or --api-key-file FILE), which needs no browser"
        ),
        error @ (SignInError::Refused { .. }
        | SignInError::Callback(_)
        | SignInError::Identity(_)
        | SignInError::TimedOut { .. }) => {
            anyhow::anyhow!(
                "{error}. Begin again with `neon-mcp login`; where it stays so, an API key in NEON_API_KEY (or --api-key-file FILE) needs no browser"
            )
        }
        error @ SignInError::Answer { .. } => anyhow::anyhow!(
            "{error}. Try: `neon-mcp doctor`; --login-issuer and NEON_MCP_LOGIN_ISSUER, where one is set, must name the issuer as it writes itself"
        ),
        other => other.into(),
    }
}

/// Whether the person at the terminal says that they are this one.
async fn is_right(who: String) -> bool {
    eprint!("You signed in as {who}. Keep this login? Type yes or no: ");
    let _ = std::io::stderr().flush();
    let (says, said) = tokio::sync::oneshot::channel();
    // In a thread of its own, which nothing waits for: whoever stops this types nothing more.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = says.send(read.is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str()));
    });
    said.await.unwrap_or(false)
}

/// The login that is meant, whatever key there is beside it.
pub(super) fn sign_in(flags: Layer) -> anyhow::Result<(SignIn, Upstream)> {
    const KEYS: [&str; 2] = ["NEON_API_KEY", "NEON_MCP_API_KEY_FILE"];
    let environment = std::env::vars_os().filter(|(name, _)| !KEYS.iter().any(|key| name == key));
    let settings = Settings::resolve(flags, environment)?;
    let sign_in = match &settings.upstream {
        Upstream::Api { accounts, .. } => match accounts.as_slice() {
            [
                Account {
                    source: AccountSource::SignIn(sign_in),
                    ..
                },
            ] => sign_in.clone(),
            [_] => bail!("a key is given (--api-key-file), which needs no login: leave it out"),
            _ => bail!("several profiles are given: name the one that is meant, as --profile NAME"),
        },
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => bail!("a sandbox needs no login: leave --sandbox out"),
    };
    Ok((sign_in, settings.upstream))
}
