//! An OpenID provider of a team, with a browser that signs in there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::auth::issuer::{Signs, signed};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};

/// This server's client there.
pub const CLIENT: &str = "neon-mcp";
pub const SECRET: &str = "canary secret of the client";

/// A code about which the provider says nothing, ever.
pub const NEVER_ANSWERED: &str = "never";

/// What the provider knows and does.
#[derive(Default)]
pub struct State {
    /// The groups of people.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What stands in the identity in the place of what is right.
    pub claims: Map<String, Value>,
    /// Whom the access token is said to be of, in the place of the one who signed in.
    pub says: Option<String>,
    /// Codes, with whose they are, the challenge, the nonce and where they were sent.
    codes: BTreeMap<String, (String, BTreeMap<String, String>)>,
    /// Access tokens, with whose they are.
    tokens: BTreeMap<String, String>,
    number: usize,
    /// What signs the access tokens of callers.
    key: Option<Arc<Signs>>,
}

/// A running provider.
pub struct Provider {
    upstream: FakeNeon,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub async fn start(people: &[(&str, &[&str])]) -> Self {
        let groups = people.iter().map(|(person, groups)| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            ((*person).to_owned(), groups)
        });
        let state = Arc::new(Mutex::new(State {
            groups: groups.collect(),
            key: Some(Arc::new(Signs::p256())),
            ..State::default()
        }));
        let known = state.clone();
        let upstream = FakeNeon::route(move |request| answer(&mut known.lock().expect("a lock"), request)).await;
        Self { upstream, state }
    }

    pub fn origin(&self) -> String {
        self.upstream.origin()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    /// How often it was asked what it says of itself.
    pub fn metadata_asked(&self) -> usize {
        let asked = self.upstream.requests();
        asked
            .iter()
            .filter(|request| request.path().starts_with("/.well-known/"))
            .count()
    }

    /// An access token for a caller of servers at these addresses, with these claims.
    pub fn access(&self, audiences: &[&str], claims: &Value) -> String {
        let key = self.state().key.clone().expect("a key");
        let mut all = json!({
            "iss": self.origin(), "aud": audiences, "exp": chrono::Utc::now().timestamp() + 300,
            "scope": "neon:read neon:write neon:access neon:destructive",
        });
        let claims = claims.as_object().expect("an object").clone();
        all.as_object_mut().expect("an object").extend(claims);
        let head = json!({"alg": key.algorithm(), "kid": "k1", "typ": "at+jwt"});
        signed(&key, &head, &all)
    }

    /// The person signs in on that page: where the browser is sent then.
    pub fn signs_in(&self, page: &str, person: &str) -> url::Url {
        let page = url::Url::parse(page).expect("an address");
        let asked: BTreeMap<String, String> = page.query_pairs().into_owned().collect();
        assert_eq!(
            (asked["client_id"].as_str(), asked["response_type"].as_str()),
            (CLIENT, "code")
        );
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut state = self.state();
        state.number += 1;
        let code = format!("code-{}", state.number);
        let mut back = url::Url::parse(&asked["redirect_uri"]).expect("an address");
        back.query_pairs_mut()
            .extend_pairs([("code", &code), ("state", &asked["state"]), ("iss", &self.origin())]);
        state.codes.insert(code, (person.to_owned(), asked));
        back
    }
}

fn answer(state: &mut State, request: &Recorded) -> Reply {
    let origin = format!("http://{}", request.header("host").expect("a host"));
    match (request.method.as_str(), request.path()) {
        ("GET", "/.well-known/openid-configuration") => Reply::json(
            200,
            json!({
                "issuer": origin, "authorization_endpoint": format!("{origin}/auth"), "token_endpoint": format!("{origin}/token"),
                "userinfo_endpoint": format!("{origin}/me"), "jwks_uri": format!("{origin}/keys"), "authorization_response_iss_parameter_supported": true,
            }),
        ),
        ("POST", "/token") => token(state, &origin, request),
        ("GET", "/keys") => Reply::json(200, json!({"keys": [state.key.as_ref().map(|key| key.told("k1"))]})),
        ("GET", "/me") => {
            let token = request
                .header("authorization")
                .and_then(|header| header.strip_prefix("Bearer "));
            let Some(person) = token.and_then(|token| state.tokens.get(token)) else {
                return Reply::status(401);
            };
            let groups = state.groups.get(person).cloned().unwrap_or_default();
            let said = state.says.as_ref().unwrap_or(person);
            Reply::json(200, json!({"sub": said, "groups": groups}))
        }
        _ => Reply::status(404),
    }
}

fn token(state: &mut State, origin: &str, request: &Recorded) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{encoded}")));
    if request.header("authorization") != Some(&basic) {
        return Reply::json(401, json!({"error": "invalid_client"}));
    }
    if form["code"] == NEVER_ANSWERED {
        return Reply::hang();
    }
    let Some((person, asked)) = state.codes.remove(&form["code"]) else {
        return Reply::json(400, json!({"error": "invalid_grant"}));
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if challenge != asked["code_challenge"] || form["redirect_uri"] != asked["redirect_uri"] {
        return Reply::json(400, json!({"error": "invalid_grant"}));
    }
    let mut claims = json!({
        "iss": origin, "sub": person, "aud": CLIENT, "nonce": asked["nonce"], "name": format!("{person} of the team"),
        "exp": chrono::Utc::now().timestamp() + 300,
    });
    claims.as_object_mut().expect("an object").extend(state.claims.clone());
    state.number += 1;
    let access = format!("canary-access-{}", state.number);
    state.tokens.insert(access.clone(), person);
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let identity = format!("e30.{claims}.signature");
    Reply::json(
        200,
        json!({"access_token": access, "token_type": "Bearer", "id_token": identity}),
    )
}

/// A browser: it keeps cookies, and follows nothing by itself.
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

/// What it was answered.
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub text: String,
    /// The cookies that it was given, whole.
    pub given: Vec<String>,
}

impl Browser {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            http,
            cookies: BTreeMap::new(),
        }
    }

    pub fn cookies(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.cookies
    }

    pub async fn get(&mut self, url: &str) -> Page {
        self.send(self.http.get(url)).await
    }

    /// Sends a form, as a page of that origin does.
    pub async fn post(&mut self, url: &str, origin: &str, form: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(body);
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header("cookie", cookies.join("; ")),
        };
        let answer = request.send().await.expect("an answer");
        let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
        let given: Vec<String> = answer.headers().get_all("set-cookie").iter().map(text).collect();
        for cookie in &given {
            let (name, value) = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        Page {
            status: answer.status(),
            location: answer.headers().get("location").map(text),
            given,
            text: answer.text().await.expect("text"),
        }
    }

    /// Signs that person in from the page of a call.
    pub async fn signs_in(&mut self, provider: &Provider, page: &str, person: &str) -> Page {
        let (origin, code) = page.split_once("/approve/").expect("a page");
        let begin = format!("{origin}/approve/sign-in/{code}");
        let begins = self.get(begin.trim_end_matches('/')).await;
        assert_eq!(begins.status, StatusCode::SEE_OTHER, "{}", begins.text);
        let back = provider.signs_in(&begins.location.expect("a page"), person);
        assert!(
            back.as_str().starts_with(&format!("{origin}/approve/callback?")),
            "{back}"
        );
        self.get(back.as_str()).await
    }
}

/// The hidden field of a form.
pub fn hidden(html: &str) -> String {
    let (_, after) = html
        .split_once("name=\"form\" value=\"")
        .unwrap_or_else(|| panic!("no form in {html}"));
    after.split('"').next().expect("an end").to_owned()
}
