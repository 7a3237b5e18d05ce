//! Whether a task told in a user's words leads to the right tool: with our search, and with the one that clients have.
//!
//! Half of the requests (`develop`) are there to be looked at. The other half (`held_out`) is what counts: no synonym is written
//! from it, so this file tells how many of it fail and never which.

mod bm25;

use std::time::Instant;

use neon_mcp::catalog::{Catalog, SearchIndex, Selection, SelectionOptions};
use neon_mcp::guard::Policy;
use neon_mcp::server::published;
use serde::Deserialize;

use bm25::Bm25;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// What a user says.
    request: String,
    /// The tools that answer it.
    tools: Vec<String>,
    set: Set,
    /// Only a tool that isn't there yet answers it.
    #[serde(default)]
    later: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Set {
    Develop,
    HeldOut,
}

/// How many requests find their tool first, and among the first five.
#[derive(Debug)]
struct Recall {
    requests: usize,
    first: usize,
    among_five: usize,
}

impl Recall {
    #[allow(clippy::cast_precision_loss)]
    fn first(&self) -> f64 {
        self.first as f64 / self.requests as f64
    }

    #[allow(clippy::cast_precision_loss)]
    fn among_five(&self) -> f64 {
        self.among_five as f64 / self.requests as f64
    }
}

impl std::fmt::Display for Recall {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, five) = (100.0 * self.first(), 100.0 * self.among_five());
        write!(
            formatter,
            "of {} requests {first:.1} % first, {five:.1} % among five",
            self.requests
        )
    }
}

fn everything() -> Selection {
    let options = SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    };
    let catalog = Catalog::embedded().expect("the catalogue loads");
    Selection::new(catalog, &options, &Policy::default()).expect("a selection")
}

/// The requests of a set whose best answer is a tool that is there.
fn requests(selection: &Selection, set: Set) -> Vec<Request> {
    let all: Vec<Request> = serde_json::from_str(include_str!("requests.json")).expect("requests");
    let there = |request: &Request| request.tools.first().is_some_and(|tool| selection.tool(tool).is_some());
    for request in &all {
        assert!(
            request.later || there(request),
            "a request has no tool: {:?}",
            request.tools
        );
    }
    let of_set = all.into_iter().filter(|request| request.set == set);
    of_set.filter(there).collect()
}

fn recall(selection: &Selection, set: Set, search: impl Fn(&str) -> Vec<String>) -> Recall {
    let requests = requests(selection, set);
    let mut recall = Recall {
        requests: requests.len(),
        first: 0,
        among_five: 0,
    };
    for request in &requests {
        let found = search(&request.request);
        let is_right = |name: &String| request.tools.contains(name);
        recall.first += usize::from(found.first().is_some_and(is_right));
        recall.among_five += usize::from(found.iter().take(5).any(is_right));
    }
    recall
}

#[test]
fn a_request_in_a_user_s_words_finds_its_tool() {
    let selection = everything();
    let begun = Instant::now();
    let index = SearchIndex::new(&selection).expect("an index");
    eprintln!("indexed in {:?}", begun.elapsed());
    let search = |request: &str| -> Vec<String> {
        let found = index.search(&selection, request);
        found.iter().map(|selected| selected.tool.name().to_owned()).collect()
    };
    eprintln!("develop: {}", recall(&selection, Set::Develop, search));
    // Those of this half may be looked at.
    for request in requests(&selection, Set::Develop) {
        let found = search(&request.request);
        if !request.tools.iter().any(|tool| Some(tool) == found.first()) {
            eprintln!(
                "develop: {:?} finds {:?}, not {:?}",
                request.request,
                found.first(),
                request.tools
            );
        }
    }
    let begun = Instant::now();
    let held_out = recall(&selection, Set::HeldOut, search);
    eprintln!("held out: {held_out}, in {:?}", begun.elapsed());
    assert!(held_out.requests >= 300, "{held_out}");
    assert!(held_out.first() >= 0.80, "{held_out}");
    assert!(held_out.among_five() >= 0.95, "{held_out}");
}

/// Requests of a task that once led elsewhere: each finds one of these first.
const FIRST: [(&str, &[&str]); 26] = [
    (
        "make branch dev/alice what main is now",
        &["reset_from_parent", "restore_branch"],
    ),
    (
        "reset dev/alice to what main is now",
        &["reset_from_parent", "restore_branch"],
    ),
    (
        "dev should hold what main holds now",
        &["reset_from_parent", "restore_branch"],
    ),
    (
        "set branch feature/x back to the current state of main",
        &["reset_from_parent", "restore_branch"],
    ),
    ("time travel: query how a table looked yesterday", &["create_branch"]),
    ("see what a table looked like a minute ago", &["create_branch"]),
    ("what did customers look like 1 minute ago?", &["create_branch"]),
    ("query the data as it was two hours ago", &["create_branch"]),
    ("list the members of my organization", &["list_organization_members"]),
    ("who is in my organization", &["list_organization_members"]),
    ("list org members", &["list_organization_members"]),
    (
        "copy the production database to try things",
        &["create_throwaway_branch"],
    ),
    (
        "a copy of production to try something risky",
        &["create_throwaway_branch"],
    ),
    (
        "try something on a copy of main and throw the copy away",
        &["create_throwaway_branch"],
    ),
    (
        "turn on Neon Auth with Google sign-in and a trusted domain",
        &["provision_neon_auth"],
    ),
    ("set up Neon Auth with GitHub login", &["provision_neon_auth"]),
    ("Neon Auth set-up", &["provision_neon_auth"]),
    ("which queries are running right now", &["inspect_database"]),
    ("which queries run now", &["inspect_database"]),
    ("what is running on the database at the moment", &["inspect_database"]),
    ("show me the tables", &["get_database_tables"]),
    ("what tables do I have", &["get_database_tables"]),
    (
        "private networking: only our AWS VPC endpoint may reach the project",
        &["assign_project_vpc_endpoint"],
    ),
    (
        "give the contractor read-only access",
        &["set_project_member_role", "create_role"],
    ),
    // What is near to these and was found, and still is.
    ("add google sign-in", &["add_auth_oauth_provider"]),
    (
        "role of one member of the organization",
        &["describe_organization_member"],
    ),
];

#[test]
fn a_request_that_led_elsewhere_finds_its_tool_first() {
    let selection = everything();
    let index = SearchIndex::new(&selection).expect("an index");
    for (request, tools) in FIRST {
        let found = index.search(&selection, request);
        let first = found.first().map(|selected| selected.tool.name());
        assert!(
            first.is_some_and(|first| tools.contains(&first)),
            "{request:?} finds {first:?}"
        );
        assert_eq!(index.absent(request), None, "{request:?}");
    }
}

#[test]
fn what_no_tool_does_is_said_to_be_so() {
    let selection = everything();
    let index = SearchIndex::new(&selection).expect("an index");
    for (request, instead) in [
        ("audit log of who changed what", "list_operations"),
        ("who deleted the table", "list_operations"),
        ("audit log", "list_operations"),
        ("change the region of a project", "create_project"),
        ("move my project from us-east-1 to frankfurt", "create_project"),
        ("upgrade Postgres 16 to 17", "create_project"),
        ("change postgres version of project shop", "create_project"),
        ("cancel a running query", "pg_cancel_backend"),
        ("kill a query that hangs", "pg_cancel_backend"),
        ("stop the long running query", "pg_cancel_backend"),
        ("how do I upgrade postgres to 17?", "create_project"),
        ("rename my organization", "console"),
        ("switch to the launch plan", "describe_current_user"),
        ("merge the dev branch into main", "compare_database_schema"),
    ] {
        let told = index.absent(request);
        assert!(told.is_some_and(|told| told.contains(instead)), "{request:?}: {told:?}");
    }
    // What a tool does isn't said to be impossible.
    for set in [Set::Develop, Set::HeldOut] {
        let requests = requests(&selection, set);
        let lost = requests
            .iter()
            .filter(|request| index.absent(&request.request).is_some());
        assert_eq!(lost.count(), 0, "of {set:?}");
    }
    for selected in selection.tools() {
        for request in [selected.tool.name(), &selected.tool.declaration.title] {
            assert_eq!(index.absent(request), None, "{request}");
        }
    }
    for question in [
        "what version of postgres do I have",
        "in which region is shop",
        "update postgres settings",
    ] {
        assert_eq!(index.absent(question), None, "{question}");
    }
}

#[test]
fn clients_that_search_the_plain_list_find_it_too() {
    let selection = everything();
    let tools = published(&selection);
    let index = Bm25::new(tools.iter().map(|tool| {
        let description = tool.description.as_deref().unwrap_or_default();
        (tool.name.to_string(), format!("{} {description}", tool.name))
    }));
    eprintln!(
        "develop: {}",
        recall(&selection, Set::Develop, |request| index.search(request))
    );
    let held_out = recall(&selection, Set::HeldOut, |request| index.search(request));
    eprintln!("held out: {held_out}");
    assert!(held_out.first() >= 0.19, "{held_out}");
    assert!(held_out.among_five() >= 0.45, "{held_out}");
}

#[test]
fn a_tool_s_own_name_and_title_find_it() {
    let selection = everything();
    let index = SearchIndex::new(&selection).expect("an index");
    for selected in selection.tools() {
        let name = selected.tool.name();
        assert_eq!(index.search(&selection, name)[0].tool.name(), name);
        let titled = index.search(&selection, &selected.tool.declaration.title);
        let place = titled.iter().position(|found| found.tool.name() == name);
        assert!(place.is_some_and(|place| place < 5), "{name} by its title: {place:?}");
    }
}

#[test]
fn what_is_no_request_finds_nothing_and_breaks_nothing() {
    let selection = everything();
    let index = SearchIndex::new(&selection).expect("an index");
    for nothing in ["", " ", "?!", "the of and", "дом", "\u{0}\u{202e}", "xyzzy plugh"] {
        assert_eq!(index.search(&selection, nothing).len(), 0, "{nothing:?}");
    }
    let _ = index.search(&selection, &"delete everything ".repeat(2_000));
}
