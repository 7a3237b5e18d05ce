//! The page that the browser ends on.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// How it looks: the policy of the page allows this text as its style, and nothing else.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:18px/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto 0;padding:0 1.25rem;overflow-wrap:anywhere}\
h1{font-size:1.6rem;line-height:1.25}";

/// What the browser may do with it: show it.
pub(super) static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// What a person reads in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// It came about.
    Kept,
    /// The terminal asks whether it is the right account.
    Asked,
    /// This wasn't the answer that is waited for: it still is.
    Stray,
    /// It didn't come about, and why.
    Failed(&'a str),
}

/// The page that says so.
pub(super) fn written(told: Told<'_>) -> String {
    let (title, text) = match told {
        Told::Kept => (
            "You are signed in to Neon",
            "neon-mcp has what it needs. You can close this page and go back to where you came from.",
        ),
        Told::Asked => (
            "Go back to the terminal",
            "It says as whom you signed in, and asks whether to keep that. You can close this page.",
        ),
        Told::Stray => (
            "This isn't the answer to the sign-in",
            "Nothing was done with it; the sign-in that was begun still waits. You can close this page.",
        ),
        Told::Failed(why) => ("The sign-in didn't work", why),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p { (text) }
                    @if let Told::Failed(_) = told {
                        p { "Nothing was kept. Close this page and begin again: " code { "neon-mcp login" } "." }
                    }
                }
            }
        }
    }
    .into_string()
}
