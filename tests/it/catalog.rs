//! The declarations: lints, the format's schema, budgets, order.

use neon_mcp::catalog::{Catalog, Selection, SelectionOptions, format_schema, lint, sources};
use neon_mcp::guard::Policy;
use neon_mcp::server::{published, published_bytes};

#[test]
fn every_declaration_passes_the_lints() {
    let problems = lint(&sources());
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_schema_of_the_files_is_the_one_of_the_types() {
    let written: serde_json::Value =
        serde_json::from_str(include_str!("../../tools/schema.json")).expect("tools/schema.json is JSON");
    assert_eq!(
        written,
        format_schema(),
        "run `cargo run -- tools --format-schema > tools/schema.json`"
    );
}

#[test]
fn every_file_is_embedded_and_fits_the_schema() {
    let validator = jsonschema::draft202012::new(&format_schema()).expect("a schema");
    let embedded = sources();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tools")).expect("tools") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name == "schema.json" {
            continue;
        }
        let (_, text) = embedded
            .iter()
            .find(|(file, _)| *file == name)
            .unwrap_or_else(|| panic!("{name} is not embedded"));
        if name != "common.json" {
            let value = serde_json::from_str(text).expect("JSON");
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }
}

#[test]
fn the_default_list_is_at_most_40_tools_and_28_000_bytes() {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let selection = Selection::new(catalog, &SelectionOptions::default(), &Policy::default()).expect("a selection");
    let tools = published(&selection);
    let bytes = published_bytes(&tools);
    assert!(tools.len() <= 40, "{} tools", tools.len());
    assert!(bytes <= 28_000, "{bytes} bytes");
}
