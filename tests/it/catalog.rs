//! The declarations: lints, the format's schema, budgets, order.

use neon_mcp::catalog::{Catalog, Selection, SelectionOptions, format_schema, lint, sources, synonym_problems};
use neon_mcp::guard::Policy;
use neon_mcp::server::{published, published_bytes, tools_reference, toolset_table};

#[test]
fn every_declaration_passes_the_lints() {
    let problems = lint(&sources());
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn people_have_words_for_every_tool() {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let problems = synonym_problems(&catalog);
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
        // What people say is checked by itself.
        if ["schema.json", "drift.json", "synonyms.json"].contains(&name.as_str()) {
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

fn everything() -> Selection {
    let options = SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    };
    let catalog = Catalog::embedded().expect("the catalogue loads");
    Selection::new(catalog, &options, &Policy::default()).expect("a selection")
}

#[test]
fn all_164_live_operations_are_tools_within_160_000_bytes() {
    let selection = everything();
    let operations: std::collections::BTreeSet<&str> = selection
        .tools()
        .iter()
        .flat_map(|selected| selected.tool.declaration.operation.iter())
        .collect();
    assert_eq!(operations.len(), 164);
    let bytes = published_bytes(&published(&selection));
    assert!(bytes <= 160_000, "{bytes} bytes");
}

#[test]
fn the_references_are_those_of_the_catalogue() {
    let selection = everything();
    let written = include_str!("../../docs/tools.md");
    assert!(
        written.trim_end() == tools_reference(&selection).trim_end(),
        "run `cargo run -- tools --toolsets all --reference > docs/tools.md`"
    );
    let page = include_str!("../../docs/toolsets.md");
    let table = page
        .split("<!-- toolsets -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- /toolsets -->").next());
    assert_eq!(
        table.expect("a table").trim(),
        toolset_table(&selection).trim(),
        "put this into docs/toolsets.md"
    );
}
