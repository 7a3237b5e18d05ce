//! Approvers who sign in on the page: with the operator's issuer, for a quarter of an hour.
//!
//! Nothing is kept here: what the browser brings back is sealed with the server's key, so that every replica takes it. A page from
//! elsewhere makes nobody decide: its requests come without the cookie (`SameSite`), are told by their `Origin`, and lack the form's tag.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use maud::html;
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::view::told;
use crate::guard::{ApprovalFlow, Identity, PageSeal, Principal, Scopes};
use crate::server::http::taken::{Taken, With};
use crate::server::http::{neighbourhood, network};
use crate::sign_in::{Begun, SignInError, SignedInPerson, WebSignIn};
use crate::text::{escaped, name_told_apart, one_line};

/// How long a sign-in counts, in seconds.
const SESSION_SECONDS: i64 = 15 * 60;

/// How long the issuer's page may take, in seconds.
const SIGN_IN_SECONDS: i64 = 10 * 60;

/// The longest cookie that every browser keeps, in bytes, with room for its name.
const MAX_COOKIE: usize = 3_900;

/// How many sign-ins are finished at once, how many of them from one network, and from one address: anybody can begin one, and come back
/// with anything, about which the issuer is asked.
const MAX_AT_ONCE: usize = 256;
const MAX_OF_NETWORK: usize = 16;
const MAX_OF_ONE: usize = 4;

/// How many sign-ins are remembered that came back: each is asked about once.
const MAX_CAME_BACK: usize = 10_000;

/// How much of why one didn't come about is told, in characters.
const MAX_WHY: usize = 300;

/// How often sign-ins that didn't come about are told as warnings: whoever comes can have as many as they like.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Where the issuer sends browsers back to, below the server's address.
pub(super) const CALLBACK: &str = "/approve/callback";

/// Signs approvers in.
#[derive(Debug)]
pub(super) struct Approvers {
    web: WebSignIn,
    /// The server's address, as browsers have it.
    origin: String,
    finishing: Arc<Taken<Option<IpAddr>>>,
    of_networks: Arc<Taken<Option<IpAddr>>>,
    /// Of what came back, the digests.
    came_back: Cache<[u8; 32], ()>,
    told: Mutex<Option<Instant>>,
}

/// A human who signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedIn {
    /// Tells this sign-in from every other.
    id: String,
    person: SignedInPerson,
    /// The claims that say who it is: subject and groups.
    claims: [String; 2],
    /// Until when it counts: seconds since 1970.
    until: i64,
}

/// A sign-in that began.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    begun: Begun,
    /// Where the human wanted to go.
    code: String,
    until: i64,
}

impl SignedIn {
    /// Who it is, to the policy.
    pub(super) fn principal(&self) -> Principal {
        let identity = Identity::Subject {
            issuer: self.person.issuer.clone(),
            subject: self.person.subject.clone(),
        };
        Principal::with(identity, self.person.groups.clone(), Scopes::NONE)
    }

    /// What people call them.
    pub(super) fn name(&self) -> &str {
        self.person.name.as_deref().unwrap_or(&self.person.subject)
    }

    /// What the form for a code brings back.
    pub(super) fn form_tag(&self, flow: &ApprovalFlow, code: &str) -> String {
        flow.page_form_tag(&self.id, code)
    }

    /// Whether a form is one that was given to this one for this code.
    pub(super) fn gave(&self, flow: &ApprovalFlow, code: &str, tag: &str) -> bool {
        flow.is_page_form_tag(&self.id, code, tag)
    }
}

impl Approvers {
    pub(super) fn new(web: WebSignIn, origin: String) -> Self {
        Self {
            web,
            origin,
            finishing: Taken::nothing(),
            of_networks: Taken::nothing(),
            came_back: Cache::new(MAX_CAME_BACK),
            told: Mutex::default(),
        }
    }

    fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    fn cookie(&self, name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
        HeaderValue::from_str(&cookie(self.is_https(), name, value, seconds)).ok()
    }

    /// What a cookie holds that this server made for that purpose.
    fn read<T: DeserializeOwned>(&self, flow: &ApprovalFlow, headers: &HeaderMap, seal: PageSeal) -> Option<T> {
        let name = cookie_name(self.is_https(), seal.name());
        let mut found = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(known, _)| *known == name);
        // Of two, one was put there by another page.
        let (Some((_, value)), None) = (found.next(), found.next()) else {
            return None;
        };
        serde_json::from_slice(&flow.page_unsealed(seal, value)?).ok()
    }

    /// Who made the request, where they signed in not long ago.
    pub(super) fn signed_in(&self, flow: &ApprovalFlow, headers: &HeaderMap) -> Option<SignedIn> {
        let signed_in: SignedIn = self.read(flow, headers, PageSeal::Approver)?;
        // By another claim, or at another issuer, the same name may be another human's.
        let place = |issuer: &str| issuer.trim_end_matches('/').to_owned();
        let is_named_so =
            signed_in.claims == self.claims() && place(&signed_in.person.issuer) == place(self.web.issuer());
        (is_named_so && signed_in.until > Utc::now().timestamp()).then_some(signed_in)
    }

    /// The claims that say who somebody is.
    fn claims(&self) -> [String; 2] {
        let claims = self.web.claims();
        [claims.subject.clone(), claims.groups.clone()]
    }

    /// Sends the browser to the issuer's page. What comes back then must fit what is put into its cookie.
    pub(super) async fn begin(&self, flow: &ApprovalFlow, code: &str) -> Response {
        let (address, begun) = match self.web.begin(&self.redirect()).await {
            Ok(began) => began,
            Err(error) => return self.failed(&error),
        };
        let pending = Pending {
            begun,
            code: code.to_owned(),
            until: Utc::now().timestamp() + SIGN_IN_SECONDS,
        };
        let sealed = serde_json::to_vec(&pending)
            .ok()
            .and_then(|text| flow.page_sealed(PageSeal::SignIn, &text));
        let cookie = sealed.and_then(|sealed| self.cookie(PageSeal::SignIn.name(), &sealed, SIGN_IN_SECONDS));
        let (Some(cookie), Ok(address)) = (cookie, HeaderValue::from_str(&address)) else {
            return broken();
        };
        (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, address)]).into_response()
    }

    /// Takes what the browser brings back, and sends it on to the call that it came for.
    pub(super) async fn finish(
        &self,
        flow: &ApprovalFlow,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        query: &str,
    ) -> Response {
        let pending: Option<Pending> = self.read(flow, headers, PageSeal::SignIn);
        let Some(pending) = pending.filter(|pending| pending.until > Utc::now().timestamp()) else {
            return told(
                StatusCode::BAD_REQUEST,
                "Not signed in",
                html! { p { "This browser began no sign-in here, or took longer than ten minutes. Open the page of the call again." } },
            );
        };
        let within = |most: usize, with: With| (with.of_one <= most).then_some(()).ok_or(());
        let one = self.finishing.take(peer.map(neighbourhood), 1, |with| {
            within(MAX_OF_ONE, with).and((with.all <= MAX_AT_ONCE).then_some(()).ok_or(()))
        });
        let of_network = self
            .of_networks
            .take(peer.map(network), 1, |with| within(MAX_OF_NETWORK, with));
        let (Ok(_one), Ok(_of_network)) = (one, of_network) else {
            return busy();
        };
        // What was begun once ends once: a browser that comes back again gets no second question to the issuer.
        let digest = pending.begun.digest();
        if self.came_back.get(&digest).is_some() {
            return told(
                StatusCode::BAD_REQUEST,
                "Not signed in",
                html! { p { "This sign-in came back before. Open the page of the call again." } },
            );
        }
        self.came_back.insert(digest, ());
        let person = match self.web.finish(pending.begun, query, &self.redirect()).await {
            Ok(person) => person,
            Err(error) => return self.failed(&error),
        };
        tracing::info!(subject = name_told_apart(&person.subject), "an approver signed in");
        let who = Identity::Subject {
            issuer: person.issuer.clone(),
            subject: person.subject.clone(),
        };
        flow.signed_in(&Principal::new(who));
        let Some(session) = self.session(flow, person) else {
            return told(
                StatusCode::BAD_REQUEST,
                "Not signed in",
                html! { p { "The issuer names more groups than a browser can keep. Whoever runs it can have it name fewer." } },
            );
        };
        // Without a code it is the list that they came for.
        let place = format!("/approve/{}", pending.code);
        let place = HeaderValue::from_str(place.trim_end_matches('/'));
        let over = self.cookie(PageSeal::SignIn.name(), "", 0);
        let (Some(over), Ok(place)) = (over, place) else {
            return broken();
        };
        let mut response = (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response();
        response.headers_mut().append(SET_COOKIE, session);
        response.headers_mut().append(SET_COOKIE, over);
        response
            .headers_mut()
            .insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    /// The cookie of who signed in. Where they are in more groups than it can hold, those that the policy names.
    fn session(&self, flow: &ApprovalFlow, person: SignedInPerson) -> Option<HeaderValue> {
        let mut signed_in = SignedIn {
            id: uuid::Uuid::new_v4().to_string(),
            person,
            claims: self.claims(),
            until: Utc::now().timestamp() + SESSION_SECONDS,
        };
        for all in [true, false] {
            if !all {
                let named = flow.named_groups();
                signed_in
                    .person
                    .groups
                    .retain(|group| named.iter().any(|name| name == group));
            }
            let text = serde_json::to_vec(&signed_in).ok()?;
            let sealed = flow.page_sealed(PageSeal::Approver, &text)?;
            if sealed.len() <= MAX_COOKIE {
                return self.cookie(PageSeal::Approver.name(), &sealed, SESSION_SECONDS);
            }
        }
        None
    }

    /// The answer to a sign-in that didn't come about. Why goes to the log: part of that is whoever's who came.
    fn failed(&self, error: &SignInError) -> Response {
        let why = escaped(&one_line(&error.to_string(), MAX_WHY));
        let mut last = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match last.is_some_and(|last| last.elapsed() < TOLD_EVERY) {
            true => tracing::debug!("an approver couldn't sign in: {why}"),
            false => {
                *last = Some(Instant::now());
                tracing::warn!("an approver couldn't sign in: {why}");
            }
        }
        drop(last);
        told(
            StatusCode::BAD_GATEWAY,
            "Not signed in",
            html! { p { "The sign-in didn't come about, so nothing can be decided. The server's log says why. Open the page of the call again." } },
        )
    }

    fn redirect(&self) -> String {
        format!("{}{CALLBACK}", self.origin)
    }
}

/// The name of a cookie. Over TLS, no browser takes one of that name from another host, its siblings of the same domain included
/// (`__Host-`).
fn cookie_name(is_https: bool, name: &str) -> String {
    match is_https {
        true => format!("__Host-neon-mcp-{name}"),
        false => format!("neon-mcp-{name}"),
    }
}

fn cookie(is_https: bool, name: &str, value: &str, seconds: i64) -> String {
    let name = cookie_name(is_https, name);
    // Such a name wants the whole host for a path.
    let place = if is_https { "Path=/; Secure" } else { "Path=/approve" };
    format!("{name}={value}; {place}; Max-Age={seconds}; HttpOnly; SameSite=Lax")
}

/// What whoever isn't signed in is shown, whatever the code is.
pub(super) fn first_sign_in(code: &str) -> Response {
    let begin = format!("/approve/sign-in/{}", written(code));
    told(
        StatusCode::UNAUTHORIZED,
        "Sign in",
        html! {
            p { "Who may approve a call is the operator's to say: sign in, and see whether one waits for you." }
            p { a href=(begin.trim_end_matches('/')) { "Sign in" } }
        },
    )
}

/// A code as it may stand in an address: what is none stays none.
pub(super) fn written(code: &str) -> String {
    code.chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .take(16)
        .collect()
}

fn busy() -> Response {
    told(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not signed in",
        html! { p { "Too many sign in at this moment: try again." } },
    )
}

fn broken() -> Response {
    told(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Not signed in",
        html! { p { "The sign-in can't be kept, so nothing can be decided." } },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{ApprovalRules, Sealer};
    use crate::sign_in::{Issuer, OfUserinfo, PersonClaims};

    #[test]
    fn cookie_over_tls_is_one_that_no_sibling_of_the_host_can_set() {
        // RFC 6265bis, 4.1.3.2: with Secure, the path `/` and no domain.
        let text = cookie(true, "approver", "v", 900);
        let wanted = "__Host-neon-mcp-approver=v; Path=/; Secure; Max-Age=900; HttpOnly; SameSite=Lax";
        assert_eq!(text, wanted);
        assert!(!cookie(false, "approver", "v", 900).contains("Secure"));
    }

    #[test]
    fn cookie_of_another_claim_or_issuer_signs_nobody_in() {
        let flow = ApprovalFlow::new(Sealer::random(), ApprovalRules::default(), None);
        let approvers = |issuer: &str, subject: &str, groups: &str| {
            let issuer = Issuer::new(Some(issuer), Some("a-client".to_owned()), None).unwrap();
            let (subject, groups) = (subject.to_owned(), groups.to_owned());
            let web = WebSignIn::new(issuer, None, PersonClaims { subject, groups }, Arc::new(OfUserinfo));
            Approvers::new(web, "https://mcp.example".to_owned())
        };
        let by_address = approvers("https://id.example", "email", "groups");
        let person = SignedInPerson {
            issuer: "https://id.example/".to_owned(),
            subject: "ann@corp.example".to_owned(),
            name: None,
            groups: vec!["dba".to_owned()],
        };
        let cookie = by_address.session(&flow, person).unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().parse().unwrap();
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        assert!(by_address.signed_in(&flow, &headers).is_some());
        for other in [
            approvers("https://id.example", "sub", "groups"),
            approvers("https://id.example", "email", "roles"),
            approvers("https://other.example", "email", "groups"),
        ] {
            assert!(other.signed_in(&flow, &headers).is_none());
        }
    }
}
