//! A second installation: what an entry of ours has stays, and a bound goes with a word alone.

use serde_json::{Value, json};

use super::{Home, client, read};

fn entry(home: &Home, name: &str) -> Value {
    let text = read(&home.file(client("cursor")));
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all["mcpServers"][name].clone()
}

fn arguments(home: &Home, name: &str) -> Vec<String> {
    let all = entry(home, name)["args"].as_array().expect("arguments").clone();
    all.iter()
        .map(|word| word.as_str().expect("a word").to_owned())
        .collect()
}

const BOUNDED: [&str; 6] = [
    "--read-only",
    "--project-id",
    "quiet-sun-12345678",
    "--toolsets",
    "branches,sql",
    "--discovery",
];

#[test]
fn settings_that_are_not_given_stay() {
    let home = Home::new();
    let install = |more: &[&str]| home.run(&[&["install", "cursor", "--yes"], more].concat());
    assert_eq!(install(&BOUNDED).code, 0);
    let bounded = arguments(&home, "neon");
    let again = install(&[]);
    assert_eq!((again.code, arguments(&home, "neon")), (0, bounded), "{}", again.all());
    assert!(!again.all().contains("a bound is lifted"), "{}", again.all());
    assert_eq!(install(&["--branch", "main"]).code, 0);
    let kept = arguments(&home, "neon");
    for word in BOUNDED.into_iter().chain(["--branch", "main"]) {
        assert!(kept.iter().any(|one| one == word), "{word}: {kept:?}");
    }
    // One goes by its opposite, which is told.
    let ran = install(&["--read-only=false"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("a bound is lifted: --read-only"), "{}", ran.all());
    let kept = arguments(&home, "neon");
    assert!(
        !kept.contains(&"--read-only".to_owned()) && kept.contains(&"--project-id".to_owned()),
        "{kept:?}"
    );
    // All of them by --replace, each with a word.
    let ran = install(&["--replace"]);
    assert_eq!((ran.code, arguments(&home, "neon")), (0, Vec::new()), "{}", ran.all());
    for bound in ["--project-id", "--toolsets", "--branch"] {
        assert!(
            ran.stdout.contains(&format!("a bound is lifted: {bound}")),
            "{bound}: {}",
            ran.all()
        );
    }
}

#[test]
fn bounded_entry_becomes_an_address_by_replace_alone() {
    let home = Home::new();
    assert_eq!(home.run(&["install", "cursor", "--yes", "--read-only"]).code, 0);
    let url = ["install", "cursor", "--yes", "--url", "http://127.0.0.1:7373/mcp"];
    let ran = home.run(&url);
    assert_eq!(
        (ran.code, arguments(&home, "neon")),
        (1, vec!["--read-only".to_owned()]),
        "{}",
        ran.all()
    );
    assert!(ran.stdout.contains("--replace"), "{}", ran.all());
    let ran = home.run(&[&url[..], &["--replace"]].concat());
    assert_eq!(
        (ran.code, &entry(&home, "neon")["url"]),
        (0, &json!("http://127.0.0.1:7373/mcp")),
        "{}",
        ran.all()
    );
    // Which variable the token is taken from is said, once.
    assert_eq!(
        ran.stdout.matches("NEON_HTTP_TOKEN must hold").count(),
        1,
        "{}",
        ran.stdout
    );
}

#[test]
fn entry_that_is_started_otherwise_is_left_alone() {
    let home = Home::new();
    let own = json!({"mcpServers": {"neon": {"command": "neon-mcp", "args": ["--new-setting", "x"]}}}).to_string();
    let path = home.put(client("cursor"), &own);
    let ran = home.run(&["install", "cursor", "--yes"]);
    assert_eq!((ran.code, read(&path)), (1, own), "{}", ran.all());
    assert!(
        ran.stdout.contains("--new-setting") && ran.stdout.contains("--replace"),
        "{}",
        ran.all()
    );
}

#[test]
fn sandbox_stands_beside_the_account_and_uninstall_names_what_remains() {
    let home = Home::new();
    assert_eq!(home.run(&["install", "cursor", "--yes", "--read-only"]).code, 0);
    let ran = home.run(&["install", "cursor", "--yes", "--sandbox"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(arguments(&home, "neon"), ["--read-only"]);
    assert_eq!(arguments(&home, "neon-sandbox"), ["--sandbox"]);
    // A file that can't be read may hold it, too: that is said, and the others go on.
    home.put(client("windsurf"), "{ cut off");
    let ran = home.run(&["uninstall", "--yes"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("Windsurf"), "{}", ran.all());
    assert!(
        ran.stdout.contains("neon-mcp uninstall cursor --name neon-sandbox"),
        "{}",
        ran.all()
    );
    let ran = home.run(&["uninstall", "cursor", "--yes", "--name", "neon-sandbox"]);
    assert_eq!(
        (ran.code, read(&home.file(client("cursor")))),
        (0, "{}\n".to_owned()),
        "{}",
        ran.all()
    );
}

#[test]
fn diff_shows_what_is_no_secret_and_tabulators() {
    let home = Home::new();
    home.put(
        client("cursor"),
        "{\n\t\"mcpServers\": {\n\t\t\"mine\": {\"command\": \"x\"}\n\t}\n}\n",
    );
    let ran = home.run(&["install", "cursor", "--dry-run"]);
    assert!(
        ran.stdout.contains("\t\t\"neon\"") && !ran.stdout.contains("\\t"),
        "{}",
        ran.stdout
    );
    let ran = home.run(&["install", "vscode", "--dry-run"]);
    assert!(ran.stdout.contains("\"password\": true"), "{}", ran.stdout);
}
