//! Each client: install, again, change, uninstall; what the file says then, byte for byte.

use std::fmt::Write as _;

use super::fixtures::{bad, good};
use super::{CLIENTS, Client, Home, Kind, read};

/// A text in which every byte shows.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let end = match (line.ends_with("\r\n"), line.ends_with('\n')) {
            (true, _) => "<CR>",
            (false, true) => "",
            (false, false) => "<no newline>",
        };
        let line = line.trim_end_matches(['\r', '\n']);
        let _ = writeln!(
            out,
            "|{}{end}",
            line.replace('\u{feff}', "<BOM>").replace('\t', "<TAB>")
        );
    }
    out
}

/// Whether one text came of another by putting in alone.
fn is_within(part: &str, whole: &str) -> bool {
    let mut all = whole.chars();
    part.chars().all(|wanted| all.any(|found| found == wanted))
}

#[test]
fn every_client_is_changed_byte_for_byte() {
    let half = CLIENTS.len() / 2;
    let stories: Vec<String> = std::thread::scope(|scope| {
        let halves = [&CLIENTS[..half], &CLIENTS[half..]];
        let told = halves.map(|clients| scope.spawn(|| clients.iter().map(story).collect::<Vec<_>>()));
        told.into_iter()
            .flat_map(|half| half.join().expect("no panic"))
            .collect()
    });
    for (client, story) in CLIENTS.iter().zip(stories) {
        insta::with_settings!({ snapshot_path => "expected", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(client.id, story);
        });
    }
}

/// What becomes of each file of a client.
fn story(client: &Client) -> String {
    let mut story = String::new();
    for fixture in good(client) {
        let home = Home::new();
        let path = home.file(client);
        if let Some(text) = &fixture.text {
            home.put(client, text);
        }
        let what = format!("{}, {}", client.id, fixture.name);
        let install = |more: &[&str]| {
            let ran = home.run(&[&["install", client.id, "--yes"], more].concat());
            assert_eq!(ran.code, 0, "{what}: {}", ran.all());
            assert!(!ran.all().contains("tok-0123456789"), "{}", ran.all());
            read(&path)
        };
        let installed = install(&[]);
        let before = fixture.text.clone().unwrap_or_default();
        // `{}` is written in YAML where there is none.
        let kept = if client.kind == Kind::Yaml {
            before.replace(" {}", "")
        } else {
            before.clone()
        };
        assert!(
            is_within(kept.trim(), &installed),
            "{what}: something else was changed:\n{before}\n---\n{installed}"
        );
        assert_eq!(
            install(&[]),
            installed,
            "{what}: the second installation changed something"
        );
        let changed = install(&[
            "--read-only",
            "--toolsets",
            "branches,sql",
            "--project-id",
            "quiet-sun-12345678",
        ]);
        assert_ne!(changed, installed, "{what}");
        assert_eq!(install(&[]), changed, "{what}: what isn't given doesn't stay");
        assert_eq!(install(&["--replace"]), installed, "{what}: the change doesn't go back");
        let ran = home.run(&["uninstall", client.id, "--yes"]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.all());
        let removed = read(&path);
        if fixture.comes_back {
            assert_eq!(removed, before, "{what}: uninstalling leaves something");
        }
        let gone = home.run(&["uninstall", client.id, "--yes"]);
        assert_eq!((gone.code, read(&path)), (0, removed.clone()), "{what}: {}", gone.all());
        for (step, text) in [("installed", installed), ("changed", changed), ("removed", removed)] {
            let _ = write!(story, "== {}: {step}\n{}", fixture.name, shown(&home.told(&text)));
        }
    }
    story
}

#[test]
fn file_that_can_not_be_read_is_left_alone_with_what_to_add() {
    for client in &CLIENTS {
        for (what, text) in bad(client) {
            let home = Home::new();
            let path = home.put(client, &text);
            let ran = home.run(&["install", client.id, "--yes", "--replace"]);
            assert_eq!(ran.code, 1, "{}, {what}: {}", client.id, ran.all());
            assert_eq!(read(&path), text, "{}, {what}", client.id);
            assert!(
                ran.stdout.contains(crate::support::program()),
                "{}, {what}: {}",
                client.id,
                ran.stdout
            );
            let ran = home.run(&["uninstall", client.id, "--yes"]);
            assert_eq!(read(&path), text, "{}, {what}: {}", client.id, ran.all());
        }
        let home = Home::new();
        let path = home.put(client, "");
        std::fs::write(&path, b"\xff\xfe{}").expect("written");
        assert_eq!(home.run(&["install", client.id, "--yes"]).code, 1);
        assert_eq!(std::fs::read(&path).expect("bytes"), b"\xff\xfe{}");
    }
}

#[cfg(unix)]
#[test]
fn read_only_file_is_left_alone_and_every_other_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    for client in &CLIENTS {
        let text = good(client).pop().expect("a file").text.expect("a text");
        for (mode, code) in [(0o444, 1), (0o400, 1), (0o640, 0), (0o600, 0)] {
            let home = Home::new();
            let path = home.put(client, &text);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            let ran = home.run(&["install", client.id, "--yes"]);
            assert_eq!(ran.code, code, "{}: {}", client.id, ran.all());
            assert_eq!(read(&path) == text, code == 1, "{}, {mode:o}", client.id);
            let now = path.metadata().expect("a file").permissions().mode() & 0o777;
            assert_eq!(now, mode, "{}", client.id);
            let beside = path.parent().expect("a folder").read_dir().expect("a list").count();
            assert_eq!(beside, 1, "{}: a draft was left", client.id);
        }
        let home = Home::new();
        assert_eq!(home.run(&["install", client.id, "--yes"]).code, 0);
        let mode = home.file(client).metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", client.id);
    }
}

#[test]
fn project_files_are_written_where_clients_have_such() {
    for client in &CLIENTS {
        let home = Home::new();
        let ran = home.run(&["install", client.id, "--project", "--yes"]);
        match client.project {
            Some(file) => {
                assert_eq!(ran.code, 0, "{}: {}", client.id, ran.all());
                let text = read(&home.project().join(file));
                assert!(text.contains(crate::support::program()), "{text}");
                assert!(!home.file(client).exists(), "{}", client.id);
                assert_eq!(home.run(&["uninstall", client.id, "--project", "--yes"]).code, 0);
                assert!(!read(&home.project().join(file)).contains("neon-mcp"));
            }
            None => assert_eq!(ran.code, 1, "{}: {}", client.id, ran.all()),
        }
    }
}
