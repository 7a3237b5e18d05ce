//! Opening the page in the person's browser, where this machine has a screen.
//!
//! Whoever is on the machine reads the arguments of programs. With the page's address another user could sign in in the person's
//! place, as somebody else: so a browser is given a file that its user alone can read.

#[cfg(unix)]
use std::time::{Duration, Instant};

#[cfg(unix)]
use local_files::leftover;

/// A page that was handed to the browser. Dropped, its file is removed.
#[derive(Debug)]
pub struct Opened {
    #[cfg(unix)]
    _file: tempfile::NamedTempFile,
}

/// Opens the page in the person's browser; none where there is no screen, or nothing to open it with.
#[must_use]
pub fn open_browser(address: &str) -> Option<Opened> {
    let has_screen = cfg!(any(windows, target_os = "macos"))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if has_screen { open(address) } else { None }
}

/// What its file is called: with something random between them.
#[cfg(unix)]
const NAME: (&str, &str) = ("neon-mcp-sign-in-", ".html");

/// The longest that a sign-in waits for a person: a file that is older was left behind.
#[cfg(unix)]
const LONGEST: Duration = Duration::from_secs(3_600);

/// How long a program that opens things has to say that it can't.
#[cfg(unix)]
const HAS: Duration = Duration::from_millis(500);

/// The file is put into the home directory itself: browsers in a confinement of their own, as Ubuntu's Firefox, read neither temporary
/// nor hidden folders, such as the state directory is in.
#[cfg(unix)]
fn open(address: &str) -> Option<Opened> {
    use std::io::Write as _;
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    let folder = home.filter(|home| home.is_absolute() && home.is_dir());
    let folder = folder.unwrap_or_else(std::env::temp_dir);
    remove_old(&folder);
    let (before, after) = NAME;
    let mut file = tempfile::Builder::new()
        .prefix(before)
        .suffix(after)
        .tempfile_in(folder)
        .ok()?;
    file.write_all(written(address).as_bytes()).ok()?;
    file.flush().ok()?;
    open::commands(file.path()).into_iter().any(opens).then_some(())?;
    Some(Opened { _file: file })
}

/// Removes files of sign-ins that were killed: regular files of this user alone that are older than any sign-in that still waits.
#[cfg(unix)]
fn remove_old(folder: &std::path::Path) {
    use std::os::unix::fs::MetadataExt as _;
    let (before, after) = NAME;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_named = name
            .to_str()
            .is_some_and(|name| name.starts_with(before) && name.ends_with(after));
        let is_left = |metadata: std::fs::Metadata| {
            let is_old = metadata
                .modified()
                .ok()
                .and_then(|time| time.elapsed().ok())
                .is_some_and(|age| age > LONGEST);
            metadata.is_file() && leftover::is_ours(&metadata) && metadata.mode() & 0o777 == 0o600 && is_old
        };
        if is_named && entry.metadata().is_ok_and(is_left) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a program opens it. It gets all that a browser may need, and nothing that is for us or for PostgreSQL's clients, as keys are.
#[cfg(unix)]
fn opens(mut command: std::process::Command) -> bool {
    use std::os::unix::process::CommandExt as _;
    use std::process::Stdio;
    let is_ours = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("NEON_") || name.starts_with("PG")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    // What lies in the folder in which we run is nothing to it.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0);
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let began = Instant::now();
    while began.elapsed() < HAS {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => return true,
        }
    }
    std::thread::spawn(move || child.wait());
    true
}

/// Other users don't read the arguments of programs here.
#[cfg(not(unix))]
fn open(address: &str) -> Option<Opened> {
    open::that_detached(address).ok()?;
    Some(Opened {})
}

/// A page that leads on at once.
#[cfg(unix)]
fn written(address: &str) -> String {
    use maud::{DOCTYPE, html};
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="referrer" content="no-referrer";
                meta http-equiv="refresh" content={ "0;url=" (address) };
                title { "Signing in to Neon" }
            }
            body { p { a href=(address) { "Sign in to Neon" } } }
        }
    }
    .into_string()
}
