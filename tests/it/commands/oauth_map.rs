//! `neon-mcp oauth-map check`: what a map gives whom, as its operator asks before a server reads it.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ran, run};

const MAP: &str = "default = \"deny\"\n\
    [[subject]]\nsub = \"ada\"\napi_key_file = \"ada.key\"\n\
    [[group]]\nname = \"readers\"\nscopes = [\"neon:read\"]\npolicy = \"narrow.toml\"\ncalls_per_minute = 30\n\
    [[group]]\nname = \"dba\"\ngrant_scopes = [\"neon:read\", \"neon:destructive\"]\n\
    [[group]]\nname = \"blind\"\nscopes = [\"neon:write\"]\n";

/// A folder with a map, and what it names.
fn mapped(map: &str) -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let map = format!("{map}# end\n");
    for (name, text) in [
        ("map.toml", map.as_str()),
        ("narrow.toml", "read_only = true\n# end\n"),
        ("ada.key", "napi_canary_of_ada_0123456789"),
    ] {
        std::fs::write(place.path().join(name), text).expect("written");
    }
    place
}

async fn check(place: &TempDir, more: &[&str]) -> Ran {
    let path = place.path().join("map.toml");
    let path = path.to_str().expect("a path");
    run(&[&["oauth-map", "check", path], more].concat()).await
}

#[tokio::test]
async fn map_is_told_whole_for_people_and_for_programs() {
    let place = mapped(MAP);
    let ran = check(&place, &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    for part in [
        "ada",
        "ada.key",
        "readers",
        "narrow.toml",
        "30",
        "dba",
        "neon:destructive",
        "deny",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.all().contains("canary"), "{}", ran.all());
    let ran = check(&place, &["--json"]).await;
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["default"], "deny");
    assert_eq!(told["entries"].as_array().expect("a list").len(), 4);
    assert_eq!(
        told["entries"][1],
        json!({"kind": "group", "name": "readers", "scopes": ["neon:read"], "granted": [], "policy": "narrow.toml",
            "api_key_file": null, "profile": null, "calls_per_minute": 30})
    );
    assert_eq!(told["entries"][2]["granted"], json!(["neon:read", "neon:destructive"]));
}

#[tokio::test]
async fn caller_gets_what_a_server_would_give_it() {
    let place = mapped(MAP);
    for (caller, by, is_served) in [
        (&["--as-subject", "ada", "--as-group", "dba"][..], "ada", true),
        (
            &["--as-subject", "eve", "--as-group", "dba", "--as-group", "readers"],
            "readers",
            true,
        ),
        (&["--as-group", "dba"], "dba", true),
        (&["--as-subject", "eve", "--as-group", "blind"], "blind", false),
        (&["--as-subject", "eve"], "", false),
        (&["--as-subject", "dba"], "", false),
    ] {
        let ran = check(&place, caller).await;
        assert_eq!(ran.code == 0, is_served, "{caller:?}: {}", ran.all());
        assert!(ran.stdout.contains(by), "{caller:?}: {}", ran.stdout);
        let ran = check(&place, &[caller, &["--json"]].concat()).await;
        assert_eq!(ran.code == 0, is_served, "{caller:?}: {}", ran.all());
        let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(told["name"].as_str().unwrap_or_default(), by, "{told}");
        assert_eq!(told["served"], is_served, "{told}");
    }
    let place = mapped("default = \"allow\"\n");
    assert_eq!(check(&place, &["--as-subject", "eve"]).await.code, 0);
}

#[tokio::test]
async fn map_that_no_server_would_start_with_is_told_why() {
    for (map, why) in [
        ("default = \"perhaps\"\n".to_owned(), "line 1"),
        (MAP.replacen("default = \"deny\"\n", "", 1), "default"),
        (
            format!("{MAP}# end\n[[group]]\nname = \"late\"\nscopes = []\n# no end\n#"),
            "# end",
        ),
        (format!("{MAP}[[subject]]\nsub = \"ada\"\n"), "ada"),
        (MAP.replace("narrow.toml", "nowhere.toml"), "nowhere.toml"),
        (MAP.replace("ada.key", "narrow.toml"), "ada"),
        (format!("{MAP}profile = \"a\"\napi_key_file = \"ada.key\"\n"), "blind"),
    ] {
        let ran = check(&mapped(&map), &[]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{map}: {}", ran.all());
        assert!(
            ran.stderr.contains("map.toml") && ran.stderr.contains(why),
            "{why}: {}",
            ran.stderr
        );
    }
    let ran = run(&["oauth-map", "check", "/nowhere/map.toml"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
}
