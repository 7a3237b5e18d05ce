//! `neon-mcp logout`: the end of a login.

use std::process::ExitCode;

use super::common::{only, print};
use super::login::sign_in;
use crate::settings::Layer;

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
    #[command(flatten)]
    settings: Layer,
}

/// Exits with 1 where the login is gone here and may still count at Neon, or is another issuer's and stays.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (sign_in, _) = sign_in(arguments.settings)?;
    let profile = sign_in.profile().clone();
    let Some(revoked) = sign_in.sign_out().await? else {
        print(&format!(
            "There is no login of neon-mcp's for the profile `{profile}`: nothing was changed."
        ));
        if let Ok(Some(status)) = sign_in.status() {
            print(&format!(
                "{} is there, and is that program's to end: `neon profile remove {profile}`.",
                status.origin
            ));
        }
        return Ok(ExitCode::SUCCESS);
    };
    match revoked.at_issuer {
        Ok(()) => {
            print(&format!(
                "Signed out: the login `{profile}` was ended at Neon, and {} removed.",
                revoked.path.display()
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            print(&format!("{} was removed.", revoked.path.display()));
            eprintln!("neon-mcp: the login couldn't be ended at Neon, where it goes on until it expires: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
