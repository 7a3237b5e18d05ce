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

/// Builds an image of one layer with one file, as `packaging/oci/unpack` takes it.
const IMAGE: &str = r#"
import hashlib, io, json, sys, tarfile
name, archive = sys.argv[1:]
def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as content:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            content.addfile(entry, io.BytesIO(data))
    return out.getvalue()
files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    files["blobs/sha256/" + digest] = data
    return {"digest": "sha256:" + digest, "size": len(data)}
layer = blob(tar({name: b"text"}))
config = blob(json.dumps({"config": {}, "rootfs": {"diff_ids": [layer["digest"]]}}).encode())
manifest = blob(json.dumps({"config": config, "layers": [layer]}).encode())
files["index.json"] = json.dumps({"manifests": [manifest]}).encode()
open(archive, "wb").write(tar(files))
"#;

#[cfg(unix)]
#[test]
fn layer_of_an_image_that_leads_out_of_its_folder_is_refused() {
    use std::process::Command;
    let place = tempfile::tempdir().expect("a directory");
    let (archive, outside) = (place.path().join("image.tar"), place.path().join("outside"));
    for (name, is_right) in [
        ("inside", true),
        (outside.to_str().expect("a path"), false),
        ("../outside", false),
    ] {
        let made = Command::new("python3").args(["-c", IMAGE, name]).arg(&archive).status();
        assert!(made.expect("python3 runs").success(), "{name}");
        let root = place.path().join("root");
        std::fs::create_dir_all(&root).expect("made");
        let unpack = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/oci/unpack");
        let ran = Command::new("python3").arg(unpack).args([&archive, &root]).output();
        assert_eq!(ran.expect("runs").status.success(), is_right, "{name}");
        assert!(!outside.exists(), "{name}");
    }
}

/// The launcher of npm's package takes the binary beside it, and none from a folder above.
#[cfg(unix)]
#[test]
fn launcher_runs_no_binary_of_a_folder_above() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    if Command::new("node").arg("--version").output().is_err() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let launcher = place.path().join("a/b/node_modules/neon-mcp/bin/neon-mcp.js");
    std::fs::create_dir_all(launcher.parent().expect("a folder")).expect("made");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/npm/neon-mcp/bin/neon-mcp.js");
    std::fs::copy(own, &launcher).expect("copied");
    let system = Command::new("node")
        .args(["-p", "`${process.platform}-${process.arch}`"])
        .output()
        .expect("runs");
    let package = format!("neon-mcp-{}/bin", String::from_utf8_lossy(&system.stdout).trim());
    for (folder, runs) in [
        ("node_modules", false),
        ("a/node_modules", false),
        ("a/b/node_modules", true),
        ("a/b/node_modules/neon-mcp/node_modules", true),
    ] {
        let folder = place.path().join(folder).join(&package);
        std::fs::create_dir_all(&folder).expect("made");
        let binary = folder.join("neon-mcp");
        std::fs::write(&binary, "#!/bin/sh\necho it runs\n").expect("written");
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).expect("set");
        let ran = Command::new("node").arg(&launcher).output().expect("runs");
        assert_eq!(
            String::from_utf8_lossy(&ran.stdout).contains("it runs"),
            runs,
            "{}",
            folder.display()
        );
        std::fs::remove_file(&binary).expect("removed");
    }
}
