//! The files that a release is made of are what the project says, and fit what reads them.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

use serde_json::Value;
use xtask::release::{Project, TARGETS, files, stale};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn json(path: &str) -> Value {
    let files = files(root()).expect("files");
    serde_json::from_str(files.get(path).expect(path)).expect("JSON")
}

#[test]
fn release_files_are_up_to_date() {
    let stale = stale(root()).expect("files");
    assert!(stale.is_empty(), "run `cargo xtask release-files`: {stale:?}");
}

#[test]
fn npm_package_names_each_binary_at_its_own_version() {
    let project = Project::read(root()).expect("a project");
    let package = json("packaging/npm/neon-mcp/package.json");
    assert_eq!(package["mcpName"], project.registry_name());
    let binaries = package["optionalDependencies"].as_object().expect("binaries");
    assert_eq!(binaries.len(), TARGETS.len());
    for target in TARGETS {
        assert_eq!(binaries[&target.npm()], project.version);
        let binary = json(&format!("packaging/npm/{}/package.json", target.npm()));
        assert_eq!(binary["version"], project.version);
        assert_eq!(binary["os"][0], target.os);
        // What runs at an install could download anything.
        assert_eq!(binary.get("scripts"), None);
    }
    assert_eq!(package.get("scripts"), None);
}

#[test]
fn key_is_sensitive_in_each_manifest_and_stands_in_none() {
    let mcpb = json("packaging/mcpb/manifest.json");
    assert_eq!(mcpb["user_config"]["api_key"]["sensitive"], true);
    let gemini = json("plugin/gemini-extension.json");
    assert_eq!(gemini["settings"][0]["sensitive"], true);
    for (path, text) in files(root()).expect("files") {
        // What a key of Neon's begins with; the catalogue shows an example of one.
        assert!(!text.replace("napi_YOUR_KEY", "").contains("napi_"), "{path}");
    }
}

#[test]
fn image_is_nobodys_and_has_the_label_of_the_registry() {
    let project = Project::read(root()).expect("a project");
    let config = json("packaging/oci/config.json");
    assert_ne!(config["User"].as_str().expect("a user").split(':').next(), Some("0"));
    assert_eq!(
        config["Labels"]["io.modelcontextprotocol.server.name"],
        project.registry_name()
    );
    let files = files(root()).expect("files");
    let dockerfile = &files["packaging/oci/Dockerfile"];
    for (name, value) in config["Labels"].as_object().expect("labels") {
        assert!(dockerfile.contains(&format!("{name}={value}")), "{name}");
    }
    assert!(dockerfile.contains("FROM scratch"));
}

#[test]
fn workflow_is_yaml_and_builds_each_system() {
    let files = files(root()).expect("files");
    let text = &files[".github/workflows/release.yml"];
    let workflow: Value = yaml_serde::from_str(text).expect("YAML");
    let systems = workflow["jobs"]["build"]["strategy"]["matrix"]["include"]
        .as_array()
        .expect("systems");
    let built: Vec<&str> = systems.iter().filter_map(|system| system["target"].as_str()).collect();
    assert_eq!(built, TARGETS.map(|target| target.rust));
    assert!(
        !text.contains('@') || !text.contains("@SYSTEMS@"),
        "a place was not filled in"
    );
    let catalogue: Value = yaml_serde::from_str(&files["packaging/docker-mcp/server.yaml"]).expect("YAML");
    assert_eq!(catalogue["config"]["secrets"][0]["env"], "NEON_API_KEY");
}

#[test]
fn stale_files_are_named() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::copy(root().join("Cargo.toml"), place.path().join("Cargo.toml")).expect("a copy");
    let all = files(root()).expect("files");
    assert_eq!(stale(place.path()).expect("files").len(), all.len());
    xtask::release::write(place.path()).expect("files");
    assert!(stale(place.path()).expect("files").is_empty());
    std::fs::write(place.path().join("server.json"), "{}").expect("a file");
    assert_eq!(stale(place.path()).expect("files"), ["server.json"]);
}

#[test]
fn readme_has_the_buttons_and_no_secret_in_them() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    for (what, link) in xtask::release::buttons() {
        assert!(
            readme.contains(&format!("({link})")),
            "{what}: put this into README.md: {link}"
        );
        // What a client fills in, by its own means.
        let decoded = percent_encoding::percent_decode_str(&link)
            .decode_utf8()
            .expect("text")
            .into_owned();
        assert!(!decoded.contains("napi_"), "{decoded}");
    }
}

/// What a reader can type, by what must be published for it.
const PUBLISHED: [&str; 3] = ["npx ", "cargo binstall", "docker run"];

#[test]
fn readme_says_what_waits_for_the_first_release() {
    let project = Project::read(root()).expect("a project");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let says = "These wait for the first release, and fail until then";
    assert_eq!(
        readme.contains(says),
        !project.released,
        "README.md and `released` in Cargo.toml disagree"
    );
    assert_eq!(readme.contains("Nothing is released yet"), !project.released);
    let works_today = format!("git clone {}", project.repository);
    assert!(readme.contains(&works_today), "{works_today}");
    if project.released {
        return;
    }
    let (before, waits) = readme.split_once(says).expect("a part");
    let after = waits.split_once("\n## ").map(|(_, after)| after).expect("a next part");
    for text in [before, after] {
        for word in PUBLISHED {
            assert!(!text.contains(word), "{word}");
        }
        for (what, link) in xtask::release::buttons() {
            assert!(!text.contains(&link), "{what}");
        }
    }
}

#[test]
fn no_line_that_is_to_be_typed_puts_a_secret_into_a_file() {
    for page in [
        "README.md",
        "docs/clients.md",
        "docs/http.md",
        "docs/signing-in.md",
        "docs/troubleshooting.md",
    ] {
        let text = std::fs::read_to_string(root().join(page)).expect(page);
        for line in text.lines().filter(|line| line.contains("mcp add")) {
            let expands = line.split('\'').step_by(2).any(|outside| outside.contains('$'));
            assert!(
                !expands,
                "{page}: a shell writes the secret itself into the client's file: {line}"
            );
        }
    }
}

/// Where there is no node, packaging is somebody else's work: `packaging/run` says that it needs it.
#[test]
fn server_json_with_bundles_fits_the_schema_of_the_registry() {
    let place = tempfile::tempdir().expect("a directory");
    let bundle = "neon-mcp-v0.1.0-linux-x64.mcpb";
    std::fs::write(place.path().join(bundle), "a bundle").expect("a file");
    let url = "https://github.com/neon-mcp/neon-mcp/releases/download/v0.1.0";
    let run = std::process::Command::new("node")
        .arg(root().join("packaging/mcpb/register"))
        .arg(place.path())
        .arg(url)
        .output();
    let Ok(run) = run else { return };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let server: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let schema =
        std::fs::read_to_string(root().join("tests/registry/server.schema.2025-12-11.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let problems: Vec<String> = validator.iter_errors(&server).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let added = server["packages"]
        .as_array()
        .expect("packages")
        .last()
        .expect("a package");
    assert_eq!(added["identifier"], format!("{url}/{bundle}"));
    let sum = "cd98c950d629c66548537b4ecd68dab3e8cf59974ba6e40df5a1a7354b39db5f";
    assert_eq!(added["fileSha256"], sum);
}
