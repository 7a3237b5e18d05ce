//! What is on this machine: the program, the state directory, the policy, PostgreSQL.

use std::path::Path;

use super::check::Check;
use crate::catalog::{Catalog, Selection};
use crate::cli::version::VERSION;
use crate::settings::{Layer, Settings};

/// Which program this is.
pub(super) fn program() -> Check {
    let path = std::env::current_exe()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    Check::ok("program", format!("neon-mcp {VERSION}, {path}"))
        .with("version", VERSION)
        .with("path", path)
}

/// Where approvals and the audit log are kept.
pub(super) fn state(directory: Option<&Path>) -> Check {
    let Some(directory) = directory else {
        let next = "set HOME, or name one with --state-dir: without it, approvals count in one process alone, and nothing is recorded";
        return Check::problem("state", "there is no state directory", next);
    };
    kept("state", "--state-dir", directory)
}

/// A directory in which the server keeps something, which that setting names.
pub(super) fn kept(check: &'static str, setting: &str, directory: &Path) -> Check {
    let another = format!("name another one with {setting}");
    let shown = directory.display().to_string();
    let looked = match std::fs::symlink_metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match may_be_made(directory) {
            true => Check::ok(check, format!("{shown} will be made when it is first needed")),
            false => Check::problem(check, format!("{shown} can't be made"), &another),
        },
        Err(error) => Check::problem(check, format!("{shown}: {error}"), &another),
        Ok(metadata) if !metadata.is_dir() && !directory.is_dir() => Check::problem(
            check,
            format!("{shown} is no directory"),
            format!("move it away, or {another}"),
        ),
        Ok(metadata) if !local_files::leftover::is_ours(&metadata) => Check::problem(
            check,
            format!("{shown} belongs to another user"),
            format!("name one of your own with {setting}"),
        ),
        Ok(metadata) if is_open(&metadata) => Check::warning(
            check,
            format!("{shown} can be read by others"),
            format!(
                "run `chmod 700 {}`; the server does it at its next start",
                local_files::in_a_shell(&shown)
            ),
        ),
        Ok(_) => match tempfile::Builder::new().prefix(".doctor-").tempfile_in(directory) {
            Ok(_) => Check::ok(check, shown.clone()),
            Err(error) => Check::problem(
                check,
                format!("{shown} can't be written: {error}"),
                format!("mend its mode, or {another}"),
            ),
        },
    };
    looked.with("path", shown)
}

#[cfg(unix)]
fn is_open(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.is_dir() && metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open(_: &std::fs::Metadata) -> bool {
    false
}

/// Whether the nearest folder above is one that takes another. Nothing is made.
fn may_be_made(directory: &Path) -> bool {
    let above = directory.ancestors().skip(1).find(|folder| folder.exists());
    above.is_some_and(|folder| {
        folder.is_dir() && tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder).is_ok()
    })
}

/// The operator's policy, and what is left to offer under it.
pub(super) fn policy(settings: &Settings, catalog: &Catalog) -> Check {
    const CHECK: &str = "policy";
    let policy = match settings.policy(catalog) {
        Ok(policy) => policy,
        Err(error) => {
            return Check::problem(
                CHECK,
                error.to_string(),
                "mend the file: `neon-mcp policy check FILE` says more",
            );
        }
    };
    let explained = policy.in_words(catalog);
    let own = Catalog::embedded().map_err(|error| error.to_string());
    let selected = own
        .and_then(|catalog| Selection::new(catalog, &settings.selection, &policy).map_err(|error| error.to_string()));
    let offered = match selected {
        Ok(selection) => selection.tools().len(),
        Err(error) => {
            return Check::problem(
                CHECK,
                error,
                "offer more: --toolsets, --tools, --exclude-tools and the policy decide it",
            );
        }
    };
    let message = match settings.policy_file() {
        Some(path) => format!("{} is valid", path.display()),
        None => "no file: the defaults hold".to_owned(),
    };
    let message = format!("{message}; {offered} tools are offered");
    let check = match explained.warnings.first() {
        Some(warning) => Check::warning(
            CHECK,
            format!("{message}; {warning}"),
            "`neon-mcp policy check FILE` says what each rule does",
        ),
        None => Check::ok(CHECK, message),
    };
    let file = settings.policy_file().map(|path| path.display().to_string());
    check.with("file", file).with("tools", offered)
}

/// The PostgreSQL of the sandbox.
#[cfg(feature = "sandbox")]
pub(super) fn postgres(settings: &Layer) -> Check {
    const CHECK: &str = "postgres";
    let variable = std::env::var_os("NEON_MCP_POSTGRES_BIN").filter(|folder| !folder.is_empty());
    let given = settings.postgres_bin.clone().or_else(|| variable.map(Into::into));
    match crate::sandbox::find_postgres(given.as_deref()) {
        Ok((version, folder)) => {
            let message = format!("PostgreSQL {version} in {}: a sandbox holds data", folder.display());
            Check::ok(CHECK, message)
                .with("version", version)
                .with("path", folder.display().to_string())
        }
        // Nobody needs it who doesn't use the sandbox.
        Err(reason) if given.is_none() => Check::warning(CHECK, "none: a sandbox works without data", reason),
        Err(reason) => Check::problem(
            CHECK,
            reason,
            "name the folder of PostgreSQL's server programs with --postgres-bin, or leave it out",
        ),
    }
}

/// The PostgreSQL of the sandbox, which a lean build lacks.
#[cfg(not(feature = "sandbox"))]
pub(super) fn postgres(_: &Layer) -> Check {
    Check::skipped("postgres", "this neon-mcp was built without the sandbox")
}
