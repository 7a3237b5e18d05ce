//! `neon-mcp login`, `logout` and `whoami`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::issuer::{Issuer, organization, project, tokens_in};
use super::{Era, Home, kind, whose};

#[tokio::test]
async fn login_is_kept_for_its_user_alone_and_servers_have_it() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let login = home.begins(&[], &issuer).await;
    let back = login.back(&issuer, "ada");
    assert_eq!(back.asked["code_challenge_method"], "S256");
    assert_eq!(back.asked["client_id"], "neonctl");
    assert!(back.asked["scope"].split(' ').any(|scope| scope == "offline_access"));
    assert!(back.asked["redirect_uri"].starts_with("http://127.0.0.1:"));
    let (status, page) = back.arrive().await;
    assert_eq!(status, 200);
    for header in [
        "content-security-policy",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.to_lowercase().contains(header), "{header}");
    }
    let (code, said, log) = login.ends().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(said.contains("ada@example.com"), "{said}");
    assert!(tokens_in(&said).is_empty() && tokens_in(&log).is_empty() && tokens_in(&page).is_empty());
    let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&home.login("DEFAULT")), 0o600);
    assert_eq!(mode(home.login("DEFAULT").parent().expect("a folder")), 0o700);
    // Who it is was told once, to whoever asked.
    assert!(home.kept("DEFAULT").get("id_token").is_none());

    let server = home.server(&[], &issuer, Era::Modern).await;
    assert_eq!(whose(&server, json!({})).await, project("ada"));
    let log = server.stop().await;
    assert!(tokens_in(&log).is_empty(), "{log}");

    let (code, said, _) = home.run(&["whoami", "--json"], &issuer).await;
    let told: Value = serde_json::from_str(&said).expect("JSON");
    let account = &told["accounts"][0];
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(account["credential"], "login");
    assert_eq!(account["user"]["email"], "ada@example.com");
    assert_eq!(account["organizations"][0]["id"], organization("ada"));
    assert_eq!(account["renewed"], true);
    assert!(account["expires_at"].is_string() && account["from"].as_str().expect("a text").contains("DEFAULT.json"));
    assert!(tokens_in(&said).is_empty());
    let (code, said, _) = home.run(&["whoami"], &issuer).await;
    assert!(
        code == Some(0) && said.contains("ada@example.com") && tokens_in(&said).is_empty(),
        "{said}"
    );
}

#[tokio::test]
async fn answer_that_does_not_fit_the_question_is_rejected_and_nothing_is_kept() {
    struct Case {
        what: &'static str,
        answer: &'static [(&'static str, Option<&'static str>)],
        claims: Value,
        says_issuer: bool,
    }
    let case = |what, answer, claims| Case {
        what,
        answer,
        claims,
        says_issuer: false,
    };
    let cases = [
        case("wrong issuer", &[("iss", Some("https://evil.example"))][..], json!({})),
        Case {
            says_issuer: true,
            ..case("no issuer where it is always said", &[("iss", None)], json!({}))
        },
        case("denied", &[("code", None), ("error", Some("access_denied"))], json!({})),
        case("no code", &[("code", None)], json!({})),
        case("a code of nobody", &[("code", Some("x"))], json!({})),
        case(
            "identity of another issuer",
            &[],
            json!({"iss": "https://evil.example"}),
        ),
        case("identity for another client", &[], json!({"aud": "other"})),
        case("identity for another question", &[], json!({"nonce": "other"})),
        case("identity that has expired", &[], json!({"exp": 1_000})),
        case("identity of nobody", &[], json!({"sub": ""})),
    ];
    for Case {
        what,
        answer,
        claims,
        says_issuer,
    } in cases
    {
        let (home, issuer) = (Home::new(), Issuer::start().await);
        issuer.state().claims = claims.as_object().cloned().expect("an object");
        issuer.state().metadata.insert(
            "authorization_response_iss_parameter_supported".into(),
            says_issuer.into(),
        );
        let login = home.begins(&[], &issuer).await;
        let mut back = login.back(&issuer, "ada");
        for (name, value) in answer {
            match value {
                Some(value) => back.answer.insert(name, (*value).to_owned()),
                None => back.answer.remove(name),
            };
        }
        let (status, page) = back.arrive().await;
        let (code, said, log) = login.ends().await;
        assert_eq!((status, code), (400, Some(1)), "{what}: {said} {log}");
        assert!(
            tokens_in(&page).is_empty() && tokens_in(&log).is_empty(),
            "{what}: {page} {log}"
        );
        assert!(!home.login("DEFAULT").exists(), "{what}");
    }
}

#[tokio::test]
async fn answer_is_taken_once_and_from_this_machine_alone() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let login = home.begins(&[], &issuer).await;
    let back = login.back(&issuer, "ada");
    assert_eq!(
        back.arrive_as("evil.example").await.0,
        403,
        "a name that was made to lead here"
    );
    let (first, second) = tokio::join!(back.arrive(), back.arrive());
    let mut seen = [first.0, second.0];
    seen.sort_unstable();
    assert_eq!(seen, [200, 410]);
    assert_eq!(login.ends().await.0, Some(0));
}

#[tokio::test]
async fn issuer_that_cannot_be_trusted_or_reached_is_not_gone_to() {
    for (name, value) in [
        ("issuer", "https://evil.example"),
        ("authorization_endpoint", "http://evil.example/auth"),
        ("token_endpoint", "http://evil.example/token"),
        ("token_endpoint", "file:///etc/passwd"),
        ("revocation_endpoint", "http://evil.example/revoke"),
    ] {
        let (home, issuer) = (Home::new(), Issuer::start().await);
        issuer.state().metadata.insert(name.into(), value.into());
        let login = home.begins(&[], &issuer).await;
        assert_eq!(login.page, None, "{name} {value}");
        let (code, _, log) = login.ends().await;
        assert_eq!(code, Some(1), "{name} {value}: {log}");
    }
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().is_away = true;
    assert_eq!(home.begins(&[], &issuer).await.ends().await.0, Some(1));
    for wrong in ["http://example.com", "no address"] {
        let mut command = home.program(&["login", "--no-browser"], &issuer);
        let output = command
            .env("NEON_MCP_LOGIN_ISSUER", wrong)
            .output()
            .await
            .expect("runs");
        assert_eq!(output.status.code(), Some(1), "{wrong}");
    }
}

#[tokio::test]
async fn nobody_came_in_time_so_nothing_is_kept() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let login = home.begins(&["--timeout", "5"], &issuer).await;
    let back = login.back(&issuer, "ada");
    let (code, _, log) = login.ends().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(!home.login("DEFAULT").exists());
    // Nobody listens there any more.
    assert!(tokio::spawn(async move { back.arrive().await }).await.is_err());
}

#[tokio::test]
async fn logout_ends_the_login_at_the_issuer_and_removes_it() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    assert_eq!(whose(&server, json!({})).await, project("ada"));
    let kept = home.kept("DEFAULT");
    let (code, said, log) = home.run(&["logout"], &issuer).await;
    assert_eq!(code, Some(0), "{said} {log}");
    assert!(tokens_in(&said).is_empty() && tokens_in(&log).is_empty());
    assert!(!home.login("DEFAULT").exists());
    for token in ["refresh_token", "access_token"] {
        let token = kept[token].as_str().expect("a token").to_owned();
        assert!(issuer.state().revoked.contains(&token));
    }
    // The server that runs has nothing in its memory that would go on.
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
    server.stop().await;
    let (code, ..) = home.run(&["logout"], &issuer).await;
    assert_eq!(code, Some(0), "there is nothing to end");
    let (code, said, _) = home.run(&["whoami", "--json"], &issuer).await;
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(code, Some(1));
    assert_eq!(told["accounts"][0]["credential"], "none");
    assert_eq!(told["accounts"][0]["error"]["kind"], "not_signed_in");
}

#[tokio::test]
async fn logout_without_the_issuer_removes_the_login_and_says_so() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    issuer.state().is_away = true;
    let (code, ..) = home.run(&["logout"], &issuer).await;
    assert_eq!(code, Some(1));
    assert!(!home.login("DEFAULT").exists());
    // What isn't one goes, too.
    std::fs::write(home.login("DEFAULT"), "{").expect("written");
    assert_eq!(home.run(&["logout"], &issuer).await.0, Some(1));
    assert!(!home.login("DEFAULT").exists());
}

#[tokio::test]
async fn login_is_sent_to_no_other_api_than_its_own() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let other = Issuer::start().await;
    let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
    let output = command.env("NEON_API_HOST", other.api()).output().await.expect("runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(kind(&value), "not_signed_in");
    assert_eq!(other.upstream.count(), 0);
}

#[tokio::test]
async fn key_beats_a_login_and_a_named_profile_beats_a_key_of_the_environment() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    home.signs_in(&["--profile", "work"], &issuer, "bob").await;
    let file = home.path().join("key");
    std::fs::write(&file, "napi_cyd").expect("written");
    let file = file.to_str().expect("a path");
    let work: &[(&str, &str)] = &[("NEON_PROFILE", "work")];
    let key: &[(&str, &str)] = &[("NEON_API_KEY", "napi_eve")];
    let both: &[(&str, &str)] = &[("NEON_API_KEY", "napi_eve"), ("NEON_PROFILE", "work")];
    let own: &[(&str, &str)] = &[("NEON_PROFILE", "nobody"), ("NEON_MCP_PROFILE", "work")];
    for (arguments, variables, person) in [
        (&[][..], &[][..], "ada"),
        (&[], work, "bob"),
        (&[], own, "bob"),
        (&["--profile", "work"], &[], "bob"),
        (&[], key, "eve"),
        (&[], both, "eve"),
        (&["--profile", "work"], key, "bob"),
        (&["--api-key-file", file], work, "cyd"),
        (&["--api-key-file", file], key, "cyd"),
    ] {
        let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
        command.args(arguments).envs(variables.iter().copied());
        let output = command.output().await.expect("runs");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(
            value["result"]["projects"][0]["id"],
            project(person).as_str(),
            "{arguments:?} {variables:?}: {value}"
        );
    }
    for arguments in [
        &["--profile", "work", "--api-key-file", file][..],
        &["--profile", "work", "--profiles", "a,b"],
        &["--profile", "../work"],
        &["--profiles", ""],
    ] {
        let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
        let output = command.args(arguments).output().await.expect("runs");
        assert!(
            output.status.code() == Some(1) && output.stdout.is_empty(),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn key_is_told_by_its_kind_and_place_alone() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let file = home.path().join("key");
    std::fs::write(&file, "napi_cyd").expect("written");
    for (arguments, variable, from) in [
        (vec![], Some("napi_cyd"), "NEON_API_KEY"),
        (
            vec!["--api-key-file", file.to_str().expect("a path")],
            None,
            file.to_str().expect("a path"),
        ),
    ] {
        let mut command = home.program(&["whoami", "--json"], &issuer);
        command.args(&arguments).envs(variable.map(|key| ("NEON_API_KEY", key)));
        let output = command.output().await.expect("runs");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let account = &told["accounts"][0];
        assert_eq!(
            (&account["credential"], &account["key"]),
            (&json!("api_key"), &json!("personal key")),
            "{told}"
        );
        assert!(account["from"].as_str().expect("a text").contains(from), "{told}");
        assert!(!told.to_string().contains("napi_"), "{told}");
    }
}

#[tokio::test]
async fn login_of_neons_is_not_begun_for_another_api() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let mut command = home.program(&["login", "--no-browser"], &issuer);
    command.env_remove("NEON_MCP_LOGIN_ISSUER");
    let output = command.output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(issuer.upstream.count(), 0);
}

#[tokio::test]
async fn forged_answers_end_nothing_and_the_right_one_gets_in() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    // Nobody reads its log before it ends: it must not be long.
    let mut command = home.program(&["login", "--no-browser"], &issuer);
    let login = home.begun(command.env("NEON_MCP_LOG", "error")).await;
    let right = login.back(&issuer, "ada");
    let mut forged = login.back(&issuer, "ada");
    forged.answer.insert("state", "guessed".to_owned());
    // More than ever ended a login; and some more at the time of the right one.
    for _ in 0..24 {
        let all = futures::future::join_all((0..50).map(|_| forged.arrive())).await;
        assert!(all.iter().all(|(status, _)| [400, 429].contains(status)), "{all:?}");
    }
    let (_, (status, _)) = tokio::join!(
        futures::future::join_all((0..200).map(|_| forged.knock())),
        right.arrive()
    );
    assert_eq!(status, 200);
    let (code, said, log) = login.ends().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(said.contains("ada@example.com"), "{said}");
}

#[tokio::test]
async fn browser_gets_no_key_and_a_page_that_was_left_behind_goes() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let script = |folder: &std::path::Path, text: &str| {
        std::fs::create_dir_all(folder).expect("made");
        std::fs::write(folder.join("xdg-open"), format!("#!/bin/sh\n{text}\n")).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join("xdg-open"), mode).expect("set");
    };
    let (noted, planted) = (home.path().join("noted"), home.path().join("planted"));
    script(&home.path().join("rel"), &format!("echo > {}", planted.display()));
    script(&home.path().join("bin"), &format!("env > {}", noted.display()));
    let file = |name: &str, hours: u64| {
        let path = home.path().join(format!("neon-mcp-sign-in-{name}.html"));
        std::fs::write(&path, "x").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(hours * 3_600);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("opened")
            .set_modified(time)
            .expect("set");
        path
    };
    let (old, young) = (file("old", 3), file("young", 0));
    let mut command = home.program(&["login", "--timeout", "5"], &issuer);
    let path = format!("./rel:{}:/usr/bin:/bin", home.path().join("bin").display());
    let output = command
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("PATH", path)
        .env("DISPLAY", ":99")
        .env("NEON_API_KEY", "napi_canary")
        .env("PGPASSWORD", "canary")
        .output()
        .await
        .expect("runs");
    assert_eq!(output.status.code(), Some(1), "nobody came");
    let noted = std::fs::read_to_string(&noted).expect("it was opened");
    assert!(noted.contains("DISPLAY=:99") && !noted.contains("canary"), "{noted}");
    assert!(!planted.exists(), "a program of the folder in which it runs was run");
    assert!(!old.exists() && young.exists());
    // Its own goes with it.
    let left = std::fs::read_dir(home.path()).expect("read").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("neon-mcp-sign-in-"));
    assert_eq!(left.count(), 1);
}
