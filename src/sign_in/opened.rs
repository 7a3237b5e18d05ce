//! Opening the page in the person's browser, where this machine has a screen.
//!
//! Whoever is on the machine reads the arguments of programs. With the page's address another user could sign in in the person's
//! place, as somebody else: so a browser is given a file that its user alone can read.

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

#[cfg(unix)]
fn open(address: &str) -> Option<Opened> {
    use std::io::Write as _;
    // Browsers in a confinement of their own read neither temporary nor hidden folders.
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    let folder = home.filter(|home| home.is_absolute() && home.is_dir());
    let mut file = tempfile::Builder::new()
        .prefix("neon-mcp-sign-in-")
        .suffix(".html")
        .tempfile_in(folder.unwrap_or_else(std::env::temp_dir))
        .ok()?;
    file.write_all(written(address).as_bytes()).ok()?;
    file.flush().ok()?;
    open::that_detached(file.path()).ok()?;
    Some(Opened { _file: file })
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
