//! The mapping file: which subjects and groups get which credential, policy, scopes and limits.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::oauth::ALL;
use super::{PROJECT, answered, calling, neon, post, serve};
use crate::support::fake_neon::FakeNeon;
use crate::support::http::OverHttp;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};

#[tokio::test]
async fn first_that_fits_says_what_a_caller_gets_and_the_rest_may_be_denied() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let write = |name: &str, text: &str| std::fs::write(state.join(name), text).expect("written");
    write("ada-key", "napi_key_of_ada_0123456789");
    write("dba-key", "napi_key_of_dba_0123456789");
    let map = "default = \"deny\"\n\
        [[subject]]\nsub = \"ada\"\napi_key_file = \"ada-key\"\n\
        [[group]]\nname = \"readers\"\nscopes = [\"neon:read\"]\n\
        [[group]]\nname = \"dba\"\napi_key_file = \"dba-key\"\n# end\n";
    write("map.toml", map);
    let origin = issuer.origin();
    let path = state.join("map.toml");
    let arguments = [
        "--auth",
        "oauth",
        "--oauth-issuer",
        &origin,
        "--oauth-groups-claim",
        "roles",
        "--oauth-map",
        path.to_str().expect("a path"),
    ];
    let mut server = serve(&upstream, &arguments, &state).await;
    let url = server.url.clone();
    let token = |subject: &str, groups: Value| {
        let mut claims = issuer.claims(&url, ALL);
        claims["sub"] = subject.into();
        claims["roles"] = groups;
        issuer.token(&claims)
    };
    for (subject, groups, key) in [
        ("ada", json!(["dba"]), "napi_key_of_ada_0123456789"),
        ("bob", json!(["x", "dba"]), "napi_key_of_dba_0123456789"),
        ("bob", json!("dba"), "napi_key_of_dba_0123456789"),
        ("eve", json!(["dba", "readers"]), KEY),
    ] {
        for era in [Era::Legacy, Era::Modern] {
            server.token = Some(token(subject, groups.clone()));
            let client = server.client(TestClient::alone(), era).await;
            let before = upstream.count();
            let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
            assert!(!is_error, "{value}");
            let requests = upstream.requests();
            assert_eq!(
                requests[before].header("authorization"),
                Some(format!("Bearer {key}").as_str()),
                "{subject} {groups}"
            );
        }
    }
    // Whom nothing fits: the token is good, and another one wouldn't help.
    let (status, asks) = answered(&server, &token("mallory", json!(["staff"]))).await;
    assert_eq!((status, asks.as_str()), (StatusCode::FORBIDDEN, ""));
    // What the operator leaves out of the scopes isn't to be had from the issuer: no challenge for it.
    let reader = format!("Bearer {}", token("eve", json!(["readers"])));
    let body = calling(
        "create_branch",
        &json!({"project_id": PROJECT, "name": "b"}),
        Era::Modern,
    );
    let answer = post(&server, &[&reader], Era::Modern, &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().get("www-authenticate").is_none());
    let text = answer.text().await.expect("a text");
    assert!(text.contains("not offered"), "{text}");
    assert!(
        text.contains("what the operator set up for this caller leaves out neon:write"),
        "{text}"
    );
    // The file is read again when it changes.
    write("map.toml", &map.replace("\"deny\"", "\"allow\""));
    assert_eq!(answered(&server, &token("mallory", json!([]))).await.0, StatusCode::OK);
    // One that is broken says nothing of whom it speaks no more.
    write("map.toml", "default = \"everything\"");
    let (status, asks) = answered(&server, &token("mallory", json!([]))).await;
    assert_eq!((status, asks.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
}

#[tokio::test]
async fn mapping_file_that_is_not_understood_stops_the_start() {
    let state = state_home();
    let path = state.join("map.toml");
    for text in [
        "[[subject]]\nname = \"x\"\n",
        "default = \"deny\"\n[[group]]\nname = \"x\"\nscopes = [\"neon:all\"]\n",
        "default = \"deny\"\n[[group]]\nname = \"x\"\npolicy = \"nowhere.toml\"\n",
        "[[subject]]\nsub = \"x\"\napi_key_file = \"nowhere\"\n",
        "default = \"perhaps\"\n",
        "[[group]]\nname = \"x\"\n",
        "default = \"deny\"\n[[group]]\nname = \"\"\n",
        "[group]\n",
        "",
        "[[subject]]\nsub = \"x\"\nscopes = []\n",
        "[[subject]]\nsub = \"x\"\ngrant_scopes = [\"neon:all\"]\n",
        "[[subject]]\nsub = \"x\"\nscopes = [\"neon:read\"]\ngrant_scopes = [\"neon:write\"]\n",
        "[[subject]]\nsub = \"x\"\n[[subject]]\nsub = \"x\"\n",
        "default = \"deny\"\n[[group]]\nname = \"x\"\n[[group]]\nname = \"x\"\n",
    ] {
        std::fs::write(&path, format!("{text}# end\n")).expect("written");
        let arguments = [
            "http",
            "--listen",
            "127.0.0.1:0",
            "--auth",
            "oauth",
            "--oauth-issuer",
            "http://127.0.0.1:1",
            "--oauth-map",
            path.to_str().expect("a path"),
        ];
        let output = program(&arguments, "http://127.0.0.1:1", KEY)
            .output()
            .await
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && output.stdout.is_empty(),
            "{text}: {said}"
        );
        assert!(said.contains("map.toml"), "{text}: {said}");
    }
}

/// A server with these files, of which the first is a mapping, and its issuer.
async fn mapped(map: &str, policy: &str) -> (FakeNeon, Issuer, OverHttp) {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let (map, policy) = (format!("{map}# end\n"), format!("{policy}# end\n"));
    for (name, text) in [("map.toml", map), ("policy.toml", policy)] {
        std::fs::write(state.join(name), text).expect("written");
    }
    let file = |name: &str| state.join(name).to_str().expect("a path").to_owned();
    let (origin, map, policy) = (issuer.origin(), file("map.toml"), file("policy.toml"));
    let arguments = [
        "--auth",
        "oauth",
        "--oauth-issuer",
        &origin,
        "--oauth-map",
        &map,
        "--policy",
        &policy,
    ];
    let server = serve(&upstream, &arguments, &state).await;
    (upstream, issuer, server)
}

/// The status of the answer to one of that subject, with these claims beside the usual ones.
async fn status_of(issuer: &Issuer, server: &OverHttp, subject: &str, claims: &Value) -> StatusCode {
    let mut all = issuer.claims(&server.url, ALL);
    all["sub"] = subject.into();
    let claims = claims.as_object().expect("an object").clone();
    all.as_object_mut().expect("an object").extend(claims);
    answered(server, &issuer.token(&all)).await.0
}

#[tokio::test]
async fn map_grants_scopes_only_where_the_token_names_none() {
    let map = "default = \"allow\"\n[[group]]\nname = \"dev\"\ngrant_scopes = [\"neon:read\", \"neon:write\"]\n\
        [[group]]\nname = \"blind\"\nscopes = [\"neon:write\"]\n";
    let (_upstream, issuer, mut server) = mapped(map, "").await;
    let url = server.url.clone();
    let token = |scope: &str, group: &str| {
        let mut claims = issuer.claims(&url, scope);
        claims["groups"] = json!([group]);
        issuer.token(&claims)
    };
    for (scope, writes) in [("openid", true), ("", true), ("neon:read", false), (ALL, true)] {
        server.token = Some(token(scope, "dev"));
        let client = server.client(TestClient::alone(), Era::Modern).await;
        let tools = client.list_all_tools().await.expect("a list");
        let has = |name: &str| tools.iter().any(|tool| tool.name == name);
        // Whoever asked the issuer for less meant it.
        assert_eq!((has("list_projects"), has("create_branch")), (true, writes), "{scope}");
        assert_eq!(has("delete_project"), scope == ALL, "{scope}");
    }
    // No more are to be had from an issuer that has none: no challenge.
    let body = calling("delete_project", &json!({"project_id": PROJECT}), Era::Modern);
    let shown = format!("Bearer {}", token("openid", "dev"));
    let answer = post(&server, &[&shown], Era::Modern, &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let (status, asks) = answered(&server, &token("openid", "staff")).await;
    assert!(
        status == StatusCode::FORBIDDEN && asks.contains("insufficient_scope"),
        "{asks}"
    );
    let (status, asks) = answered(&server, &token(ALL, "blind")).await;
    assert_eq!((status, asks.as_str()), (StatusCode::FORBIDDEN, ""));
}

/// Groups of which nobody can tell all.
fn untold() -> [Value; 5] {
    [
        json!({"groups": vec!["x"; 1_001]}),
        json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://id.example"}}}),
        json!({"hasgroups": true}),
        json!({"groups": [{"name": "contractors"}]}),
        json!({"groups": {"contractors": true}}),
    ]
}

#[tokio::test]
async fn groups_that_are_not_told_whole_open_nothing() {
    let map = "default = \"allow\"\n[[subject]]\nsub = \"ada\"\n[[group]]\nname = \"contractors\"\nscopes = [\"neon:read\"]\n";
    let (_upstream, issuer, mut server) = mapped(map, "").await;
    for claims in untold() {
        let status = status_of(&issuer, &server, "eve", &claims).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{claims}");
        // Of whom the file speaks by name, groups decide nothing.
        assert_eq!(
            status_of(&issuer, &server, "ada", &claims).await,
            StatusCode::OK,
            "{claims}"
        );
    }
    // The last of many groups counts as the first does.
    let mut many: Vec<String> = (0..700).map(|number| format!("{number:x}")).collect();
    many.push("contractors".to_owned());
    let mut claims = issuer.claims(&server.url, ALL);
    claims["groups"] = json!(many);
    claims["sub"] = "eve".into();
    server.token = Some(issuer.token(&claims));
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let tools = client.list_all_tools().await.expect("a list");
    assert!(
        !tools.iter().any(|tool| tool.name == "create_branch"),
        "it is a contractor"
    );
    assert_eq!(
        status_of(&issuer, &server, "eve", &json!({})).await,
        StatusCode::OK,
        "it is in no group"
    );
}

#[tokio::test]
async fn groups_that_are_not_told_whole_matter_only_where_groups_do() {
    let by_subject = "default = \"allow\"\n[[subject]]\nsub = \"ada\"\n";
    let (_upstream, issuer, server) = mapped(by_subject, "").await;
    for claims in untold() {
        assert_eq!(
            status_of(&issuer, &server, "eve", &claims).await,
            StatusCode::OK,
            "{claims}"
        );
    }
    // Who approves what is the policy's to say by group, too.
    let (_upstream, issuer, server) = mapped(by_subject, "[[approval.approvers]]\ngroups = [\"dba\"]\n").await;
    for claims in untold() {
        let status = status_of(&issuer, &server, "ada", &claims).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{claims}");
    }
    assert_eq!(
        status_of(&issuer, &server, "ada", &json!({"groups": ["dba"]})).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn map_that_is_rewritten_in_place_opens_nothing_to_whom_it_names_nowhere() {
    let state = state_home();
    let (new, path) = (state.join("new.toml"), state.join("map.toml"));
    let groups = (0..40).map(|number| format!("[[group]]\nname = \"g{number}\"\ncalls_per_minute = 30\n"));
    let map = format!("default = \"deny\"\n\n{}# end\n", groups.collect::<String>());
    std::fs::write(&new, map).expect("written");
    std::fs::copy(&new, &path).expect("copied");
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let (origin, at) = (issuer.origin(), path.to_str().expect("a path").to_owned());
    let arguments = ["--auth", "oauth", "--oauth-issuer", &origin, "--oauth-map", &at];
    let server = serve(&upstream, &arguments, &state).await;
    let ends = std::time::Instant::now() + std::time::Duration::from_secs(3);
    let copies = tokio::task::spawn_blocking(move || {
        while std::time::Instant::now() < ends {
            std::fs::copy(&new, &path).expect("copied");
        }
    });
    while !copies.is_finished() {
        let status = status_of(&issuer, &server, "stranger", &json!({})).await;
        assert!(
            matches!(status, StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE),
            "{status}"
        );
    }
    copies.await.expect("copied");
    // As it is left by a disk that is full.
    std::fs::write(&at, "").expect("written");
    let status = status_of(&issuer, &server, "stranger", &json!({})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn policy_of_a_group_that_is_left_empty_or_cut_off_widens_nothing() {
    let map = "default = \"deny\"\n[[group]]\nname = \"contractors\"\npolicy = \"narrow.toml\"\n";
    let state = state_home();
    let narrow = "[effects]\nwrite = \"deny\"\ndestructive = \"deny\"\n# end\n";
    std::fs::write(state.join("narrow.toml"), narrow).expect("written");
    std::fs::write(state.join("map.toml"), format!("{map}# end\n")).expect("written");
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let (origin, path) = (issuer.origin(), state.join("map.toml"));
    let path = path.to_str().expect("a path");
    let arguments = ["--auth", "oauth", "--oauth-issuer", &origin, "--oauth-map", path];
    let server = serve(&upstream, &arguments, &state).await;
    let groups = json!({"groups": ["contractors"]});
    let status = async || status_of(&issuer, &server, "eve", &groups).await;
    assert_eq!(status().await, StatusCode::OK);
    for text in ["", "[effects]\nwrite = \"deny\"\n"] {
        std::fs::write(state.join("narrow.toml"), text).expect("written");
        harness::wait::until_async("the policy is looked at", async || {
            status().await == StatusCode::SERVICE_UNAVAILABLE
        })
        .await;
    }
    std::fs::write(state.join("narrow.toml"), narrow).expect("written");
    harness::wait::until_async("it is whole", async || status().await == StatusCode::OK).await;
}
