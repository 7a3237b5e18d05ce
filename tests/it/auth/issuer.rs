//! An OAuth issuer that answers as told, and signs tokens as told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::support::fake_neon::{FakeNeon, Gate, Recorded, Reply};

/// An RSA key of the tests alone, PKCS #8: ring makes none.
const RSA: &str = include_str!("rsa-key-of-the-tests.txt");

/// A key that signs.
pub enum Signs {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signs {
    pub fn rsa() -> Self {
        let der = STANDARD.decode(RSA.replace('\n', "")).expect("base64");
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).expect("a key")))
    }

    pub fn p256() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        Self::P256(key.expect("a key"))
    }

    pub fn p384() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.as_ref(), &random);
        Self::P384(key.expect("a key"))
    }

    pub fn ed25519() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    pub fn sign(&self, message: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                match algorithm {
                    "PS256" => key.sign(&RSA_PSS_SHA256, &random, message, &mut signature),
                    _ => key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature),
                }
                .expect("signs");
                signature
            }
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).expect("signs").as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The bytes of the public key, as an attacker has them.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public().as_ref().to_vec(),
            Self::P256(key) | Self::P384(key) => key.public_key().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The public key as a set has it.
    pub fn told(&self, id: &str) -> Value {
        let public = self.public();
        match self {
            Self::Rsa(key) => {
                let components = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": encoded(components.n), "e": encoded(components.e)})
            }
            Self::P256(_) => {
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": encoded(&public[1..33]), "y": encoded(&public[33..])})
            }
            Self::P384(_) => {
                json!({"kty": "EC", "crv": "P-384", "kid": id, "x": encoded(&public[1..49]), "y": encoded(&public[49..])})
            }
            Self::Ed25519(_) => json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": encoded(&public)}),
        }
    }
}

/// What the issuer knows and does.
#[derive(Default)]
pub struct State {
    /// The keys that it names.
    pub keys: BTreeMap<String, Arc<Signs>>,
    /// What it says of opaque tokens.
    pub opaque: BTreeMap<String, Value>,
    /// What stands in its metadata in the place of what is right.
    pub issuer: Option<String>,
    /// It has the metadata of OpenID Connect alone.
    pub is_openid_alone: bool,
    /// It answers 503 to everything.
    pub is_away: bool,
    /// It answers so to whoever asks about a token, with when it wants to be asked again.
    pub refuses: Option<(u16, &'static str)>,
    /// It answers whoever asks about a token when this is open.
    pub gate: Option<Gate>,
    /// It sends whoever asks for keys elsewhere.
    pub redirects: Option<String>,
}

/// A running issuer.
pub struct Issuer {
    pub http: FakeNeon,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// One with a key `k1`.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let known = state.clone();
        let http = FakeNeon::route(move |request| answer(&known.lock().expect("a lock"), request)).await;
        let issuer = Self { http, state };
        issuer.state().keys.insert("k1".to_owned(), Arc::new(Signs::p256()));
        issuer
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    pub fn origin(&self) -> String {
        self.http.origin()
    }

    /// How many requests for that path came.
    pub fn asked(&self, path: &str) -> usize {
        let requests = self.http.requests();
        requests.iter().filter(|request| request.path() == path).count()
    }

    pub fn key(&self, id: &str) -> Arc<Signs> {
        self.state().keys[id].clone()
    }

    /// The claims of a good token for that audience.
    pub fn claims(&self, audience: &str, scope: &str) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({"iss": self.origin(), "aud": audience, "sub": "ada", "iat": now, "exp": now + 300, "scope": scope})
    }

    /// A good token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let key = self.key("k1");
        let head = json!({"alg": key.algorithm(), "kid": "k1", "typ": "at+jwt"});
        signed(&key, &head, claims)
    }
}

/// A token with that head and these claims.
pub fn signed(key: &Signs, head: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
    let algorithm = head["alg"].as_str().unwrap_or_default();
    let signature = key.sign(message.as_bytes(), algorithm);
    format!("{message}.{}", encoded(signature))
}

fn answer(state: &State, request: &Recorded) -> Reply {
    if state.is_away {
        return Reply::status(503);
    }
    let origin = format!("http://{}", request.header("host").unwrap_or_default());
    let metadata = json!({
        "issuer": state.issuer.clone().unwrap_or_else(|| origin.clone()),
        "jwks_uri": format!("{origin}/keys"),
        "introspection_endpoint": format!("{origin}/introspect"),
    });
    match request.path() {
        "/.well-known/oauth-authorization-server" if !state.is_openid_alone => Reply::json(200, metadata),
        "/.well-known/openid-configuration" if state.is_openid_alone => Reply::json(200, metadata),
        "/keys" => match &state.redirects {
            Some(elsewhere) => Reply::redirect(302, elsewhere),
            None => {
                let keys: Vec<Value> = state.keys.iter().map(|(id, key)| key.told(id)).collect();
                Reply::json(200, json!({ "keys": keys }))
            }
        },
        "/introspect" => {
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
            let basic = format!("Basic {}", STANDARD.encode("the-server:the-secret"));
            if request.header("authorization") != Some(&basic) {
                return Reply::status(401);
            }
            if let Some((status, later)) = state.refuses {
                return Reply::status(status).header("retry-after", later);
            }
            let said = state.opaque.get(&form["token"]).cloned();
            let reply = Reply::json(200, said.unwrap_or_else(|| json!({"active": false})));
            match &state.gate {
                Some(gate) => reply.behind(gate),
                None => reply,
            }
        }
        _ => Reply::status(404),
    }
}
