//! Lists: pages by themselves up to a limit, a cursor that works, cut at an item's edge.

use serde_json::{Value, json};

use super::PROJECT;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::fence::bare;
use crate::support::server::{self, TestServer};

/// A list of that many branches, of which each page holds at most ten.
fn many(count: usize, padding: usize) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
    move |request: &Recorded| {
        let query: Vec<(String, String)> = url::form_urlencoded::parse(request.query().as_bytes())
            .into_owned()
            .collect();
        let find = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let from = find("cursor").unwrap_or(0);
        let size = find("limit").unwrap_or(10).min(10);
        let to = (from + size).min(count);
        let items: Vec<Value> = (from..to)
            .map(|n| json!({"id": format!("br-{n}"), "name": "x".repeat(padding)}))
            .collect();
        let pagination = if to < count {
            json!({"next": to.to_string()})
        } else {
            json!({})
        };
        Reply::json(200, json!({"branches": items, "pagination": pagination}))
    }
}

async fn walk(server: &TestServer, limit: Option<usize>) -> (Vec<String>, usize) {
    let (mut ids, mut calls, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let mut arguments = json!({"project_id": PROJECT});
        if let Some(limit) = limit {
            arguments["limit"] = limit.into();
        }
        if let Some(cursor) = &cursor {
            arguments["cursor"] = cursor.as_str().into();
        }
        let (value, is_error) = server.call("list_branches", arguments).await;
        assert!(!is_error, "{value}");
        assert!(value.to_string().len() <= 40_000);
        calls += 1;
        let items = value["result"]["branches"].as_array().expect("branches");
        // One number where all of them are here.
        let page = &value["page"];
        assert_eq!(
            page.get("returned").or(page.get("total")),
            Some(&items.len().into()),
            "{page}"
        );
        assert!(!items.is_empty());
        ids.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        match value["page"]["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (ids, calls),
        }
        assert!(calls < 100);
    }
}

#[tokio::test]
async fn every_item_comes_once_whatever_the_limit() {
    let upstream = FakeNeon::route(many(57, 5)).await;
    let server = server::start(&[], &upstream.url()).await;
    let expected: Vec<String> = (0..57).map(|n| format!("br-{n}")).collect();
    for limit in [Some(1), Some(7), Some(10), Some(25), Some(57), Some(100), None] {
        let (ids, _) = walk(&server, limit).await;
        assert_eq!(ids, expected, "limit {limit:?}");
        // The account's rate limit is kept: a walk of single items is many requests.
        if limit == Some(1) {
            assert!(upstream.count() >= 57);
        }
    }
    let (value, _) = server
        .call("list_branches", json!({"project_id": PROJECT, "limit": 100}))
        .await;
    assert_eq!(value["page"]["total"], 57);
}

#[tokio::test]
async fn a_large_list_is_cut_at_an_items_edge_and_goes_on_there() {
    let upstream = FakeNeon::route(many(40, 3_000)).await;
    let server = server::start(&[], &upstream.url()).await;
    let (ids, calls) = walk(&server, Some(40)).await;
    assert_eq!(ids, (0..40).map(|n| format!("br-{n}")).collect::<Vec<_>>());
    assert!(calls >= 3, "{calls}");
}

#[tokio::test]
async fn a_text_is_cut_at_a_line_and_goes_on_there() {
    let sql: String = (0..3_000)
        .map(|n| format!("CREATE TABLE t{n} (id bigint);\n"))
        .collect();
    let whole = sql.clone();
    let upstream = FakeNeon::route(move |_: &Recorded| Reply::json(200, json!({"sql": sql}))).await;
    let server = server::start(&["--toolsets", "schema"], &upstream.url()).await;
    let (mut got, mut cursor) = (String::new(), None::<String>);
    loop {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": super::BRANCH, "db_name": "neondb"});
        if let Some(cursor) = &cursor {
            arguments["cursor"] = cursor.as_str().into();
        }
        let (value, is_error) = server.call("get_database_schema", arguments).await;
        assert!(!is_error, "{value}");
        got.push_str(&bare(value["result"]["sql"].as_str().expect("sql")));
        match value["page"]["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(got, whole);
}

#[tokio::test]
async fn a_foreign_cursor_and_an_endless_list_are_errors() {
    let upstream = FakeNeon::always(Reply::json(
        200,
        json!({"branches": [{"id": "br-a"}], "pagination": {"next": "same"}}),
    ))
    .await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("list_branches", json!({"project_id": PROJECT, "cursor": "bm9wZQ"}))
        .await;
    assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
    assert_eq!(upstream.count(), 0);
    let (value, is_error) = server.call("list_branches", json!({"project_id": PROJECT})).await;
    assert!(is_error && value["error"]["kind"] == "malformed_answer", "{value}");
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn a_page_without_its_list_is_an_error_and_not_a_shorter_list() {
    let first = Reply::json(
        200,
        json!({"branches": [{"id": "br-a"}], "pagination": {"next": "two"}}),
    );
    let upstream = FakeNeon::start(vec![first, Reply::json(200, json!({"pagination": {}}))]).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server.call("list_branches", json!({"project_id": PROJECT})).await;
    assert!(is_error && value["error"]["kind"] == "malformed_answer", "{value}");
}

#[tokio::test]
async fn many_short_pages_are_handed_over_in_parts() {
    let upstream = FakeNeon::route(|request: &Recorded| {
        let from: usize = request
            .query()
            .split("cursor=")
            .nth(1)
            .and_then(|at| at.split('&').next()?.parse().ok())
            .unwrap_or(0);
        let pagination = if from < 44 {
            json!({"next": (from + 1).to_string()})
        } else {
            json!({})
        };
        Reply::json(
            200,
            json!({"branches": [{"id": format!("br-{from}")}], "pagination": pagination}),
        )
    })
    .await;
    let server = server::start(&[], &upstream.url()).await;
    let (ids, calls) = walk(&server, Some(100)).await;
    assert_eq!(ids, (0..45).map(|n| format!("br-{n}")).collect::<Vec<_>>());
    assert_eq!(calls, 2);
}

#[tokio::test]
async fn a_cursor_of_another_project_or_a_forged_one_is_refused_before_any_request() {
    use base64::Engine as _;
    let upstream = FakeNeon::route(many(30, 5)).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, _) = server
        .call("list_branches", json!({"project_id": PROJECT, "limit": 5}))
        .await;
    let cursor = value["page"]["next_cursor"].as_str().expect("a cursor").to_owned();
    let before = upstream.count();
    let other = json!({"project_id": "other-sun-12345678", "cursor": cursor});
    let (value, is_error) = server.call("list_branches", other).await;
    assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
    let of = cursor.split('.').next().expect("the list");
    let encoded = |page: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(page);
    for forged in [
        format!("{of}.{}.", u64::MAX),
        format!("{of}.0..!{}", encoded("a\r\nb")),
        format!("{of}.0..a b"),
        format!("{of}.0.a/b"),
        format!("{of}.0..!?"),
        format!("{of}.-1."),
        format!("0{of}.0."),
        of.to_owned(),
    ] {
        let (value, is_error) = server
            .call("list_branches", json!({"project_id": PROJECT, "cursor": forged}))
            .await;
        assert!(
            is_error && value["error"]["kind"] == "invalid_arguments",
            "{forged}: {value}"
        );
    }
    assert_eq!(upstream.count(), before);
}
