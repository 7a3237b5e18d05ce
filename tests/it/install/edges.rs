//! Who has the name already, who is asked, where links lead, what isn't taken.

use serde_json::{Value, json};

use super::{CLIENTS, Home, client, read};
use crate::support::terminal::AtTerminal;

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn clients_that_are_there_are_found_and_no_others() {
    let home = Home::new();
    let ran = home.run(&["install", "--yes"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    for client in &CLIENTS {
        assert!(ran.stderr.contains(client.id), "{}: {}", client.id, ran.stderr);
    }
    for folder in [".cursor", ".config/zed"] {
        std::fs::create_dir_all(home.path().join(folder)).expect("made");
    }
    assert_eq!(home.run(&["install", "--yes"]).code, 0);
    for client in &CLIENTS {
        let expected = ["cursor", "zed"].contains(&client.id);
        assert_eq!(home.file(client).exists(), expected, "{}", client.id);
    }
    let ran = home.run(&["uninstall", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(value(&read(&home.file(client("zed")))), json!({}));
    let again = home.run(&["uninstall", "--yes"]);
    assert_eq!(again.code, 0, "{}", again.all());
}

#[test]
fn files_stay_as_they_are_without_an_approval() {
    let home = Home::new();
    let path = home.file(client("cursor"));
    for (arguments, code) in [
        (&["install", "cursor"][..], 2),
        (&["install", "cursor", "--dry-run"], 0),
        (&["install", "cursor", "--print"], 0),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.all());
        assert!(ran.stdout.contains("mcpServers"), "{arguments:?}: {}", ran.stdout);
        assert!(!path.exists(), "{arguments:?}");
    }
    for (typed, code) in [("no", 2), ("", 2), ("yes", 0)] {
        let mut terminal = AtTerminal::start(home.command(&["install", "cursor"]));
        terminal.wait_for("yes or no", 1);
        terminal.type_line(typed);
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, code, "{typed}: {screen}");
        assert_eq!(path.exists(), code == 0, "{typed}");
    }
}

#[test]
fn file_that_changes_while_it_is_asked_about_stays_as_the_other_wrote_it() {
    let other = json!({"mcpServers": {"another": {"command": "x"}}}).to_string();
    type Meanwhile = fn(&std::path::Path, &str);
    let changes: [(Option<&str>, Meanwhile); 4] = [
        // It is made, changed, taken away, and replaced by a link.
        (None, |path, other| {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, other).expect("written");
        }),
        (Some("{}"), |path, other| std::fs::write(path, other).expect("written")),
        (Some("{}"), |path, _| std::fs::remove_file(path).expect("removed")),
        (Some("{}"), |path, other| {
            let elsewhere = path.with_file_name("elsewhere.json");
            std::fs::write(&elsewhere, other).expect("written");
            std::fs::remove_file(path).expect("removed");
            std::os::unix::fs::symlink(&elsewhere, path).expect("linked");
        }),
    ];
    for (at, (text, change)) in changes.into_iter().enumerate() {
        let home = Home::new();
        let path = home.file(client("cursor"));
        if let Some(text) = text {
            home.put(client("cursor"), text);
        }
        let mut terminal = AtTerminal::start(home.command(&["install", "cursor"]));
        terminal.wait_for("yes or no", 1);
        change(&path, &other);
        let changed = std::fs::read_to_string(&path).ok();
        terminal.type_line("yes");
        let (code, _, screen) = terminal.end();
        assert_eq!(code, 1, "{at}: {screen}");
        assert!(screen.contains("meanwhile"), "{at}: {screen}");
        assert_eq!(std::fs::read_to_string(&path).ok(), changed, "{at}");
    }
}

#[test]
fn another_server_of_that_name_is_left_alone() {
    for (other, is_ours) in [
        (json!({"url": "https://mcp.neon.tech/mcp"}), false),
        (
            json!({"command": "npx", "args": ["-y", "@neondatabase/mcp-server-neon", "start"]}),
            false,
        ),
        (json!({"command": "/usr/bin/neon-mcp-other"}), false),
        (json!({"command": "neon-mcp"}), true),
        (json!({"command": "C:\\bin\\neon-mcp.exe"}), true),
        (
            json!({"command": "npx", "args": ["-y", "neon-mcp@0.1.0", "--sandbox"]}),
            true,
        ),
        (json!({"url": "http://127.0.0.1:7373/mcp"}), true),
    ] {
        let home = Home::new();
        let text = json!({"mcpServers": {"neon": other}}).to_string();
        let path = home.put(client("cursor"), &text);
        let ran = home.run(&["install", "cursor", "--yes"]);
        assert_eq!(ran.code == 0, is_ours, "{other}: {}", ran.all());
        assert_eq!(read(&path) != text, is_ours, "{other}");
        std::fs::write(&path, &text).expect("written");
        let ran = home.run(&["uninstall", "cursor", "--yes"]);
        assert_eq!(ran.code == 0, is_ours, "{other}: {}", ran.all());
        assert_eq!(read(&path) != text, is_ours, "{other}");
        std::fs::write(&path, &text).expect("written");
        assert_eq!(home.run(&["install", "cursor", "--yes", "--name", "neon-2"]).code, 0);
        let both = value(&read(&path));
        assert_eq!(both["mcpServers"]["neon"], other);
        assert!(both["mcpServers"]["neon-2"]["command"].is_string());
        assert_eq!(home.run(&["install", "cursor", "--yes", "--replace"]).code, 0);
        let entry = &value(&read(&path))["mcpServers"]["neon"];
        assert_eq!(entry["command"], crate::support::program());
        assert!(entry.get("url").is_none(), "{entry}");
        assert_eq!(home.run(&["uninstall", "cursor", "--yes", "--replace"]).code, 0);
        assert!(value(&read(&path))["mcpServers"].get("neon").is_none());
    }
}

/// Among many clients nobody looks for the one that was left alone.
#[test]
fn clients_that_were_left_alone_are_named_at_the_end() {
    let home = Home::new();
    home.put(client("cursor"), "{ broken");
    for id in ["zed", "claude-desktop"] {
        home.put(client(id), "{}");
    }
    let ran = home.run(&["install", "cursor", "zed", "claude-desktop", "--yes"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let last = ran.stderr.lines().last().expect("a line");
    assert!(last.contains("Cursor") && !last.contains("Zed"), "{last}");
    // A note that is the same for several stands there once.
    let notes = ran.stdout.lines().filter(|line| line.contains("neon-mcp login"));
    assert!(notes.count() <= 1, "{}", ran.stdout);
    let alone = home.run(&["install", "zed", "--yes"]);
    assert_eq!(
        (alone.code, alone.stderr.contains("left alone")),
        (0, false),
        "{}",
        alone.all()
    );
}

#[test]
fn server_that_will_find_no_credential_says_how_to_sign_in() {
    for (more, key, says) in [
        (&["--yes"][..], "", true),
        (&["--yes"], "napi_one", false),
        (&["--dry-run"], "", false),
        (&["--yes", "--sandbox"], "", false),
        (&["--yes", "--url", "https://mcp.example.com/mcp"], "", false),
    ] {
        let home = Home::new();
        let mut arguments = vec!["install", "cursor"];
        arguments.extend(more);
        let ran = home
            .command(&arguments)
            .env("NEON_API_KEY", key)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(told.contains("neon-mcp login"), says, "{more:?}: {told}");
    }
}

#[test]
fn fields_that_the_user_added_stay() {
    let home = Home::new();
    let own = json!({"mcpServers": {"neon": {
        "command": "neon-mcp", "alwaysAllow": ["list_projects"], "args": ["--discovery"],
        "env": {"HTTPS_PROXY": "http://proxy:3128", "NEON_API_KEY": "napi_own"}, "timeout": 5,
    }}});
    let path = home.put(client("cursor"), &own.to_string());
    let ran = home.run(&["install", "cursor", "--yes", "--read-only"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(!ran.all().contains("napi_own"), "{}", ran.all());
    let mut expected = own["mcpServers"]["neon"].clone();
    expected["command"] = crate::support::program().into();
    expected["args"] = json!(["--read-only", "--discovery"]);
    assert_eq!(value(&read(&path))["mcpServers"]["neon"], expected);
}

#[cfg(unix)]
#[test]
fn link_of_a_user_is_followed_and_one_in_a_project_is_not() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    let elsewhere = home.path().join("dotfiles.json");
    std::fs::write(&elsewhere, "{}\n").expect("written");
    std::fs::create_dir_all(home.path().join(".cursor")).expect("made");
    symlink(&elsewhere, home.file(client("cursor"))).expect("linked");
    assert_eq!(home.run(&["install", "cursor", "--yes"]).code, 0);
    assert!(home.file(client("cursor")).is_symlink());
    assert!(read(&elsewhere).contains("neon-mcp"));

    let precious = home.path().join("precious.json");
    std::fs::write(&precious, "{}").expect("written");
    symlink(&precious, home.project().join(".mcp.json")).expect("linked");
    symlink(home.path(), home.project().join(".cursor")).expect("linked");
    symlink(home.path().join("none"), home.project().join(".vscode")).expect("linked");
    for id in ["claude-code", "cursor", "vscode"] {
        let ran = home.run(&["install", id, "--project", "--yes"]);
        assert_eq!(ran.code, 1, "{id}: {}", ran.all());
    }
    assert_eq!(read(&precious), "{}");
    assert!(!home.path().join("mcp.json").exists());
    // What is no file is not waited for.
    let pipe = home.file(client("kiro"));
    std::fs::create_dir_all(pipe.parent().expect("a folder")).expect("made");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("runs")
            .success()
    );
    assert_eq!(home.run(&["install", "kiro", "--yes"]).code, 1);
    // Another user's file stays that user's.
    if rustix::process::geteuid().is_root() {
        let path = home.put(client("windsurf"), "{}");
        std::os::unix::fs::chown(&path, Some(12_345), None).expect("given away");
        assert_eq!(home.run(&["install", "windsurf", "--yes"]).code, 1);
        assert_eq!(read(&path), "{}");
    }
}

#[test]
fn settings_become_arguments_and_wrong_ones_are_told_at_once() {
    let home = Home::new();
    std::fs::write(home.project().join("policy.toml"), "read_only = true\n").expect("written");
    let ran = home.run(&[
        "install",
        "cursor",
        "--yes",
        "--policy",
        "policy.toml",
        "--branch",
        "main",
        "--role=-odd",
        "--discovery=false",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let arguments = value(&read(&home.file(client("cursor"))))["mcpServers"]["neon"]["args"].clone();
    let policy = home.project().canonicalize().expect("a path").join("policy.toml");
    for word in [
        "--branch",
        "main",
        "--role=-odd",
        "--discovery=false",
        policy.to_str().expect("a path"),
    ] {
        assert!(
            arguments.as_array().expect("a list").contains(&json!(word)),
            "{word}: {arguments}"
        );
    }
    for (wrong, told) in [
        (&["cursr"][..], "cursor"),
        (&["cursor", "--toolsets", "branch"], "branches"),
        (&["cursor", "--api-key-file", "/nowhere/key"], "/nowhere/key"),
        (&["cursor", "--policy", "/nowhere/policy"], "/nowhere/policy"),
        (&["cursor", "--name", "a b"], "neon-staging"),
        (&["cursor", "--url", "7373"], "127.0.0.1:7373/mcp"),
        (
            &["cursor", "--url", "https://me:secret@example.com/mcp"],
            "127.0.0.1:7373/mcp",
        ),
        (&["cursor", "--url", "http://example.com/mcp"], "127.0.0.1:7373/mcp"),
        (
            &["cursor", "--url", "https://example.com/mcp", "--read-only"],
            "--read-only",
        ),
        (&["cursor", "--no-auth"], "--url"),
    ] {
        let home = Home::new();
        let ran = home.run(&[&["install", "--yes"], wrong].concat());
        assert_ne!(ran.code, 0, "{wrong:?}");
        assert!(ran.stderr.contains(told), "{wrong:?}: {}", ran.stderr);
        assert!(!home.file(client("cursor")).exists(), "{wrong:?}");
    }
}

#[test]
fn files_of_clients_follow_their_variables() {
    let home = Home::new();
    let codex = home.path().join("codex home");
    let ran = home
        .command(&["install", "codex", "--yes"])
        .env("CODEX_HOME", &codex)
        .output()
        .expect("runs");
    assert!(ran.status.success());
    assert!(codex.join("config.toml").exists() && !home.file(client("codex")).exists());
    let config = home.path().join("cfg");
    let ran = home
        .command(&["install", "vscode", "--yes"])
        .env("XDG_CONFIG_HOME", &config)
        .output()
        .expect("runs");
    assert!(ran.status.success() && config.join("Code/User/mcp.json").exists());
    // The other name of a file counts where it is the one that is there.
    let other = home.path().join(".config/opencode/opencode.json");
    std::fs::create_dir_all(other.parent().expect("a folder")).expect("made");
    std::fs::write(&other, "{}").expect("written");
    assert_eq!(home.run(&["install", "opencode", "--yes"]).code, 0);
    assert!(read(&other).contains("neon-mcp") && !home.file(client("opencode")).exists());
    let without = home
        .command(&["install", "cursor", "--yes"])
        .env_remove("HOME")
        .output()
        .expect("runs");
    assert!(!without.status.success());
}
