//! Through a real MCP client, against the running program.

mod access;
mod arguments;
mod auth;
mod connection_string;
mod data;
mod docs;
mod excluded;
mod faults;
mod files;
mod forms;
mod hostile;
mod http;
mod http_auth;
mod http_bounds;
mod lists;
mod lookups;
mod names;
mod next_calls;
mod protocol;
mod refusals;
mod search;
mod secrets;
mod settings;
mod sql_hosts;
mod storage;
mod times;
mod told;

use serde_json::{Value, json};

use crate::support::catalog;
use crate::support::fake_neon::{Recorded, Reply};

const PROJECT: &str = "quiet-sun-12345678";
const BRANCH: &str = "br-quiet-sun-a1b2c3d4";

/// The error of a refused or failed call.
fn error(value: &Value) -> &Value {
    value.get("error").unwrap_or_else(|| panic!("no error in {value}"))
}

/// An upstream that knows one project with one ordinary branch, and has something for every path.
pub fn neon(request: &Recorded) -> Reply {
    if request.path().ends_with("/api_keys") {
        return Reply::json(200, json!([]));
    }
    if request.path().ends_with("/branches/br-root") {
        return Reply::json(
            200,
            json!({"branch": {"id": "br-root", "name": "main", "default": true, "protected": false}}),
        );
    }
    if request.path().ends_with("/branches/br-root/roles") {
        return Reply::json(200, json!({"roles": [{"name": "neondb_owner"}]}));
    }
    let branch = json!({
        "parent_id": "br-root", "id": BRANCH, "project_id": PROJECT, "name": "dev", "default": false, "protected": false, "current_state": "ready",
    });
    let endpoint =
        json!({"id": "ep-quiet-sun-a1b2c3d4", "branch_id": BRANCH, "type": "read_write", "current_state": "idle"});
    Reply::json(
        200,
        json!({
            "project": {"id": PROJECT, "name": "shop"}, "projects": [{"id": PROJECT, "name": "shop"}],
            "branch": branch.clone(), "branches": [branch], "endpoint": endpoint.clone(), "endpoints": [endpoint],
            "operations": [], "members": [], "pagination": {}, "path": request.path(),
        }),
    )
}
