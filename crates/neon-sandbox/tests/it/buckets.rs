//! Buckets, objects and the links to them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Made, Rig, each};

/// Uploads an object through a link, as a client without a key does.
pub async fn upload(rig: &Rig, at: &str, key: &str, content: impl Into<Vec<u8>>) {
    let key = key.replace('/', "%2F");
    let path = format!("{at}/objects/{key}/presign");
    let body = json!({ "operation": "upload", "content_type": "text/plain" });
    let link = rig.post(&path, body).await.expect(200);
    assert_eq!(link["method"], "PUT");
    let response = rig
        .http
        .put(link["url"].as_str().unwrap())
        .header("Content-Type", link["headers"]["Content-Type"].as_str().unwrap())
        .body(content.into())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

async fn bucket(rig: &Rig, project: &Made, name: &str) -> String {
    let made = rig
        .post(&project.main("/buckets"), json!({ "name": name }))
        .await
        .expect(201);
    assert_eq!(made["bucket"]["access_level"], "private");
    project.main(&format!("/buckets/{name}"))
}

#[tokio::test]
async fn a_bucket_is_made_listed_and_deleted() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let all = project.main("/buckets");
    assert_eq!(rig.get(&all).await.expect(200)["buckets"], json!([]));
    let one = bucket(&rig, &project, "images").await;
    let public = json!({ "name": "site", "access_level": "public_read" });
    let made = rig.post(&all, public).await.expect(201);
    assert_eq!(made["bucket"]["access_level"], "public_read");
    let listed = rig.get(&all).await.expect(200);
    assert_eq!(each(&listed["buckets"], "name"), ["images", "site"]);
    rig.post(&all, json!({ "name": "images" })).await.refused(409);
    rig.post(&all, json!({ "name": "" })).await.refused(400);
    rig.post(&all, json!({ "name": "x".repeat(256) })).await.refused(400);
    rig.post(&all, json!({ "name": "y", "access_level": "open" }))
        .await
        .refused(400);
    rig.delete(&one).await.expect(204);
    rig.delete(&one).await.refused(404);
    rig.get(&format!("{one}/objects")).await.refused(404);
    assert_eq!(each(&rig.get(&all).await.expect(200)["buckets"], "name"), ["site"]);
}

#[tokio::test]
async fn a_deleted_project_answers_410_to_a_new_bucket() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.delete(&project.path("")).await.expect(200);
    rig.post(&project.main("/buckets"), json!({ "name": "x" }))
        .await
        .refused(410);
    rig.get(&project.main("/buckets")).await.refused(404);
    let missing = "/projects/sandbox-none-1/branches/br-x/buckets";
    rig.post(missing, json!({ "name": "x" })).await.refused(404);
}

#[tokio::test]
async fn objects_are_uploaded_listed_by_folder_downloaded_and_deleted() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = bucket(&rig, &project, "files").await;
    for key in ["a.txt", "logs/2030/1.txt", "logs/2030/2.txt", "logs/x.txt", "z/ü x.txt"] {
        upload(&rig, &at, key, format!("content of {key}")).await;
    }
    let listed = rig.get(&format!("{at}/objects")).await.expect(200);
    assert_eq!(
        each(&listed["objects"], "key"),
        ["a.txt", "logs/2030/1.txt", "logs/2030/2.txt", "logs/x.txt", "z/ü x.txt"]
    );
    assert_eq!(listed["objects"][0]["size"], 16);
    assert_eq!(listed["is_truncated"], false);
    let top = rig.get(&format!("{at}/objects?delimiter=/")).await.expect(200);
    assert_eq!(each(&top["objects"], "key"), ["a.txt"]);
    assert_eq!(top["folders"], json!(["logs/", "z/"]));
    let below = rig
        .get(&format!("{at}/objects?delimiter=/&prefix=logs/"))
        .await
        .expect(200);
    assert_eq!(each(&below["objects"], "key"), ["logs/x.txt"]);
    assert_eq!(below["folders"], json!(["logs/2030/"]));
    assert_eq!(below["prefix"], "logs/");

    let one = format!("{at}/objects/logs%2Fx.txt");
    let read = rig.get(&format!("{one}/download")).await;
    assert_eq!(read.headers["content-type"], "application/octet-stream");
    assert_eq!(read.expect(200), "content of logs/x.txt");
    rig.get(&format!("{at}/objects/none/download")).await.refused(404);

    rig.delete(&one).await.expect(204);
    rig.delete(&one).await.refused(404);
    let by_prefix = format!("{at}/objects-by-prefix?prefix=");
    rig.delete(&format!("{by_prefix}logs")).await.refused(400);
    rig.delete(&by_prefix).await.refused(400);
    rig.delete(&format!("{by_prefix}logs%0A/")).await.refused(400);
    assert_eq!(rig.delete(&format!("{by_prefix}logs/")).await.expect(200)["deleted"], 2);
    assert_eq!(rig.delete(&format!("{by_prefix}logs/")).await.expect(200)["deleted"], 0);
    let left = rig.get(&format!("{at}/objects")).await.expect(200);
    assert_eq!(each(&left["objects"], "key"), ["a.txt", "z/ü x.txt"]);
}

#[tokio::test]
async fn a_listing_is_paged_over_objects_and_folders() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = bucket(&rig, &project, "files").await;
    for key in ["a/1", "a/2", "b", "c/1", "d", "e"] {
        upload(&rig, &at, key, "x").await;
    }
    let mut path = format!("{at}/objects?delimiter=/&limit=2");
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = rig.get(&path).await.expect(200);
        for folder in page["folders"].as_array().unwrap() {
            seen.push(folder.as_str().unwrap().to_owned());
        }
        seen.extend(each(&page["objects"], "key").into_iter().map(str::to_owned));
        assert_eq!(page["is_truncated"], page["next_cursor"].is_string());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{at}/objects?delimiter=/&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["a/", "b", "c/", "d", "e"]);
    rig.get(&format!("{at}/objects?limit=0")).await.refused(400);
    rig.get(&format!("{at}/objects?limit=1001")).await.refused(400);
    rig.get(&format!("{at}/objects?cursor=nonsense")).await.refused(400);
}

#[tokio::test]
async fn a_link_is_for_one_use_and_one_time() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = bucket(&rig, &project, "files").await;
    upload(&rig, &at, "a", "hello").await;
    let presign = format!("{at}/objects/a/presign");
    let download = rig.post(&presign, json!({ "operation": "download" })).await.expect(200);
    let url = download["url"].as_str().unwrap().to_owned();
    let get = async |url: &str| rig.http.get(url).send().await.unwrap();
    let answer = get(&url).await;
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(answer.text().await.unwrap(), "hello");
    assert_eq!(rig.http.put(&url).body("x").send().await.unwrap().status(), 403);
    assert_eq!(get(&format!("{url}x")).await.status(), 403);

    let body = json!({ "operation": "upload", "content_type": "image/png" });
    let upload = rig.post(&presign, body).await.expect(200);
    let put = rig
        .http
        .put(upload["url"].as_str().unwrap())
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 403, "another Content-Type than the link's");

    rig.advance(901).await;
    assert_eq!(get(&url).await.status(), 403, "900 s by default");
    for (body, status) in [
        (json!({}), 400),
        (json!({ "operation": "delete" }), 400),
        (json!({ "operation": "upload", "expires_in_seconds": 0 }), 400),
        (json!({ "operation": "upload", "expires_in_seconds": 604_801 }), 400),
    ] {
        rig.post(&presign, body).await.refused(status);
    }
    let none = format!("{at}/objects/none/presign");
    rig.post(&none, json!({ "operation": "download" })).await.refused(404);
    rig.post(&none, json!({ "operation": "upload" })).await.expect(200);
    let lost = project.main("/buckets/none/objects/a/presign");
    rig.post(&lost, json!({ "operation": "upload" })).await.refused(404);
}

#[tokio::test]
async fn a_child_has_copies_of_its_own_and_what_a_branch_had_goes_with_it() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = bucket(&rig, &project, "files").await;
    upload(&rig, &at, "a", "one").await;
    let child = rig.branch(&project, "child").await;
    let there = project.branch(&child, "/buckets/files");
    let read = rig.get(&format!("{there}/objects/a/download")).await;
    assert_eq!(read.expect(200), "one");
    rig.delete(&format!("{there}/objects/a")).await.expect(204);
    rig.get(&format!("{at}/objects/a/download")).await.expect(200);
    let link = rig
        .post(&format!("{there}/objects/b/presign"), json!({ "operation": "upload" }))
        .await
        .expect(200);
    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.settle().await;
    rig.get(&format!("{there}/objects")).await.refused(404);
    let late = rig
        .http
        .put(link["url"].as_str().unwrap())
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(late.status(), 404);
    let empty = rig
        .branch_with(
            &project,
            json!({ "branch": { "name": "schema", "init_source": "schema-only" } }),
        )
        .await;
    let none = rig.get(&project.branch(&empty, "/buckets")).await.expect(200);
    assert_eq!(none["buckets"], json!([]));
}

#[tokio::test]
async fn objects_of_the_parent_outlive_a_deletion_by_prefix_on_the_child() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = bucket(&rig, &project, "files").await;
    upload(&rig, &at, "logs/old", "parent").await;
    upload(&rig, &at, "logs/both", "parent").await;
    let child = rig.branch(&project, "child").await;
    let there = project.branch(&child, "/buckets/files");
    upload(&rig, &there, "logs/both", "child").await;
    upload(&rig, &there, "logs/new", "child").await;
    let gone = rig
        .delete(&format!("{there}/objects-by-prefix?prefix=logs/"))
        .await
        .expect(200);
    assert_eq!(gone["deleted"], 2, "what is on the child itself");
    let left = rig.get(&format!("{there}/objects")).await.expect(200);
    assert_eq!(each(&left["objects"], "key"), ["logs/old"]);
    rig.delete(&format!("{there}/objects/logs%2Fold")).await.expect(204);
}

#[tokio::test]
async fn another_project_s_key_sees_no_bucket() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    bucket(&rig, &project, "files").await;
    let kind = json!({ "name": "ci", "kind": { "type": "project", "project_id": "sandbox-none-1" } });
    let made: Value = rig.admin(Method::POST, "/keys", Some(kind)).await.expect(201);
    let url = format!("{}{}", rig.sandbox.api_url(), project.main("/buckets"));
    let key = made["key"].as_str().unwrap();
    let answer = rig.http.get(url).bearer_auth(key).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}
