//! What registries and readers are told of the program: it fits the program.

use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn server() -> Value {
    json(include_str!("../../server.json"))
}

fn problems(server: &Value) -> Vec<String> {
    let schema = json(include_str!("../registry/server.schema.2025-12-11.json"));
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    validator.iter_errors(server).map(|error| error.to_string()).collect()
}

#[test]
fn server_json_fits_the_schema_of_the_registry() {
    let server = server();
    assert_eq!(problems(&server), [""; 0]);
    let schema = json(include_str!("../registry/server.schema.2025-12-11.json"));
    assert_eq!(server["$schema"], schema["$id"]);
    for (pointer, wrong) in [
        ("/version", Value::Null),
        ("/name", "neon-mcp".into()),
        ("/description", "x".repeat(101).into()),
        ("/packages/0/version", "latest".into()),
        ("/packages/0/transport", serde_json::json!({"type": "pipe"})),
        ("/packages/0/environmentVariables/0/name", Value::Null),
    ] {
        let mut broken = server.clone();
        *broken.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!problems(&broken).is_empty(), "{pointer}");
    }
}

#[test]
fn server_json_is_about_this_package() {
    let server = server();
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    let readme = include_str!("../../README.md");
    let settings = include_str!("../../docs/settings.md");
    // So the registry knows that who publishes the one owns the other.
    let line = format!("mcp-name: {}", server["name"].as_str().expect("a name"));
    assert!(readme.lines().any(|said| said == line), "{line}");
    let image = env!("CARGO_PKG_REPOSITORY").replace("https://github.com", "ghcr.io");
    let packages = server["packages"].as_array().expect("packages");
    let known = [
        ("npm", env!("CARGO_PKG_NAME").to_owned()),
        ("oci", format!("{image}:{}", env!("CARGO_PKG_VERSION"))),
    ];
    assert_eq!(packages.len(), known.len());
    for (package, (registry, identifier)) in packages.iter().zip(known) {
        assert_eq!(package["registryType"], registry);
        assert_eq!(package["identifier"], identifier);
        // The tag of an image is its version.
        if registry != "oci" {
            assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
        }
        for variable in package["environmentVariables"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            assert!(settings.contains(&format!("`{name}`")), "no page knows {name}");
        }
    }
}

/// `https://github.com/OWNER/NAME`, as the registry wants it of who publishes as `io.github.OWNER/NAME`.
#[test]
fn place_of_the_project_is_one_constant() {
    let place = env!("CARGO_PKG_REPOSITORY");
    let path = place.strip_prefix("https://github.com/").expect(place);
    assert_eq!(path.split('/').count(), 2, "{place}");
    let server = server();
    assert_eq!(env!("CARGO_PKG_HOMEPAGE"), place);
    assert_eq!(server["websiteUrl"], place);
    assert_eq!(server["repository"]["url"], place);
    assert_eq!(server["name"], format!("io.github.{path}"));
    // A crate or page that nobody has published is no place.
    let sources = [
        include_str!("../../server.json"),
        include_str!("../../src/server/handler.rs"),
    ];
    assert!(sources.iter().all(|text| !text.contains("crates.io/crates/")));
}

#[test]
fn changelog_tells_of_this_version() {
    let text = include_str!("../../CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    let released = text
        .lines()
        .any(|line| line.starts_with(&format!("## [{version}] - 20")));
    let unreleased = text.contains("## [Unreleased]") && !text.contains("\n## [0") && text.contains(version);
    assert!(released || unreleased, "no section for {version}");
}
