//! docs/errors.md is what the kinds of errors say.

#[test]
fn page_of_errors_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
    let made = neon_mcp::engine::errors_reference();
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/errors.md is out of date: run `cargo xtask errors > docs/errors.md`"
    );
}
