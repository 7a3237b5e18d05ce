//! An OpenID provider that answers as told, with a small Neon behind it that takes its tokens alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::fake_neon::{FakeNeon, Recorded, Reply};

/// What everybody's tokens contain: no result, log or file but the login's own may.
pub const CANARY: &str = "canarytoken";

/// What the provider knows and does.
#[derive(Default)]
pub struct State {
    /// Access tokens that count, with whose they are.
    pub access: BTreeMap<String, String>,
    /// Refresh tokens that count.
    pub refresh: BTreeMap<String, String>,
    /// How often a refresh token was shown that didn't count, or no longer.
    pub refused: usize,
    pub renewals: usize,
    pub revoked: Vec<String>,
    /// Codes, with whose they are, the challenge and the nonce.
    codes: BTreeMap<String, (String, String, String)>,
    number: usize,
    /// How long new access tokens are good, in seconds.
    pub lifetime: u64,
    /// What stands in the metadata in the place of what is right.
    pub metadata: Map<String, Value>,
    /// The same in the identity.
    pub claims: Map<String, Value>,
    /// Answers 503 to everything.
    pub is_away: bool,
    /// The API takes no token at all.
    pub takes_none: bool,
    /// How long a renewal takes.
    pub slow: Duration,
    /// What stands in answers with tokens beside what is right, or in its place; `null` for nothing.
    pub answer: Map<String, Value>,
    /// Repeats in its refusals what it was sent.
    pub repeats: bool,
}

/// A running provider.
pub struct Issuer {
    pub upstream: FakeNeon,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            lifetime: 3_600,
            ..State::default()
        }));
        let known = state.clone();
        let upstream = FakeNeon::route(move |request| answer(&mut known.lock().expect("a lock"), request)).await;
        Self { upstream, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    /// How often tokens were renewed, and how often one was shown that didn't count.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.renewals, state.refused)
    }

    pub fn origin(&self) -> String {
        self.upstream.origin()
    }

    pub fn api(&self) -> String {
        self.upstream.url()
    }

    /// Tokens of that person, as if they had signed in elsewhere: those that the neon command line keeps.
    pub fn tokens(&self, person: &str) -> Value {
        let mut state = self.state();
        let lifetime = state.lifetime;
        let mut tokens = state.issue(person);
        let ends = chrono::Utc::now().timestamp_millis() + i64::try_from(lifetime).expect("a time") * 1_000;
        tokens["expires_at"] = ends.into();
        tokens["user_id"] = person.into();
        tokens
    }

    /// The person signs in on the page: where the browser is sent then, with what.
    pub fn signs_in(&self, page: &str, person: &str) -> Back {
        let page = url::Url::parse(page).expect("an address");
        let asked: BTreeMap<String, String> = page.query_pairs().into_owned().collect();
        let mut state = self.state();
        state.number += 1;
        let code = format!("{CANARY}-code-{}", state.number);
        let (challenge, nonce) = (asked["code_challenge"].clone(), asked["nonce"].clone());
        state.codes.insert(code.clone(), (person.to_owned(), challenge, nonce));
        let redirect = asked["redirect_uri"].clone();
        let answer = BTreeMap::from([
            ("code", code),
            ("state", asked["state"].clone()),
            ("iss", self.origin()),
        ]);
        Back {
            redirect,
            answer,
            asked,
        }
    }

    /// How many of the requests were to the API with a token.
    pub fn api_requests(&self) -> usize {
        let requests = self.upstream.requests();
        requests
            .iter()
            .filter(|request| request.path().starts_with("/api/"))
            .count()
    }
}

/// A browser on its way back.
pub struct Back {
    redirect: String,
    pub answer: BTreeMap<&'static str, String>,
    /// What the page was asked with.
    pub asked: BTreeMap<String, String>,
}

impl Back {
    /// Opens the address, and gives the status and what the person reads.
    pub async fn arrive(&self) -> (u16, String) {
        self.arrive_as(self.address().authority()).await
    }

    /// The same under another name of this machine.
    pub async fn arrive_as(&self, host: &str) -> (u16, String) {
        read(&self.get(host, "").await.expect("an answer"))
    }

    /// Goes to the address as the page of somebody else has it fetched.
    pub async fn fetched(&self) -> u16 {
        let answer = self.get(self.address().authority(), "sec-fetch-dest: image\r\n").await;
        read(&answer.expect("an answer")).0
    }

    /// Opens the address while the login may end: whoever is not answered by then is not any more.
    pub async fn knock(&self) {
        let _ = self.get(self.address().authority(), "").await;
    }

    fn address(&self) -> url::Url {
        url::Url::parse(&self.redirect).expect("an address")
    }

    /// A request as a browser makes it.
    async fn get(&self, host: &str, headers: &str) -> std::io::Result<String> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut address = self.address();
        address.query_pairs_mut().clear().extend_pairs(&self.answer);
        let target = &address[url::Position::BeforePath..];
        let mut stream = tokio::net::TcpStream::connect(address.authority()).await?;
        let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

/// The status of an answer, and the whole.
fn read(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, answer.to_owned())
}

impl State {
    fn issue(&mut self, person: &str) -> Value {
        self.number += 1;
        let (access, refresh) = (
            format!("{CANARY}-access-{}", self.number),
            format!("{CANARY}-refresh-{}", self.number),
        );
        self.access.insert(access.clone(), person.to_owned());
        self.refresh.insert(refresh.clone(), person.to_owned());
        let mut answer = json!({"access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": self.lifetime,
            "scope": "openid"});
        answer.as_object_mut().expect("an object").extend(self.answer.clone());
        answer
    }

    /// Access tokens that were handed out no longer count.
    pub fn forget_access(&mut self) {
        self.access.clear();
    }

    /// Nobody's sign-in counts any longer.
    pub fn forget_everybody(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

fn answer(state: &mut State, request: &Recorded) -> Reply {
    let origin = format!("http://{}", request.header("host").expect("a host"));
    if request.path().starts_with("/api/v2/") {
        return api(state, request);
    }
    if state.is_away {
        return Reply::status(503);
    }
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    if state.repeats && request.method == "POST" {
        let told: Vec<String> = form.values().cloned().collect();
        let refusal = json!({"error": "server_busy", "error_description": format!("not now: {}", told.join(", "))});
        return Reply::json(400, refusal);
    }
    match (request.method.as_str(), request.path()) {
        ("GET", "/.well-known/openid-configuration") => {
            let mut metadata = json!({
                "issuer": origin, "authorization_endpoint": format!("{origin}/oauth2/auth"),
                "token_endpoint": format!("{origin}/oauth2/token"), "revocation_endpoint": format!("{origin}/oauth2/revoke"),
            });
            let object = metadata.as_object_mut().expect("an object");
            object.extend(state.metadata.clone());
            Reply::json(200, metadata)
        }
        ("POST", "/oauth2/token") => token(state, &origin, &form),
        ("POST", "/oauth2/revoke") => {
            let token = form["token"].clone();
            state.access.remove(&token);
            state.refresh.remove(&token);
            state.revoked.push(token);
            Reply::status(200)
        }
        _ => Reply::status(404),
    }
}

fn token(state: &mut State, origin: &str, form: &BTreeMap<String, String>) -> Reply {
    let refused = || Reply::json(400, json!({"error": "invalid_grant", "error_description": "no longer"}));
    assert_eq!(form["client_id"], "neonctl");
    match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((person, challenge, nonce)) = state.codes.remove(&form["code"]) else {
                return refused();
            };
            let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
            assert_eq!(verifier, challenge, "the verifier is that of the challenge");
            assert!(form["redirect_uri"].starts_with("http://127.0.0.1:"));
            let mut claims = json!({
                "iss": origin, "sub": person, "aud": "neonctl", "nonce": nonce, "email": format!("{person}@example.com"),
                "exp": chrono::Utc::now().timestamp() + 3_600,
            });
            claims.as_object_mut().expect("an object").extend(state.claims.clone());
            let mut tokens = state.issue(&person);
            let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
            tokens["id_token"] = format!("e30.{claims}.signature").into();
            Reply::json(200, tokens)
        }
        "refresh_token" => match state.refresh.remove(&form["refresh_token"]) {
            Some(person) => {
                state.renewals += 1;
                let slow = state.slow;
                Reply::json(200, state.issue(&person)).after(slow)
            }
            None => {
                state.refused += 1;
                refused()
            }
        },
        other => panic!("{other}"),
    }
}

/// Each person has an organization `org-PERSON-…` with a project `PERSON-sun-…` in it.
pub fn organization(person: &str) -> String {
    format!("org-{person}-sun-12345678")
}

pub fn project(person: &str) -> String {
    format!("{person}-sun-12345678")
}

fn api(state: &State, request: &Recorded) -> Reply {
    let token = request
        .header("authorization")
        .and_then(|header| header.strip_prefix("Bearer "));
    let person = match token {
        Some(key) if key.starts_with("napi_") => key.trim_start_matches("napi_").to_owned(),
        Some(token) => match state.access.get(token) {
            Some(_) if state.takes_none => return Reply::error(401, "", "not even this one"),
            Some(person) => person.clone(),
            None => return Reply::error(401, "", "this token does not count"),
        },
        None => return Reply::error(401, "", "no token"),
    };
    let own = json!({
        "id": project(&person), "name": format!("shop of {person}"), "org_id": organization(&person), "region_id": "aws-us-east-1",
        "created_at": "2026-01-01T00:00:00Z",
    });
    let path = request.path().trim_start_matches("/api/v2");
    match (request.method.as_str(), path) {
        (_, "/users/me") => Reply::json(
            200,
            json!({"id": person, "email": format!("{person}@example.com"), "name": person, "last_name": "L", "login": person}),
        ),
        (_, "/users/me/organizations") => {
            let list = json!([{"id": organization(&person), "name": format!("house of {person}")}]);
            Reply::json(200, json!({ "organizations": list }))
        }
        (_, "/auth") => Reply::json(200, json!({"account_id": person, "auth_method": "api_key_user"})),
        ("GET", "/projects") => Reply::json(200, json!({"projects": [own]})),
        ("GET", path) if path == format!("/projects/{}", project(&person)) => {
            Reply::json(200, json!({ "project": own }))
        }
        ("PATCH", path) if path == format!("/projects/{}", project(&person)) => {
            Reply::json(200, json!({ "project": own, "operations": [] }))
        }
        ("DELETE", path) if path == format!("/projects/{}", project(&person)) => {
            Reply::json(200, json!({ "project": own }))
        }
        ("GET", path) if path == format!("/projects/{}/branches", project(&person)) => Reply::json(
            200,
            json!({"branches": [{"id": "br-quiet-sun-a1b2c3d4", "project_id": project(&person), "name": "main", "default": true,
                "protected": false, "created_at": "2026-01-01T00:00:00Z", "current_state": "ready"}]}),
        ),
        ("GET", path) if path.starts_with(&format!("/projects/{}/", project(&person))) => {
            let list = path.rsplit('/').next().expect("a last part").to_owned();
            Reply::json(200, Value::Object(Map::from_iter([(list, json!([]))])))
        }
        _ => Reply::error(404, "", "not found"),
    }
}

/// The tokens in a text: none may be anywhere but in the login's file.
pub fn tokens_in(text: &str) -> BTreeSet<&str> {
    text.match_indices(CANARY)
        .map(|(at, _)| &text[at..text.len().min(at + 40)])
        .collect()
}
