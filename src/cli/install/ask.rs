//! What is asked of an entry's server, so that whoever wrote the file neither has a program of theirs started nor learns a secret.

use std::path::{Path, PathBuf};

use super::kept;
use crate::clients::{Answer, Machine, Place, TOKEN_VARIABLE, ask_at, ask_program};
use crate::settings::Layer;

/// Asks the server of an entry who it is, where that can be done safely.
pub(super) async fn ask(machine: &Machine, place: &Place) -> Answer {
    let entry = &place.entry;
    let not_asked = |reason: &str| Answer::NotAsked {
        reason: reason.to_owned(),
    };
    let silent = |reason: String| Answer::Silent { reason };
    if place.of_project {
        return not_asked("a project's file may be somebody else's");
    }
    if let Some((command, arguments)) = entry.command() {
        let named = Path::new(&command);
        if named.is_absolute() && !named.exists() {
            return silent(format!("there is no {command}"));
        }
        let Some(program) = this_program(machine, &command) else {
            return not_asked("it isn't this very program that is started there");
        };
        return match safe(&arguments) {
            Ok(arguments) => ask_program(&program, &arguments).await,
            Err(why) => silent(why),
        };
    }
    let Some(url) = entry.url() else {
        return silent("the entry names neither a program nor a URL".to_owned());
    };
    // Whoever listens there is sent it only where the user's own client would send it, too.
    let may_know = entry.name.starts_with("neon") && entry.wants_our_token();
    let token = machine.variable(TOKEN_VARIABLE).and_then(|token| token.to_str());
    ask_at(url, token.filter(|_| may_know)).await
}

/// This program's file, where a command leads to it: by its absolute path, or as a name by `PATH`.
fn this_program(machine: &Machine, command: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().and_then(std::fs::canonicalize).ok()?;
    let named = Path::new(command);
    let leads = |path: PathBuf| std::fs::canonicalize(path).is_ok_and(|real| real == own);
    let is_own = if named.is_absolute() {
        leads(named.to_owned())
    } else if command.contains(['/', '\\']) {
        // It would depend on the folder in which a client runs.
        false
    } else {
        let folders = machine.variable("PATH")?;
        let found = std::env::split_paths(folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(command))
            .find(|path| path.is_file());
        found.is_some_and(leads)
    };
    is_own.then_some(own)
}

/// What the server is started with: of the entry's arguments those that only choose among the tools, and an account that it carries
/// itself. Others name files, programs and hosts.
fn safe(arguments: &[String]) -> Result<Vec<String>, String> {
    let given = kept::read(arguments).map_err(|why| format!("its arguments aren't those of a server: {why}"))?;
    let Layer {
        toolsets,
        tools,
        exclude_tools,
        read_only,
        discovery,
        ..
    } = given;
    let kept = Layer {
        toolsets,
        tools,
        exclude_tools,
        read_only,
        discovery,
        ..Layer::default()
    };
    let mut safe = vec!["stdio".to_owned()];
    safe.extend(kept.arguments().map_err(|error| error.to_string())?);
    let mut more = vec!["--context-file", "off"];
    if cfg!(feature = "sandbox") {
        more.extend(["--sandbox", "--sandbox-postgres", "off", "--sandbox-project=false"]);
    }
    safe.extend(more.into_iter().map(str::to_owned));
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_name_files_programs_or_hosts_are_left_out() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let safe = |text: &str| safe(&words(text)).map(|words| words.join(" "));
        let kept = safe("stdio --read-only --toolsets branches,sql").unwrap();
        assert!(
            kept.contains("--read-only") && kept.contains("--toolsets branches,sql"),
            "{kept}"
        );
        for (risky, word) in [
            ("--api-host http://127.0.0.1:9", "127.0.0.1"),
            ("--api-key-file /etc/key", "key"),
            ("--postgres-bin /tmp/x", "/tmp/x"),
            ("--fetch-postgres=always", "fetch"),
            ("--config /tmp/x.toml", "/tmp/x"),
            ("--audit-log /tmp/x", "/tmp/x"),
            ("--state-dir /tmp/x", "/tmp/x"),
            ("--login-issuer http://127.0.0.1:9", "127.0.0.1"),
            ("--profile work", "work"),
        ] {
            let kept = safe(risky).unwrap();
            assert!(!kept.contains(word), "{kept}");
        }
        for other in ["call list_projects", "http --listen 127.0.0.1:0", "login", "--nonsense"] {
            assert!(safe(other).is_err(), "{other}");
        }
    }
}
