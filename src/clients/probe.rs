//! Whether a server answers: it is started or called as its client would, and asked who it is.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::base_url::BaseUrl;

/// How long a server may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 256 * 1024;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Answer {
    /// It answers.
    Answers {
        /// The version that it says.
        version: String,
    },
    /// It is there, and wants a token that we don't have.
    WantsToken {
        /// What is wrong with the one that it was shown, as it says.
        #[serde(skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// It is there, and has its clients sign in by themselves.
    WantsSignIn,
    /// It wasn't asked: whoever wrote the file would say what is started, or who learns of it.
    NotAsked {
        /// Why.
        reason: String,
    },
    /// It doesn't.
    Silent {
        /// Why.
        reason: String,
    },
}

/// The variables that a program is given which is only asked who it is: no key, and no setting.
const GIVEN: [&str; 13] = [
    "APPDATA",
    "HOME",
    "LANG",
    "LOCALAPPDATA",
    "SystemRoot",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USERPROFILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];

/// Starts a program with these arguments, and asks who it is. No key of this process comes along, and nothing of the folder in which
/// it runs.
pub async fn ask_program(program: &Path, arguments: &[String]) -> Answer {
    asked(start(program, arguments)).await
}

/// Asks the server at an address who it is, with that token or without one.
pub async fn ask_at(url: &str, token: Option<&str>) -> Answer {
    asked(call(url, token)).await
}

async fn asked(asked: impl Future<Output = Result<Answer, String>>) -> Answer {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => Answer::Silent { reason },
        Err(_) => Answer::Silent {
            reason: format!("it said nothing for {} seconds", PATIENCE.as_secs()),
        },
    }
}

/// The first request of any client.
fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "neon-mcp-install", "version": env!("CARGO_PKG_VERSION") },
        },
    })
}

fn version(answer: &Value) -> Result<Answer, String> {
    let version = answer.pointer("/result/serverInfo/version").and_then(Value::as_str);
    version
        .map(|version| Answer::Answers {
            version: crate::neon::text::one_line(version, 60),
        })
        .ok_or_else(|| "it answered, and not as an MCP server does".to_owned())
}

async fn start(program: &Path, arguments: &[String]) -> Result<Answer, String> {
    let given = GIVEN.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(given)
        .current_dir(program.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it can't be started: {error}"))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it can't be started".to_owned());
    };
    let said = tokio::spawn(async move {
        let mut text = Vec::new();
        let _ = stderr.take(MAX_ANSWER).read_to_end(&mut text).await;
        text
    });
    let request = format!("{}\n", initialize());
    // One that has ended already says why on standard error.
    let _ = stdin.write_all(request.as_bytes()).await;
    let mut lines = BufReader::new(stdout.take(MAX_ANSWER)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(answer) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if answer.get("id") == Some(&json!(1)) {
            drop(stdin);
            let _ = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
            return version(&answer);
        }
    }
    let told = said.await.unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let last = told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let last = crate::guard::mask_text(last);
    Err(format!("it ended: {}", crate::neon::text::one_line(&last, 300)))
}

/// What a server says to a request without a token that counts (RFC 6750, section 3; RFC 9728, section 5.1).
fn refused(headers: &HeaderMap, was_shown: bool) -> Answer {
    let challenge = headers.get(WWW_AUTHENTICATE).and_then(|asks| asks.to_str().ok());
    let challenge = challenge.unwrap_or_default();
    if !was_shown && challenge.contains("resource_metadata=\"") {
        return Answer::WantsSignIn;
    }
    let said = challenge.split_once("error_description=\"").map(|(_, said)| said);
    let said = said.and_then(|said| said.split('"').next());
    Answer::WantsToken {
        said: said.map(|said| crate::neon::text::one_line(said, 200)),
    }
}

async fn call(url: &str, token: Option<&str>) -> Result<Answer, String> {
    // What the address asks for in its query is the server's to judge.
    let (address, query) = url
        .split_once('?')
        .map_or((url, None), |(address, query)| (address, Some(query)));
    let base = BaseUrl::parse(address).map_err(|error| error.to_string())?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if base.is_loopback() {
        builder = builder.no_proxy();
    }
    let http = builder.build().map_err(|_| "HTTP can't be set up".to_owned())?;
    let target = query.map_or_else(
        || base.as_str().to_owned(),
        |query| format!("{}?{query}", base.as_str()),
    );
    let mut request = http
        .post(target)
        .header("Accept", "application/json, text/event-stream")
        .json(&initialize());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|error| match error.is_connect() {
        true => "nothing listens there".to_owned(),
        false => "the request failed".to_owned(),
    })?;
    match answer.status().as_u16() {
        200 => {}
        401 | 403 => return Ok(refused(answer.headers(), token.is_some())),
        status => return Err(format!("it answered with {status}")),
    }
    let mut answer = answer;
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        text.extend_from_slice(&chunk);
        let so_far = String::from_utf8_lossy(&text);
        let lines = so_far
            .lines()
            .map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
        let mut read = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(value) = read.find(|value| value.get("id") == Some(&json!(1))) {
            return version(&value);
        }
        if text.len() as u64 > MAX_ANSWER {
            break;
        }
    }
    Err("it answered, and not as an MCP server does".to_owned())
}
