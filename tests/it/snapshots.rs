//! What clients are given, word by word: a change of it is looked at before it lands.
//!
//! `INSTA_UPDATE=always cargo test --test it snapshots` accepts what there is now.

use std::fmt::Write as _;

use neon_mcp::catalog::{Catalog, Selection, SelectionOptions};
use neon_mcp::guard::Policy;
use neon_mcp::neon::{OrganizationId, ProjectId};
use neon_mcp::server::{published, published_bytes};

fn selection(options: &SelectionOptions) -> Selection {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    Selection::new(catalog, options, &Policy::default()).expect("a selection")
}

fn all() -> SelectionOptions {
    SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    }
}

fn for_one_project(options: SelectionOptions) -> SelectionOptions {
    SelectionOptions {
        project_id: Some(ProjectId::parse("quiet-sun-12345678").expect("an id")),
        ..options
    }
}

fn read_only(options: SelectionOptions) -> SelectionOptions {
    SelectionOptions {
        read_only: true,
        ..options
    }
}

fn discovery(options: SelectionOptions) -> SelectionOptions {
    SelectionOptions {
        discovery: true,
        ..options
    }
}

#[test]
fn every_published_tool() {
    let tools = published(&selection(&all()));
    let mut names = String::new();
    for tool in &tools {
        let _ = writeln!(names, "{}", tool.name);
        // A file for each, so that a change of one tool is a change of one file.
        insta::with_settings!({ snapshot_path => "snapshots/tools", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(tool.name.as_ref(), serde_json::to_string_pretty(tool).expect("JSON"));
        });
    }
    // Their order is published too.
    insta::assert_snapshot!(names);
}

#[test]
fn snapshot_without_a_tool_is_rejected() {
    let tools = published(&selection(&all()));
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/snapshots/tools")).expect("the snapshots");
    for file in files {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        if let Some(name) = name.strip_suffix(".snap") {
            assert!(
                tools.iter().any(|tool| tool.name == name),
                "no tool has the snapshot {name}"
            );
        }
    }
}

#[test]
fn the_list_in_discovery_mode() {
    let tools = published(&selection(&discovery(SelectionOptions::default())));
    insta::assert_snapshot!(serde_json::to_string_pretty(&tools).expect("JSON"));
}

#[test]
fn each_mode_of_the_list() {
    let organization = OrganizationId::parse("org-quiet-sun-12345678").expect("an id");
    let modes = [
        ("default", SelectionOptions::default()),
        ("default, read-only", read_only(SelectionOptions::default())),
        ("default, one project", for_one_project(SelectionOptions::default())),
        (
            "default, one project, read-only",
            read_only(for_one_project(SelectionOptions::default())),
        ),
        ("all", all()),
        ("all, read-only", read_only(all())),
        ("all, one project", for_one_project(all())),
        (
            "all, one organization",
            SelectionOptions {
                organization_id: Some(organization),
                ..all()
            },
        ),
        ("discovery", discovery(SelectionOptions::default())),
        (
            "discovery, read-only",
            discovery(read_only(SelectionOptions::default())),
        ),
        (
            "discovery, one project",
            discovery(for_one_project(SelectionOptions::default())),
        ),
    ];
    let mut text = String::new();
    for (mode, options) in modes {
        let tools = published(&selection(&options));
        let _ = writeln!(text, "{mode}: {} tools, {} bytes", tools.len(), published_bytes(&tools));
        for tool in &tools {
            let arguments = tool
                .input_schema
                .get("properties")
                .and_then(serde_json::Value::as_object);
            let arguments: Vec<&str> = arguments.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let _ = writeln!(text, "  {} ({})", tool.name, arguments.join(", "));
        }
    }
    insta::assert_snapshot!(text);
}
