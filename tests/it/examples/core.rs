//! Rows 2 to 6: projects, branches, computes, roles, databases.

use serde_json::json;

use super::{Story, each, find, in_shop, text};

#[tokio::test]
async fn row_02_manage_projects() {
    let story = Story::of(2).await;
    let shop = story
        .make_shop(json!({"pg_version": 16, "region_id": "aws-eu-central-1"}))
        .await;
    let listed = story.call("list_projects", json!({"search": "shop"})).await;
    assert_eq!(each(&listed["projects"], "id"), [shop.as_str()]);
    let shown = story.shop("describe_project", json!({})).await;
    assert_eq!(shown["project"]["pg_version"], 16, "{shown}");
    assert_eq!(shown["project"]["region_id"], "aws-eu-central-1");
    let libraries = story.shop("list_preload_libraries", json!({})).await;
    assert!(!each(&libraries["libraries"], "library_name").is_empty());

    let renamed = story
        .done("update_project", json!({"project_id": "shop", "name": "store"}))
        .await;
    let shown = story.call("describe_project", json!({"project_id": shop})).await;
    assert_eq!(shown["project"]["name"], "store");
    story.undo(&renamed).await;

    let uri = story.uri("main").await;
    assert!(
        uri.starts_with("postgresql://neondb_owner:") && uri.contains("/neondb?"),
        "{uri}"
    );

    // What others share is in a list of its own, and isn't the user's to delete.
    let gift = json!({"name": "gift", "org_id": story.org});
    let gift = text(&story.call("create_project", gift).await["project"]["id"]);
    story
        .admin(reqwest::Method::POST, "/shares", json!({"project_id": gift}))
        .await;
    let shared = story.call("list_shared_projects", json!({})).await;
    assert_eq!(each(&shared["projects"], "name"), ["gift"]);
    assert_eq!(
        shared["projects"][0]["effective_project_permission"], "EDITOR",
        "{shared}"
    );
    let listed = story.call("list_projects", json!({})).await;
    assert_eq!(each(&listed["projects"], "name"), ["shop"]);
    let shown = story.call("describe_project", json!({"project_id": gift})).await;
    assert_eq!(shown["project"]["name"], "gift");
    for (tool, mut arguments) in [
        ("delete_project", json!({})),
        ("grant_project_permission", json!({"email": "friend@b.example"})),
    ] {
        arguments["project_id"] = gift.as_str().into();
        let error = story.fails(tool, arguments).await;
        assert_eq!(error["status"], 403, "{error}");
    }

    let granted = story
        .shop("grant_project_permission", json!({"email": "friend@b.example"}))
        .await;
    let listed = story.shop("list_project_permissions", json!({})).await;
    assert_eq!(
        each(&listed["project_permissions"], "granted_to_email"),
        ["friend@b.example"]
    );
    let revoked = json!({"permission_id": granted["id"]});
    story.shop("revoke_project_permission", revoked).await;
    let listed = story.shop("list_project_permissions", json!({})).await;
    assert_eq!(listed["project_permissions"], json!([]));

    // Seven days to think it over.
    let recoverable = || story.call("list_projects", json!({"recoverable": true}));
    for (waits, comes_back) in [(6 * 86_400, true), (8 * 86_400, false)] {
        story.shop("delete_project", json!({})).await;
        assert!(story.question().contains("shop"), "{}", story.question());
        let listed = story.call("list_projects", json!({})).await;
        assert_eq!(listed["projects"], json!([]));
        let gone = story.fails("describe_project", json!({"project_id": shop})).await;
        assert_eq!(gone["status"], 404, "{gone}");
        assert!(recoverable().await["projects"][0]["recoverable_until"].is_string());
        story.advance(waits).await;
        if comes_back {
            assert_eq!(each(&recoverable().await["projects"], "id"), [shop.as_str()]);
            let back = story.call("recover_project", json!({"project_id": shop})).await;
            assert_eq!(back["branches"][0]["name"], "main", "{back}");
            assert_eq!(story.uri("main").await, uri, "the same passwords, the same host");
        } else {
            assert_eq!(recoverable().await["projects"], json!([]));
            let gone = story.fails("recover_project", json!({"project_id": shop})).await;
            assert_eq!(gone["status"], 404, "{gone}");
        }
    }
}

#[tokio::test]
async fn row_03_manage_branches() {
    let story = Story::of(3).await;
    story.make_shop(json!({})).await;
    let main = story.branch_id("main").await;
    let dev = story.make_branch(json!({"name": "dev"})).await;
    let shown = story.shop("describe_branch", json!({"branch_id": "dev"})).await;
    assert_eq!(shown["branch"]["parent_id"], main.as_str(), "{shown}");
    assert_eq!(story.branches().await, ["dev", "main"]);
    let count = |search: &str| story.shop("count_branches", json!({"search": search}));
    assert_eq!(count("").await["count"], 2);
    assert_eq!(count("dev").await["count"], 1);

    story
        .shop("update_branch", json!({"branch_id": "dev", "name": "next"}))
        .await;
    assert_eq!(story.branch_id("next").await, dev);

    story.shop("set_default_branch", json!({"branch_id": "next"})).await;
    let listed = story.shop("list_branches", json!({})).await;
    assert_eq!(find(&listed["branches"], "name", "next")["default"], true);
    let main_now = find(&listed["branches"], "name", "main");
    assert!(main_now.get("default").is_none(), "one of them says it: {listed}");
    let refused = story.shop_fails("delete_branch", json!({"branch_id": "next"})).await;
    assert_eq!(refused["kind"], "would_fail", "the default branch stays: {refused}");
    story.shop("set_default_branch", json!({"branch_id": "main"})).await;

    // A deleted branch can be had back for a week, one that is deleted hard can't.
    story.shop("delete_branch", json!({"branch_id": "next"})).await;
    assert_eq!(story.branches().await, ["main"]);
    let deleted = || story.shop("list_branches", json!({"include_deleted": true}));
    let listed = deleted().await;
    let recovery = &find(&listed["branches"], "id", dev.as_str())["recovery"];
    assert!(recovery["recoverable_until"].is_string(), "{listed}");
    let back = story.shop("recover_branch", json!({"branch_id": dev})).await;
    assert_eq!(back["endpoints"][0]["current_state"], "idle", "{back}");
    assert_eq!(story.branches().await, ["main", "next"]);
    let asked = story.asked();
    story
        .shop("delete_branch", json!({"branch_id": "next", "hard_delete": true}))
        .await;
    assert_eq!(story.asked(), asked + 1);
    assert_eq!(each(&deleted().await["branches"], "name"), ["main"]);
    let gone = story.shop_fails("recover_branch", json!({"branch_id": dev})).await;
    assert_eq!(gone["status"], 404, "{gone}");
}

#[tokio::test]
async fn row_04_manage_computes() {
    let story = Story::of(4).await;
    story.make_shop(json!({})).await;
    let dev = story.make_branch(json!({"name": "dev", "compute": false})).await;
    let on_dev = || story.shop("list_branch_computes", json!({"branch_id": "dev"}));
    assert_eq!(on_dev().await["endpoints"], json!([]));

    let new = json!({"branch_id": "dev", "type": "read_write", "autoscaling_limit_max_cu": 1});
    let made = story.shop("create_compute", new).await;
    let id = text(&made["endpoint"]["id"]);
    let one = json!({"endpoint_id": id});
    let shown = || story.shop("describe_compute", one.clone());
    assert_eq!(each(&on_dev().await["endpoints"], "id"), [id.as_str()]);
    let all = story.shop("list_computes", json!({})).await;
    assert_eq!(all["endpoints"].as_array().map(Vec::len), Some(2), "{all}");
    assert_eq!(find(&all["endpoints"], "id", id.as_str())["branch_id"], dev.as_str());

    let change = json!({
        "endpoint_id": id, "name": "worker", "autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2,
        "suspend_timeout_seconds": 120,
    });
    let changed = story.done("update_compute", in_shop(change)).await;
    let endpoint = &shown().await["endpoint"];
    assert_eq!(endpoint["name"], "worker");
    assert_eq!(endpoint["autoscaling_limit_max_cu"], 2.0);
    assert_eq!(endpoint["suspend_timeout_seconds"], 120);
    story.undo(&changed).await;
    assert_eq!(shown().await["endpoint"]["autoscaling_limit_max_cu"], 1.0);

    let host = shown().await["endpoint"]["host"].clone();
    for (tool, state) in [
        ("suspend_compute", "idle"),
        ("start_compute", "active"),
        ("restart_compute", "active"),
    ] {
        story.shop(tool, one.clone()).await;
        let endpoint = &shown().await["endpoint"];
        assert_eq!(endpoint["current_state"], state, "{tool}");
        assert_eq!(endpoint["host"], host, "{tool}");
    }
    story.advance(301).await;
    assert_eq!(shown().await["endpoint"]["current_state"], "idle", "it scales to zero");

    story.shop("delete_compute", one.clone()).await;
    assert_eq!(on_dev().await["endpoints"], json!([]));
    let gone = story.shop_fails("describe_compute", one).await;
    assert_eq!(gone["status"], 404, "{gone}");
}

#[tokio::test]
async fn row_05_manage_roles() {
    let story = Story::of(5).await;
    story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    let role = |name: &str| json!({"branch_id": "dev", "role_name": name});
    let names = || async {
        each(
            &story.shop("list_roles", json!({"branch_id": "dev"})).await["roles"],
            "name",
        )
    };

    let new = json!({"branch_id": "dev", "name": "app"});
    let made = story.shop("create_role", new.clone()).await;
    assert!(made["role"].get("branch_id").is_none(), "the call is about it: {made}");
    let password = text(&made["role"]["password"]);
    assert_eq!(names().await, ["neondb_owner", "app"]);
    let shown = story.shop("describe_role", role("app")).await;
    assert!(!shown.to_string().contains(&password), "{shown}");
    let revealed = story.shop("get_role_password", role("app")).await;
    assert_eq!(revealed["password"], password.as_str());
    let again = story.shop_fails("create_role", new).await;
    assert_eq!(again["status"], 409, "{again}");

    let reset = story.shop("reset_role_password", role("app")).await;
    assert_ne!(reset["role"]["password"], password.as_str());
    let revealed = story.shop("get_role_password", role("app")).await;
    assert_eq!(revealed["password"], reset["role"]["password"]);

    let refused = story.shop_fails("delete_role", role("neondb_owner")).await;
    assert_eq!(refused["kind"], "would_fail", "it owns a database: {refused}");
    story.shop("delete_role", role("app")).await;
    assert_eq!(names().await, ["neondb_owner"]);
    let gone = story.shop_fails("describe_role", role("app")).await;
    assert_eq!(gone["status"], 404, "{gone}");

    // A project that keeps no passwords can't show them, and gives a new one once.
    let vault = json!({"name": "vault", "org_id": story.org, "store_passwords": false});
    story.call("create_project", vault).await;
    let owner = json!({"project_id": "vault", "branch_id": "main", "role_name": "neondb_owner"});
    let error = story.fails("get_role_password", owner.clone()).await;
    assert_eq!(error["status"], 412, "{error}");
    let reset = story.call("reset_role_password", owner).await;
    assert!(!text(&reset["role"]["password"]).is_empty());
}

#[tokio::test]
async fn row_06_manage_databases() {
    let story = Story::of(6).await;
    story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    story
        .shop("create_role", json!({"branch_id": "dev", "name": "app"}))
        .await;
    let database = |name: &str| json!({"branch_id": "dev", "database_name": name});
    let names = || async {
        let listed = story.shop("list_databases", json!({"branch_id": "dev"})).await;
        each(&listed["databases"], "name")
    };

    let new = json!({"branch_id": "dev", "name": "orders", "owner_name": "neondb_owner"});
    story.shop("create_database", new).await;
    assert_eq!(names().await, ["neondb", "orders"]);
    let mut change = database("orders");
    change["name"] = "sales".into();
    change["owner_name"] = "app".into();
    let changed = story.done("update_database", in_shop(change)).await;
    let shown = story.shop("describe_database", database("sales")).await;
    assert_eq!(shown["database"]["owner_name"], "app");
    let gone = story.shop_fails("describe_database", database("orders")).await;
    assert_eq!(gone["status"], 404, "{gone}");
    story.undo(&changed).await;
    let shown = story.shop("describe_database", database("orders")).await;
    assert_eq!(shown["database"]["owner_name"], "neondb_owner");

    let main = story.shop("list_databases", json!({"branch_id": "main"})).await;
    assert_eq!(each(&main["databases"], "name"), ["neondb"], "a branch has its own");
    story.shop("delete_database", database("orders")).await;
    assert_eq!(names().await, ["neondb"]);
}
