//! Paging in Neon's three forms, and upstreams that lie about the end.

use neon_mcp::neon::pages::{PagingError, Walk, collect};
use neon_mcp::neon::{CursorPlace, ErrorKind, Method, PageLimit, Paging, Request};
use serde_json::{Value, json};

use super::{client, context, get};
use crate::support::fake_neon::{FakeNeon, Reply};

fn by_body() -> Paging {
    Paging {
        cursor: CursorPlace::Body("cursor".to_owned()),
        limit: Some(PageLimit {
            name: "limit".to_owned(),
            max: 100,
            full_pages: false,
        }),
        ..Paging::by_query("/records", "/next_cursor")
    }
}

fn projects(max: u32) -> Paging {
    Paging {
        limit: Some(PageLimit {
            name: "limit".to_owned(),
            max,
            full_pages: true,
        }),
        ..Paging::by_query("/projects", "/pagination/cursor")
    }
}

#[test]
fn the_next_cursor_in_all_forms() {
    for (next, page) in [
        ("/pagination/cursor", json!({ "pagination": { "cursor": "c1" } })),
        (
            "/pagination/next",
            json!({ "pagination": { "next": "c1", "sort_by": "x" } }),
        ),
        ("/next_cursor", json!({ "next_cursor": "c1" })),
    ] {
        let paging = Paging::by_query("/items", next);
        assert_eq!(paging.next_cursor(&page), Some("c1"));
        for last in [
            json!({}),
            json!({ "pagination": {}, "next_cursor": "" }),
            json!({ "pagination": null, "next_cursor": null }),
            json!({ "pagination": { "cursor": null, "next": "" } }),
            json!({ "pagination": { "cursor": "", "next": null } }),
        ] {
            assert_eq!(paging.next_cursor(&last), None, "{last}");
        }
    }
}

#[test]
fn the_cursor_goes_where_it_belongs() {
    let request = || Request::new(Method::Post, "/logs", &[]).unwrap();
    let paging = Paging::by_query("/items", "/next_cursor");
    let next = paging.at(paging.at(request(), "c1"), "c2");
    assert_eq!(next.query(), [("cursor".to_owned(), "c2".to_owned())]);

    let asked = request().with_body(json!({ "filter": "x" }));
    let next = by_body().sized(by_body().at(asked, "c1"), 500);
    assert_eq!(
        next.body(),
        Some(&json!({ "filter": "x", "cursor": "c1", "limit": 100 }))
    );
    assert!(next.query().is_empty());

    let sized = projects(400).sized(request(), 25);
    assert_eq!(sized.query(), [("limit".to_owned(), "25".to_owned())]);
}

#[test]
fn paging_is_read_from_data_and_unknown_keys_are_errors() {
    let data = json!({ "items": "/projects", "next": "/pagination/cursor", "cursor": { "query": "cursor" }, "limit": { "name": "limit", "max": 400, "full_pages": true } });
    assert_eq!(serde_json::from_value::<Paging>(data.clone()).unwrap(), projects(400));
    let mut wrong = data;
    wrong["itmes"] = json!("/x");
    assert!(serde_json::from_value::<Paging>(wrong).is_err());
}

#[test]
fn a_walk_ends_at_an_empty_page_that_has_a_cursor() {
    let mut walk = Walk::new(Paging::by_query("/projects", "/pagination/cursor"), None);
    let page = json!({ "projects": [1], "pagination": { "cursor": "c1" } });
    assert_eq!(walk.after(&page, None), Ok(Some("c1".to_owned())));
    let empty = json!({ "projects": [], "pagination": { "cursor": "c1" } });
    assert_eq!(walk.after(&empty, None), Ok(None));
}

#[test]
fn a_cursor_that_comes_again_is_an_error() {
    let page = |cursor: &str| json!({ "projects": [1], "pagination": { "cursor": cursor } });
    let paging = Paging::by_query("/projects", "/pagination/cursor");
    let mut walk = Walk::new(paging.clone(), None);
    walk.after(&page("a"), None).unwrap();
    walk.after(&page("b"), None).unwrap();
    assert_eq!(walk.after(&page("a"), None), Err(PagingError::Repeated));
    let mut walk = Walk::new(paging, Some("given"));
    assert_eq!(walk.after(&page("given"), None), Err(PagingError::Repeated));
    assert_eq!(walk.after(&json!({}), None), Err(PagingError::NoItems));
}

/// An upstream with `total` projects that always sends a cursor, as Neon does.
async fn with_projects(total: usize) -> FakeNeon {
    FakeNeon::route(move |request| {
        let query: Vec<(String, String)> = url::form_urlencoded::parse(request.query().as_bytes())
            .into_owned()
            .collect();
        let number = |name: &str, default: usize| {
            query
                .iter()
                .find(|(present, _)| present == name)
                .map_or(default, |(_, value)| value.parse().unwrap())
        };
        let start = number("cursor", 0);
        let end = (start + number("limit", 10)).min(total);
        let items: Vec<Value> = (start..end).map(Value::from).collect();
        let body = json!({ "projects": items, "pagination": { "cursor": end.to_string() } });
        Reply::json(200, body)
    })
    .await
}

#[tokio::test]
async fn collecting_ends_at_a_short_page() {
    let upstream = with_projects(25).await;
    let collected = collect(&client(&upstream), get(), &projects(10), None, 1_000, &context())
        .await
        .unwrap();
    assert_eq!(collected.items.len(), 25);
    assert_eq!((collected.next, collected.pages), (None, 3));
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn collecting_full_pages_ends_at_the_empty_one() {
    let upstream = with_projects(20).await;
    let collected = collect(&client(&upstream), get(), &projects(10), None, 1_000, &context())
        .await
        .unwrap();
    assert_eq!(collected.items.len(), 20);
    assert_eq!((collected.next, collected.pages), (None, 3));
}

#[tokio::test]
async fn collecting_stops_at_what_was_wanted_with_a_cursor_that_works() {
    let upstream = with_projects(25).await;
    let client = client(&upstream);
    let paging = projects(10);
    let first = collect(&client, get(), &paging, None, 15, &context()).await.unwrap();
    assert_eq!(first.items.len(), 15);
    assert_eq!(first.next.as_deref(), Some("15"));
    let rest = collect(&client, get(), &paging, first.next.as_deref(), 100, &context())
        .await
        .unwrap();
    assert_eq!(rest.items, (15..25).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn collecting_from_a_liar_ends_with_an_error() {
    let page = json!({ "projects": [1], "pagination": { "cursor": "again" } });
    let upstream = FakeNeon::always(Reply::json(200, page)).await;
    let paging = Paging::by_query("/projects", "/pagination/cursor");
    let error = collect(&client(&upstream), get(), &paging, None, 1_000, &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(upstream.count(), 2);
}
