//! Where SQL may go: a connection string whose host isn't under a suffix that the operator named gets none.

use serde_json::json;

use super::PROJECT;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server::{KEY, TestClient, TestServer, program};

/// An upstream whose connection strings are to that host, and which answers SQL.
async fn upstream(host: &'static str) -> FakeNeon {
    FakeNeon::route(move |request: &Recorded| {
        if request.path() == "/sql" {
            let one = json!({
                "fields": [{"name": "one", "dataTypeID": 23}], "rows": [[1]], "command": "SELECT", "rowCount": 1,
                "rowAsArray": true,
            });
            let count = request.json()["queries"].as_array().map_or(1, Vec::len);
            return Reply::json(200, json!({"results": vec![one; count]}));
        }
        if request.path().ends_with("/connection_uri") {
            return Reply::json(200, json!({"uri": format!("postgresql://r:canary-password@{host}/db")}));
        }
        super::neon(request)
    })
    .await
}

/// Runs a reading statement there, and gives the kind of error and how many statements were sent.
async fn sent(host: &'static str, flags: &[&str], variable: Option<&str>) -> (Option<String>, usize) {
    let upstream = upstream(host).await;
    let mut command = program(&["--toolsets", "sql"], &upstream.url(), KEY);
    command.args(flags);
    if let Some(value) = variable {
        command.env("NEON_MCP_SQL_HOST_SUFFIX", value);
    }
    let server = TestServer::run(command, TestClient::alone(), crate::support::server::Era::Legacy).await;
    let arguments = json!({
        "project_id": PROJECT, "branch_id": super::BRANCH, "sql": "SELECT 1", "database_name": "db", "role_name": "r",
    });
    let (value, is_error) = server.call("run_sql", arguments).await;
    assert!(!value.to_string().contains("canary-password"), "{value}");
    let kind = is_error.then(|| value["error"]["kind"].as_str().expect("a kind").to_owned());
    if is_error {
        assert!(value.to_string().contains("--sql-host-suffix"), "{value}");
        assert_eq!(value["error"]["changed"], "no", "{value}");
    }
    let requests = upstream.requests();
    (kind, requests.iter().filter(|request| request.path() == "/sql").count())
}

#[tokio::test]
async fn sql_goes_to_hosts_under_the_suffixes_alone() {
    let refused = (Some("malformed_answer".to_owned()), 0);
    let inside = "ep-a.eu.db.example.com";
    assert_eq!(
        sent(inside, &["--sql-host-suffix", ".db.example.com"], None).await,
        (None, 1)
    );
    for outside in [
        "ep-a.us-east-2.aws.neon.tech",
        "ep-a.db.example.com.evil.example",
        "xdb.example.com",
        "db.example.com",
        "127.0.0.1:5432",
    ] {
        let found = sent(outside, &["--sql-host-suffix", "db.example.com"], None).await;
        assert_eq!(found, refused, "{outside}");
    }
    // Each of a list counts, however it is given; a flag beats the variable.
    let several = ["--sql-host-suffix", "a.example,db.example.com"];
    assert_eq!(sent(inside, &several, None).await, (None, 1));
    let repeated = ["--sql-host-suffix", "a.example", "--sql-host-suffix", "db.example.com"];
    assert_eq!(sent(inside, &repeated, None).await, (None, 1));
    assert_eq!(sent(inside, &[], Some("a.example, db.example.com")).await, (None, 1));
    assert_eq!(
        sent(inside, &["--sql-host-suffix", "a.example"], Some("db.example.com")).await,
        refused
    );
    // Nobody named any: an API on this machine has its SQL beside it.
    assert_eq!(sent("host", &[], None).await, (None, 1));
}
