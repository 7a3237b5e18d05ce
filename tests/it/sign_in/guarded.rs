//! What others on the machine, at the issuer or in a project can't do to a sign-in.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::issuer::{Issuer, project, tokens_in};
use super::{Era, Home, kind, whose};
use crate::support::terminal::AtTerminal;

#[tokio::test]
async fn answer_to_another_question_neither_ends_a_sign_in_nor_is_taken() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let login = home.begins(&[], &issuer).await;
    let mut stray = login.back(&issuer, "eve");
    for state in [Some("another"), None] {
        match state {
            Some(state) => stray.answer.insert("state", state.to_owned()),
            None => stray.answer.remove("state"),
        };
        let (status, page) = stray.arrive().await;
        assert_eq!(status, 400, "{page}");
    }
    let back = login.back(&issuer, "ada");
    assert_eq!(
        back.fetched().await,
        403,
        "a page that fetches the address is no browser that comes back"
    );
    assert_eq!(back.arrive().await.0, 200);
    let (code, said, log) = login.ends().await;
    assert_eq!(code, Some(0), "{said} {log}");
    assert!(said.contains("ada@example.com"), "{said}");
}

#[tokio::test]
async fn login_is_ended_at_its_own_issuer_alone() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let kept = home.kept("DEFAULT");
    let other = Issuer::start().await;
    let (code, said, log) = home.run(&["logout", "--login-issuer", &other.origin()], &issuer).await;
    assert_eq!(code, Some(1), "{said} {log}");
    assert_eq!(other.upstream.count(), 0);
    assert_eq!(
        home.kept("DEFAULT"),
        kept,
        "it lives on, and can be ended where it is from"
    );
    assert!(
        log.contains(&issuer.origin()) && !said.contains("was ended"),
        "{said} {log}"
    );
    assert_eq!(home.run(&["logout"], &issuer).await.0, Some(0));
}

#[tokio::test]
async fn what_an_issuer_repeats_is_shown_nowhere() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().lifetime = 5;
    home.signs_in(&[], &issuer, "ada").await;
    issuer.state().repeats = true;
    for arguments in [
        &["call", "--json", "list_projects"][..],
        &["whoami", "--json"],
        &["whoami"],
        &["doctor", "--json"],
        &["logout"],
    ] {
        let (_, said, log) = home.run(arguments, &issuer).await;
        assert!(
            tokens_in(&said).is_empty() && tokens_in(&log).is_empty(),
            "{arguments:?}: {said} {log}"
        );
    }
    let login = home.begins(&[], &issuer).await;
    let back = login.back(&issuer, "ada");
    let (status, page) = back.arrive().await;
    let (code, said, log) = login.ends().await;
    assert_eq!((status, code), (400, Some(1)));
    assert!(page.contains("not now"), "its words are shown but for that: {page}");
    for text in [page, said, log] {
        assert!(tokens_in(&text).is_empty(), "{text}");
        // 256 random bits: the verifier of the code.
        let long = text.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)));
        let shown: Vec<&str> = long.filter(|word| word.len() == 43).collect();
        let of_the_page = login_words(&back.asked);
        assert!(shown.iter().all(|word| of_the_page.contains(word)), "{shown:?}: {text}");
    }
}

fn login_words(asked: &std::collections::BTreeMap<String, String>) -> Vec<&str> {
    asked.values().map(String::as_str).collect()
}

#[tokio::test]
async fn answer_with_tokens_says_neither_whose_it_is_nor_where_it_goes() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let own = json!({"api": 0, "issuer": "https://oauth2.neon.tech", "subject": "someone-else", "label": "boss@corp", "user_id": "x",
        "type": "api_key", "api_key": "napi_other"});
    issuer.state().answer = own.as_object().cloned().expect("an object");
    issuer.state().lifetime = 5;
    home.signs_in(&[], &issuer, "ada").await;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    for _ in 0..2 {
        let kept = home.kept("DEFAULT");
        assert_eq!(kept["api"], issuer.api(), "{kept}");
        assert_eq!(kept["issuer"], issuer.origin());
        assert_eq!(
            (&kept["subject"], &kept["label"]),
            (&json!("ada"), &json!("ada@example.com"))
        );
        assert_eq!(kept["type"], "oauth");
        assert!(kept.get("user_id").is_none() && kept.get("api_key").is_none(), "{kept}");
        assert_eq!(whose(&server, json!({})).await, project("ada"));
    }
    // Without an API that it is for, it goes to none.
    let mut kept = home.kept("DEFAULT");
    kept["api"] = json!(0);
    std::fs::write(home.login("DEFAULT"), kept.to_string()).expect("written");
    // A renewal that had begun by then may serve one more call.
    let (mut value, mut is_error) = server.call("list_projects", json!({})).await;
    if !is_error {
        std::fs::write(home.login("DEFAULT"), kept.to_string()).expect("written");
        (value, is_error) = server.call("list_projects", json!({})).await;
    }
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
}

#[tokio::test]
async fn second_login_ends_the_first() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let first = home.kept("DEFAULT");
    home.signs_in(&[], &issuer, "ada").await;
    let second = home.kept("DEFAULT");
    let revoked = issuer.state().revoked.clone();
    for token in ["refresh_token", "access_token"] {
        let text = |kept: &Value| kept[token].as_str().expect("a token").to_owned();
        assert!(revoked.contains(&text(&first)), "{token}: {revoked:?}");
        assert!(!revoked.contains(&text(&second)), "{token}: {revoked:?}");
    }
}

#[tokio::test]
async fn time_of_a_token_is_read_however_it_is_written_and_absent_it_is_used() {
    for (written, renewals) in [
        (json!("3600"), 0),
        (json!(3600.0), 0),
        (json!(null), 0),
        (json!("3"), 1),
    ] {
        let (home, issuer) = (Home::new(), Issuer::start().await);
        issuer.state().answer.insert("expires_in".into(), written.clone());
        home.signs_in(&[], &issuer, "ada").await;
        let before = issuer.state().renewals;
        issuer.state().answer.clear();
        let server = home.server(&[], &issuer, Era::Legacy).await;
        for _ in 0..3 {
            assert_eq!(whose(&server, json!({})).await, project("ada"));
        }
        let (now, refused) = issuer.counts();
        assert_eq!((now - before, refused), (renewals, 0), "{written}");
        assert!(home.kept("DEFAULT")["access_token"].is_string());
        if written.is_null() {
            issuer.state().forget_access();
            assert_eq!(
                whose(&server, json!({})).await,
                project("ada"),
                "refused, it is renewed"
            );
        }
    }
}

#[tokio::test]
async fn answer_that_cannot_be_used_has_used_the_sign_in_up() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().lifetime = 5;
    home.signs_in(&[], &issuer, "ada").await;
    let before = issuer.state().renewals;
    issuer.state().answer.insert("token_type".into(), json!("mac"));
    let server = home.server(&[], &issuer, Era::Legacy).await;
    for _ in 0..3 {
        let (value, is_error) = server.call("list_projects", json!({})).await;
        assert!(is_error && kind(&value) == "not_signed_in", "{value}");
    }
    // Shown once more, a used token would end what else came of the sign-in.
    let (renewals, refused) = issuer.counts();
    assert_eq!((renewals - before, refused), (1, 0));
}

/// A folder with an `xdg-open` that writes down what it is given, and a copy of the file that this names.
fn opener(home: &Home) -> std::path::PathBuf {
    let folder = home.path().join("bin");
    std::fs::create_dir_all(&folder).expect("made");
    let program = folder.join("xdg-open");
    let noted = home.path().join("noted");
    let script = format!(
        "#!/bin/sh\nprintf '%s' \"$*\" > {0}.new\ncp -p \"$1\" {0}.page\nmv {0}.new {0}\n",
        noted.display()
    );
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    noted
}

#[tokio::test]
async fn arguments_of_the_browser_do_not_hold_the_address() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let noted = opener(&home);
    let mut command = home.program(&["login", "--timeout", "60"], &issuer);
    let path = format!("{}:/usr/bin:/bin", home.path().join("bin").display());
    command.env("DISPLAY", ":0").env("PATH", path).stdin(Stdio::null());
    let running = command.spawn().expect("starts");
    harness::wait::until("the browser", || noted.exists()).await;
    let given = std::fs::read_to_string(&noted).expect("noted");
    assert!(!given.contains("state") && !given.contains("http"), "{given}");
    let copy = noted.with_extension("page");
    let page = std::fs::read_to_string(&copy).expect("a page");
    assert_eq!(
        copy.metadata().expect("there").permissions().mode() & 0o077,
        0,
        "for its user alone"
    );
    let (_, rest) = page.split_once("href=\"").expect("a link");
    let address = rest.split('"').next().expect("an address").replace("&amp;", "&");
    assert_eq!(issuer.signs_in(&address, "ada").arrive().await.0, 200);
    let (code, said, log) = super::ended(running.wait_with_output().await.expect("ends"));
    assert_eq!(code, Some(0), "{said} {log}");
    assert!(!std::path::Path::new(&given).exists(), "it is gone afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn person_at_a_terminal_is_shown_who_signed_in_before_it_is_kept() {
    for (typed, code) in [("no", 1), ("", 1), ("yes", 0)] {
        let (home, issuer) = (Home::new(), Issuer::start().await);
        let mut command = home.program(&["login", "--no-browser"], &issuer).into_std();
        command.env("NEON_MCP_LOG", "error");
        let mut terminal = AtTerminal::with(command, crate::support::terminal::Streams::All, Some(2_000));
        terminal.wait_for("code_challenge_method=S256", 1);
        let screen = terminal.screen();
        let at = screen.find("http").expect("an address");
        let address = screen[at..].split_whitespace().next().expect("one").to_owned();
        let (status, page) = issuer.signs_in(&address, "eve").arrive().await;
        assert!(status == 200 && page.contains("terminal"), "{page}");
        terminal.wait_for("eve@example.com", 1);
        assert!(!home.login("DEFAULT").exists(), "not before they agree");
        terminal.type_line(typed);
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, code, "{typed}: {screen}");
        assert_eq!(home.login("DEFAULT").exists(), code == 0, "{typed}");
        assert_eq!(issuer.state().refresh.is_empty(), code == 1, "what isn't kept is ended");
    }
}
