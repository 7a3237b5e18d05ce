//! A server over HTTP, by its settings: what it needs to start, to be reached, and to have calls approved. Nothing is served here.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::Value;

use super::check::Check;
use super::{certificate, local, network};
use crate::base_url::BaseUrl;
use crate::catalog::Catalog;
use crate::cli::callers::Known;
use crate::cli::common::{resolve, told};
use crate::cli::serve::start;
use crate::clients::{Answer, ask_at};
use crate::guard::{StoreAddress, read_trusted};
use crate::server::http::{HttpServer, Listen};
use crate::settings::{HttpAuth, HttpLayer, Layer, Settings, Upstream, read_token};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long before its end a certificate should be renewed.
const RENEWED_BEFORE: TimeDelta = TimeDelta::days(21);

/// Whether the settings are those of a server over HTTP: they say something that nothing else takes.
pub(super) fn is_one(settings: &Settings) -> bool {
    let layer = HttpLayer {
        // Over stdio, too.
        log_format: None,
        ..settings.http.clone()
    };
    layer != HttpLayer::default() || !matches!(settings.auth(), HttpAuth::Made)
}

/// The checks of a server. `given` is what the settings were made of.
pub(super) async fn checks(settings: &Settings, given: &Layer, offline: bool) -> Vec<Check> {
    let mut checks = vec![store(settings, offline).await];
    checks.extend(issuer(settings, offline).await);
    checks.extend(callers(settings, given).await);
    checks.extend(tls(settings));
    checks.extend(public_url(settings, offline).await);
    checks.push(approvals(settings));
    checks
}

/// Where what replicas share is kept.
async fn store(settings: &Settings, offline: bool) -> Check {
    const CHECK: &str = "store";
    let Some(store) = settings.store() else {
        return Check::skipped(CHECK, "none is named: what waits is kept in the state directory");
    };
    match &store.address {
        StoreAddress::Memory => {
            return Check::ok(
                CHECK,
                "the memory of the process: what waits ends with it, and is decided on the approval page",
            );
        }
        StoreAddress::Directory(directory) => return local::kept(CHECK, "--store", directory),
        StoreAddress::Redis(_) if offline => return Check::skipped(CHECK, "not asked (--offline)"),
        StoreAddress::Redis(_) => {}
    }
    let problem = |why: &str| {
        Check::problem(
            CHECK,
            why,
            "look at --store, its user and password, --store-ca and --seal-key-file, and at the store's own log",
        )
    };
    let guards = match Catalog::embedded().map_err(|error| error.to_string()) {
        Ok(catalog) => settings.guards(&catalog).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    let guards = match guards {
        Ok(guards) => guards,
        Err(why) => return problem(&why),
    };
    let place = guards
        .approval_flow
        .approvals()
        .map(|approvals| approvals.place())
        .unwrap_or_default();
    match tokio::time::timeout(PATIENCE, guards.approval_flow.check_store()).await {
        Ok(Ok(())) => Check::ok(CHECK, format!("{place} answers, and takes this user")),
        Ok(Err(error)) => problem(&error.to_string()),
        Err(_) => problem(&format!("{place} doesn't answer in {} s", PATIENCE.as_secs())),
    }
}

/// The issuer: whether it answers, and writes itself as the settings do.
async fn issuer(settings: &Settings, offline: bool) -> Option<Check> {
    const CHECK: &str = "issuer";
    let name = settings.http.oauth_issuer.as_deref()?;
    if offline {
        return Some(Check::skipped(CHECK, "not asked (--offline)"));
    }
    let base = match BaseUrl::parse(name) {
        Ok(base) => base,
        Err(why) => {
            return Some(Check::problem(
                CHECK,
                format!("--oauth-issuer: {why}"),
                "write it as its metadata do",
            ));
        }
    };
    Some(match metadata(&base).await {
        Ok(said) if said == name.trim() => Check::ok(CHECK, format!("{name} answers, and writes itself so")),
        Ok(said) => Check::problem(
            CHECK,
            format!("the issuer writes itself `{said}`, and --oauth-issuer is `{name}`: no token of it counts"),
            format!("write it exactly so: --oauth-issuer {said}"),
        ),
        Err(reason) => Check::problem(
            CHECK,
            format!("{name} isn't reached: {reason}"),
            network::advice(&reason),
        ),
    })
}

/// How an issuer writes itself, by its metadata (RFC 8414, section 3; OpenID Connect Discovery 1.0, section 4).
async fn metadata(base: &BaseUrl) -> Result<String, String> {
    let client = network::plain(base)?;
    let origin = base.origin().ascii_serialization();
    let path = base.path();
    let mut last = "it has no metadata".to_owned();
    for place in [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ] {
        let answer = client.get(&place).send().await;
        let answer = answer.map_err(|error| network::chain(&error.without_url()))?;
        if !answer.status().is_success() {
            last = format!("it has no metadata: {} answers {}", place, answer.status().as_u16());
            continue;
        }
        let text = network::text(answer).await?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(issuer) = told.get("issuer").and_then(Value::as_str) {
            return Ok(crate::text::one_line(issuer, 300));
        }
        last = format!("what {place} says names no issuer");
    }
    Err(last)
}

/// The files that say who may call, with all that they name: read as the server reads them at its start.
async fn callers(settings: &Settings, given: &Layer) -> Option<Check> {
    let (check, what, next) = match settings.auth() {
        HttpAuth::Bearer(None) => {
            let next = "set HOME, or name the file with --tokens-file";
            return Some(Check::problem(
                "tokens",
                "there is no place with the tokens of callers",
                next,
            ));
        }
        HttpAuth::Bearer(Some(path)) => (
            "tokens",
            path.display().to_string(),
            "`neon-mcp token create NAME` makes a token; mend what the file names",
        ),
        HttpAuth::Oauth(oauth) => (
            "map",
            oauth.map.as_ref()?.display().to_string(),
            "mend the file: docs/http.md has its keys",
        ),
        HttpAuth::File(path) => {
            let next = "write a token into it: `openssl rand -hex 32`";
            return Some(match read_token(path) {
                Ok(_) => Check::ok("tokens", format!("{} holds the server's token", path.display())),
                Err(error) => Check::problem("tokens", error.to_string(), next),
            });
        }
        HttpAuth::Made | HttpAuth::Nobody | HttpAuth::NeonKey => return None,
    };
    // A sandbox would be started for it.
    if !matches!(settings.upstream, Upstream::Api { .. }) {
        return Some(Check::skipped(check, "not looked at: the server carries a sandbox"));
    }
    Some(match let_in(given).await {
        Ok(()) => Check::ok(check, format!("{what} can be used, with all that it names")),
        Err(error) => Check::problem(check, told(&error), next),
    })
}

/// Has a server that serves nothing read who may call.
async fn let_in(given: &Layer) -> anyhow::Result<()> {
    let settings = resolve(given.clone())?;
    let known = Known::of(&settings);
    let started = start(settings).await?;
    let http = HttpServer::bind(([127, 0, 0, 1], 0).into()).await?;
    known.let_in(http, &started.engine)?;
    Ok(())
}

/// The server's own certificate: whether it can be used with its key, and until when.
fn tls(settings: &Settings) -> Option<Check> {
    const CHECK: &str = "certificate";
    let path = settings.http.tls_cert.as_deref().or(settings.http.tls_key.as_deref())?;
    // Where it listens is no setting, and says nothing about the certificate.
    let anywhere = match settings.http.listen_mode {
        Some(_) => Listen::Unix("/run/neon-mcp/http.sock".into()),
        None => Listen::Address(([127, 0, 0, 1], 0).into()),
    };
    if let Err(error) = settings.http.reach(anywhere) {
        return Some(Check::problem(
            CHECK,
            error.to_string(),
            "mend --tls-cert and --tls-key: PEM, and of one another",
        ));
    }
    let shown = path.display().to_string();
    let Some(ends) = ends(path) else {
        return Some(Check::warning(
            CHECK,
            format!("{shown} can be used; until when isn't told"),
            "look with `openssl x509 -enddate -noout -in FILE`",
        ));
    };
    let at = ends.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let renew = "renew it, and send the server SIGHUP, which reads it again";
    let check = match ends - Utc::now() {
        left if left <= TimeDelta::zero() => Check::problem(CHECK, format!("{shown} has ended: {at}"), renew),
        left if left < RENEWED_BEFORE => {
            Check::warning(CHECK, format!("{shown} ends in {} days: {at}", left.num_days()), renew)
        }
        _ => Check::ok(CHECK, format!("{shown} counts until {at}")),
    };
    Some(check.with("expires_at", at))
}

/// Until when the first certificate of a file counts.
fn ends(path: &Path) -> Option<chrono::DateTime<Utc>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let text = read_trusted(path).ok()?;
    let first = CertificateDer::pem_slice_iter(&text).next()?.ok()?;
    certificate::ends(&first)
}

/// What clients see as the address: whether a server answers there.
async fn public_url(settings: &Settings, offline: bool) -> Option<Check> {
    const CHECK: &str = "public_url";
    let url = settings.http.public_url.as_deref()?;
    if offline {
        return Some(Check::skipped(CHECK, "not asked (--offline)"));
    }
    let at = format!("{}/mcp", url.trim_end_matches('/'));
    Some(match ask_at(&at, None).await {
        Answer::Answers { version } => Check::ok(CHECK, format!("{at} answers, version {version}")),
        Answer::WantsToken { .. } => Check::ok(CHECK, format!("{at} answers, and wants a token")),
        Answer::WantsSignIn => Check::ok(CHECK, format!("{at} answers, and has clients sign in")),
        Answer::Silent { reason } | Answer::NotAsked { reason } => Check::warning(
            CHECK,
            format!("{at} doesn't answer from here: {reason}"),
            "start the server, and look at the proxy in front: it passes Host on as clients send it",
        ),
    })
}

/// Who can approve calls beside a client's own dialog.
fn approvals(settings: &Settings) -> Check {
    const CHECK: &str = "approvals";
    let next = "give --oauth-client-id (with --oauth-issuer), or name page_secret_file in the policy";
    let sign_in = match settings.approver_sign_in() {
        Ok(sign_in) => sign_in,
        Err(error) => {
            return Check::problem(
                CHECK,
                error.to_string(),
                "mend --oauth-client-id and --oauth-client-secret-file",
            );
        }
    };
    let catalog = Catalog::embedded().ok();
    let policy = catalog.and_then(|catalog| settings.policy(&catalog).ok());
    let has_secret = policy.is_some_and(|policy| policy.approval().page_secret_file.is_some());
    let one_persons = matches!(settings.auth(), HttpAuth::Made | HttpAuth::File(_) | HttpAuth::Nobody);
    match (sign_in, has_secret) {
        (Some(sign_in), _) => Check::ok(
            CHECK,
            format!("approvers sign in on the approval page, with {}", sign_in.issuer()),
        ),
        (None, true) => Check::ok(CHECK, "the approval page asks for the operator's secret"),
        (None, false) if one_persons => {
            Check::ok(CHECK, "the approval page asks for a secret that the server's log tells")
        }
        (None, false) => Check::warning(
            CHECK,
            "the approval page asks for a secret that the server's log alone tells: no caller can approve anything but by a dialog of their client",
            next,
        ),
    }
}
