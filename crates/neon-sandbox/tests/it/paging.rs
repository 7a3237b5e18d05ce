//! Cursors, limits, searches and sorting.

use serde_json::{Value, json};

use super::{Rig, each};

/// Walks all pages and returns a field of all items.
async fn walk(rig: &Rig, path: &str, items: &str, cursor: &str, field: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let page: Value = rig.get(&format!("{path}{next}")).await.expect(200);
        found.extend(each(&page[items], field).into_iter().map(str::to_owned));
        assert!(found.len() < 100, "the pages never end: {found:?}");
        match page["pagination"][cursor].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn projects_page_by_cursor_and_are_searched_by_name_and_id() {
    let rig = Rig::start().await;
    for name in ["one", "two", "three"] {
        rig.project_with(json!({ "name": name })).await;
    }
    assert_eq!(
        walk(&rig, "/projects?limit=2", "projects", "cursor", "name").await,
        ["three", "two", "one"]
    );
    assert_eq!(
        walk(&rig, "/projects?limit=3", "projects", "cursor", "name")
            .await
            .len(),
        3
    );
    let found = rig.get("/projects?search=TW").await.expect(200);
    assert_eq!(each(&found["projects"], "name"), ["two"]);
    let id = found["projects"][0]["id"].as_str().unwrap().to_owned();
    let found = rig.get(&format!("/projects?search={id}")).await.expect(200);
    assert_eq!(each(&found["projects"], "id"), [id]);
}

#[tokio::test]
async fn branches_page_sort_search_and_count() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    for name in ["dev/b", "dev/a", "qa"] {
        rig.branch(&project, name).await;
    }
    let by_name = project.path("/branches?sort_by=name&sort_order=asc&limit=2");
    assert_eq!(
        walk(&rig, &by_name, "branches", "next", "name").await,
        ["dev/a", "dev/b", "main", "qa"]
    );
    let newest = project.path("/branches?sort_by=created_at&limit=1");
    assert_eq!(
        walk(&rig, &newest, "branches", "next", "name").await,
        ["qa", "dev/a", "dev/b", "main"]
    );
    let found = rig
        .get(&project.path("/branches?search=DEV&sort_by=name&sort_order=asc"))
        .await
        .expect(200);
    assert_eq!(each(&found["branches"], "name"), ["dev/a", "dev/b"]);
    assert_eq!(
        rig.get(&project.path("/branches/count?search=dev")).await.expect(200)["count"],
        2
    );
    assert_eq!(rig.get(&project.path("/branches/count")).await.expect(200)["count"], 4);
}

#[tokio::test]
async fn operations_page_by_cursor_without_losing_one() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    for name in ["a", "b", "c"] {
        rig.branch(&project, name).await;
    }
    let found = walk(
        &rig,
        &project.path("/operations?limit=2"),
        "operations",
        "cursor",
        "action",
    )
    .await;
    assert_eq!(
        found,
        [
            "create_branch",
            "create_branch",
            "create_branch",
            "start_compute",
            "create_timeline"
        ]
    );
}

#[tokio::test]
async fn a_foreign_cursor_is_400() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.branch(&project, "a").await;
    let page = rig.get(&project.path("/branches?limit=1")).await.expect(200);
    let cursor = page["pagination"]["next"].as_str().unwrap();
    for path in [
        format!("/projects?cursor={cursor}"),
        project.path(&format!("/operations?cursor={cursor}")),
        project.path(&format!("/branches?sort_by=name&cursor={cursor}")),
        project.path("/branches?cursor=nonsense"),
        rig.project().await.path(&format!("/branches?cursor={cursor}")),
    ] {
        rig.get(&path).await.refused(400);
    }
}
