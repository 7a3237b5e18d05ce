//! docs/clients.md and docs/settings.md are what the table of clients and the parser say.

#![allow(clippy::expect_used)]

fn kept(name: &str) -> String {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn page_of_clients_is_up_to_date() {
    let made = neon_mcp::clients::clients_reference().expect("a page");
    assert!(
        kept("clients.md") == made,
        "docs/clients.md is out of date: run `cargo xtask clients > docs/clients.md`"
    );
}

#[test]
fn page_of_settings_is_up_to_date() {
    assert!(
        kept("settings.md") == neon_mcp::cli::settings_reference(),
        "docs/settings.md is out of date: run `cargo xtask settings > docs/settings.md`"
    );
}
