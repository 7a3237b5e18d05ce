//! `--version`, the manual pages, the completions: of every command there is.

use super::run;

#[tokio::test]
async fn version_says_the_commit_where_it_is_known() {
    let told = run(&["--version"]).await.stdout;
    let version = told.trim().strip_prefix("neon-mcp ").expect("the name").to_owned();
    let (number, commit) = version.split_once(' ').unwrap_or((&version, ""));
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    let git = std::process::Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "HEAD"])
        .output();
    // In a package without git's folder nothing is known of it.
    if git.is_ok_and(|git| git.status.success()) {
        let hexadecimal = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let words = commit.split(|character: char| !character.is_ascii_alphanumeric());
        assert!(words.into_iter().any(hexadecimal), "{version}");
    }
}

#[tokio::test]
async fn each_command_has_a_manual_page_and_completions() {
    let help = run(&["--help"]).await.stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    let place = tempfile::tempdir().expect("a directory");
    let folder = place.path().join("man1");
    let made = run(&["man", folder.to_str().expect("a path")]).await;
    assert_eq!(made.code, 0, "{}", made.all());
    for command in commands {
        let page = std::fs::read_to_string(folder.join(format!("neon-mcp-{command}.1"))).expect(command);
        assert!(page.starts_with(".ie") || page.contains(".TH"), "{command}");
        for shell in ["bash", "zsh", "fish"] {
            let script = run(&["completions", shell]).await.stdout;
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let page = std::fs::read_to_string(folder.join("neon-mcp-install.1")).expect("a page");
    assert!(page.contains("dry\\-run") && page.contains("read\\-only"), "{page}");
    assert!(folder.join("neon-mcp-policy-check.1").exists() && folder.join("neon-mcp-oauth-map-check.1").exists());
    let wrong = run(&["man", "/dev/null/x"]).await;
    assert_ne!(wrong.code, 0);
}

/// What bash completes of a line, with the script of the program.
async fn completed(script: &str, words: &[&str]) -> Vec<String> {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("completions");
    std::fs::write(&path, script).expect("written");
    let asks = r#"source "$0"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
f=$(complete -p neon-mcp | sed 's/.*-F \([^ ]*\).*/\1/')
"$f" neon-mcp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = tokio::process::Command::new("bash");
    command
        .args(["--noprofile", "--norc", "-c", asks])
        .arg(&path)
        .arg("neon-mcp")
        .args(words);
    let output = command.output().await.expect("bash runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{words:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_behind_each_command_too() {
    let script = run(&["completions", "bash"]).await.stdout;
    for (words, expected) in [
        (&["ins"][..], &["install"][..]),
        (&["install", "--dry"], &["--dry-run"]),
        (&["install", "claude-c"], &["claude-code"]),
        (&["uninstall", "curs"], &["cursor"]),
        (&["call", "list_proj"], &["list_projects"]),
        (&["call", "--sandbox-d"], &["--sandbox-dir"]),
        (&["stdio", "--toolsets", "snap"], &["snapshots"]),
        (&["log", "--tool", "create_proj"], &["create_project"]),
        (&["policy", "che"], &["check"]),
        (&["completions", "fi"], &["fish"]),
    ] {
        let found = completed(&script, words).await;
        for name in expected {
            assert!(found.iter().any(|one| one == name), "{words:?}: {found:?}");
        }
        let typed = words.last().expect("a word");
        assert!(found.iter().all(|one| one.starts_with(typed)), "{words:?}: {found:?}");
    }
}
