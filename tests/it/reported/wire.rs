//! What clients send over standard input that is no message, or one at the wrong time: it is answered, and ends nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::support::server::{KEY, program};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn new() -> Self {
        let mut command = program(&["stdio"], "http://127.0.0.1:1/api/v2", KEY).into_std();
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn begun() -> Self {
        let mut client = Self::new();
        client.say(HELLO);
        assert_eq!(client.next()["id"], "hello");
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "it has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Whether it answers what comes next, and that first.
    fn goes_on(&mut self, after: &str) {
        self.say(r#"{"jsonrpc":"2.0","id":"still","method":"ping"}"#);
        let answer = self.next();
        assert_eq!(
            (&answer["id"], &answer["result"]),
            (&json!("still"), &json!({})),
            "after {after}"
        );
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn somebody_sent_lines_that_are_no_messages() {
    let mut client = Client::begun();
    for (line, id, code) in [
        ("garbage", Value::Null, -32_700),
        ("{", Value::Null, -32_700),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"a":1e400}}}"#,
            json!(7),
            -32_700,
        ),
        ("[]", Value::Null, -32_600),
        (r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, Value::Null, -32_600),
        ("1", Value::Null, -32_600),
        ("null", Value::Null, -32_600),
        ("{}", Value::Null, -32_600),
        (r#"{"id":7,"method":"ping"}"#, json!(7), -32_600),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, json!(7), -32_600),
        (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, json!(7), -32_600),
        (r#"{"jsonrpc":"2.0","id":7}"#, json!(7), -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null, -32_600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Value::Null, -32_600),
        (
            r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}"#,
            Value::Null,
            -32_600,
        ),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Value::Null, -32_600),
    ] {
        client.say(line);
        let answer = client.next();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&id, &json!(code)),
            "{line}: {answer}"
        );
        // JSON-RPC 2.0, section 5: the id is there, and null, where none could be read.
        assert!(answer.as_object().unwrap().contains_key("id"), "{line}: {answer}");
        client.goes_on(line);
    }
}

/// Messages in which a name stands twice, and where.
pub(super) const TWICE: [(&str, &str); 7] = [
    (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, "/id"),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/list"}"#,
        "/method",
    ),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{},"params":{}}"#,
        "/params",
    ),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_projects","name":"delete_project"}}"#,
        "/params/name",
    ),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_projects","arguments":{"limit":1,"limit":2}}}"#,
        "/params/arguments/limit",
    ),
    // Two spellings of one name.
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_projects","arguments":{"limit":1,"\u006cimit":2}}}"#,
        "/params/arguments/limit",
    ),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_projects","_meta":{"a":[{"b":1,"b":2}]}}}"#,
        "/params/_meta/a/0/b",
    ),
];

#[test]
fn somebody_wrote_a_name_twice() {
    let mut client = Client::begun();
    for (line, place) in TWICE {
        client.say(line);
        let answer = client.next();
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("{place} ")), "{line}: {answer}");
        assert_eq!(answer["error"]["code"], -32_700, "{line}: {answer}");
        client.goes_on(line);
    }
}

#[test]
fn somebody_sent_answers_to_nobody_that_are_none() {
    // No answer is ever answered, as ill-formed as it may be: two programs would complain to each other for ever.
    let mut client = Client::begun();
    for line in [
        r#"{"jsonrpc":"2.0","id":9,"error":5}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":5}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":"x"}}"#,
    ] {
        client.say(line);
        client.goes_on(line);
    }
}

#[test]
fn somebody_called_with_parameters_of_another_form() {
    let mut client = Client::begun();
    for (method, params) in [
        ("tools/call", None),
        ("tools/call", Some(json!(null))),
        ("tools/call", Some(json!({}))),
        ("tools/call", Some(json!([]))),
        ("tools/call", Some(json!("list_projects"))),
        ("tools/call", Some(json!({"name": 5}))),
        ("tools/call", Some(json!({"name": null, "arguments": {}}))),
        ("tools/call", Some(json!({"name": "list_projects", "arguments": []}))),
        (
            "tools/call",
            Some(json!({"name": "list_projects", "arguments": "project"})),
        ),
        ("tools/call", Some(json!({"name": "list_projects", "arguments": 5}))),
        ("tools/call", Some(json!({"name": "list_projects", "_meta": 5}))),
        ("tools/call", Some(json!({"name": "no_such_tool"}))),
        ("tools/list", Some(json!(5))),
        ("tools/list", Some(json!([]))),
        ("tools/list", Some(json!({"cursor": 5}))),
        ("tools/list", Some(json!({"cursor": "of another server"}))),
        ("ping", Some(json!(5))),
        ("initialize", Some(json!({}))),
        ("initialize", Some(json!({"protocolVersion": 5}))),
    ] {
        let mut message = json!({"jsonrpc": "2.0", "id": 7, "method": method});
        if let Some(params) = params {
            message["params"] = params;
        }
        client.say(&message.to_string());
        let answer = client.next();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(7), &json!(-32_602)),
            "{message}: {answer}"
        );
        client.goes_on(&message.to_string());
    }
    // The first page, as some clients ask for it.
    for cursor in [json!(null), json!("")] {
        client
            .say(&json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"cursor": cursor}}).to_string());
        assert!(client.next()["result"]["tools"][0].is_object(), "{cursor}");
    }
    // What isn't there is "method not found".
    client.say(r#"{"jsonrpc":"2.0","id":7,"method":"nope","params":{}}"#);
    assert_eq!(client.next()["error"]["code"], -32_601);
}

#[test]
fn somebody_sent_arguments_as_a_string() {
    let mut client = Client::begun();
    for arguments in [json!("{\"search\": 5}"), json!({"search": 5})] {
        let params = json!({"name": "list_projects", "arguments": arguments});
        client.say(&json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string());
        let answer = client.next();
        let said = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(said.contains("search"), "{answer}");
    }
}

#[test]
fn somebody_sent_something_before_the_handshake() {
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/of/another/protocol","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}"#,
    ] {
        let mut client = Client::new();
        client.say(line);
        client.goes_on(line);
        client.say(line);
        client.say(HELLO);
        assert!(client.next()["result"]["serverInfo"].is_object(), "{line}");
        client.say(line);
        client.goes_on(line);
    }
}
