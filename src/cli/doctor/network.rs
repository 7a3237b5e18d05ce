//! The API and SQL over HTTP: whether they can be reached, and the clock beside Neon's; what proxies and certificates are set.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::check::Check;
use super::credential::{self, Found};
use crate::base_url::BaseUrl;
use crate::neon::sql::SqlAddress;
use crate::neon::{Client, Context, PathSegment, Read};
use crate::settings::{Settings, Upstream};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1_024;

/// How far the clock may be off before signatures and deadlines go wrong.
const MAX_OFF: i64 = 60;

/// The checks that ask Neon.
pub(super) async fn checks(settings: &Settings, found: Vec<Result<Found, Check>>, offline: bool) -> Vec<Check> {
    let base = match &settings.upstream {
        Upstream::Api { base, .. } => base.clone(),
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => {
            let unasked = "the sandbox runs in this program";
            return vec![
                credential::of_sandbox(),
                Check::skipped("api", unasked),
                Check::skipped("sql", unasked),
            ];
        }
    };
    if offline {
        let unasked = |check| Check::skipped(check, "not asked (--offline)");
        let mut checks: Vec<Check> = found
            .into_iter()
            .map(|found| found.map_or_else(|wrong| wrong, |found| found.unasked()))
            .collect();
        if checks.is_empty() {
            checks.push(credential::none());
        }
        checks.extend([unasked("api"), unasked("clock"), unasked("sql")]);
        return checks;
    }
    let (api, clock, is_reached) = reach_api(&base).await;
    let mut checks = vec![api, clock];
    if found.is_empty() {
        checks.push(credential::none());
    }
    let mut first = None;
    for found in found {
        match found {
            Ok(found) => {
                let client = found.client(&base);
                checks.push(found.check(&client).await);
                first = first.or(Some(client));
            }
            Err(wrong) => checks.push(wrong),
        }
    }
    let Some(client) = first else {
        checks.push(Check::skipped(
            "sql",
            "without a credential nothing says where a database is",
        ));
        return checks;
    };
    checks.push(match is_reached {
        true => sql(&client, settings, &base).await,
        false => Check::skipped("sql", "the API must be reached first"),
    });
    checks
}

/// The same where no client starts a server on this machine: what they call has a credential of its own, and reaches Neon itself.
pub(super) fn elsewhere() -> Vec<Check> {
    let unasked = "not asked: the entries of all clients call a server that runs elsewhere, which has its own";
    ["api", "clock", "credential", "sql"]
        .into_iter()
        .map(|check| Check::skipped(check, unasked))
        .collect()
}

/// A client for plain requests. No key is in any of them.
pub(super) fn plain(base: &BaseUrl) -> Result<reqwest::Client, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("neon-mcp/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE);
    if base.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| chain(&error))
}

/// The text of an answer, of which no more is read than anything that is asked for here has.
pub(super) async fn text(mut answer: reqwest::Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| chain(&error.without_url()))? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("its answer is longer than {MAX_ANSWER} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned())
}

/// An error with what it came of: the last says whether it is the name, the proxy or the certificate.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

/// What to do about a request that didn't get through.
pub(super) fn advice(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["certificate", "unknownissuer", "invalid peer"]) {
        "a proxy that opens TLS has its own authority: add its certificate to the system's, or name the file in SSL_CERT_FILE"
    } else if says(&["dns", "name or service", "resolve", "lookup"]) {
        "the name isn't found: look at the network's DNS, or set HTTPS_PROXY where only a proxy leads out"
    } else if says(&["tunnel", "proxy"]) {
        "the proxy said no: look at HTTPS_PROXY, its user and its password, and at NO_PROXY"
    } else {
        "look at the firewall, at HTTPS_PROXY and NO_PROXY, and at --api-host"
    }
}

async fn reach_api(base: &BaseUrl) -> (Check, Check, bool) {
    let since = Instant::now();
    let asked = async {
        let request = plain(base)?.get(format!("{}/regions", base.as_str()));
        request.send().await.map_err(|error| chain(&error.without_url()))
    };
    match asked.await {
        Err(reason) => {
            let api = Check::problem(
                "api",
                format!("{} isn't reached: {reason}", base.as_str()),
                advice(&reason),
            );
            (
                api.with("url", base.as_str()),
                Check::skipped("clock", "no answer to compare it with"),
                false,
            )
        }
        Ok(answer) => {
            let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let status = answer.status().as_u16();
            let message = format!("{} answers in {milliseconds} ms", base.as_str());
            let api = match status {
                500.. => Check::warning(
                    "api",
                    format!("{message}, with {status}"),
                    "look at https://neonstatus.com, and try again later",
                ),
                407 => Check::problem("api", format!("{message}, with {status}"), advice("proxy")),
                _ => Check::ok("api", message),
            };
            let api = api
                .with("url", base.as_str())
                .with("status", status)
                .with("milliseconds", milliseconds);
            let date = answer
                .headers()
                .get(http::header::DATE)
                .and_then(|date| date.to_str().ok());
            (api, clock(date), true)
        }
    }
}

/// Our clock beside that of an answer.
fn clock(date: Option<&str>) -> Check {
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return Check::skipped("clock", "the answer says no time");
    };
    let off = (Utc::now() - DateTime::<Utc>::from(theirs)).num_seconds();
    let check = if off.abs() <= MAX_OFF {
        Check::ok("clock", format!("within {MAX_OFF} s of the API's"))
    } else {
        let way = if off > 0 { "ahead" } else { "behind" };
        Check::problem(
            "clock",
            format!("{} s {way} of the API's: approvals, logins and TLS go by it", off.abs()),
            "have the system keep its time (timedatectl set-ntp true, or the settings of your system)",
        )
    };
    check.with("seconds_off", off)
}

/// Whether the place that takes SQL can be reached. No statement is sent, and no compute is woken.
async fn sql(client: &Client, settings: &Settings, base: &BaseUrl) -> Check {
    let host = match host(client, settings).await {
        Ok(host) => host,
        Err(why) => return Check::skipped("sql", why),
    };
    let address = match SqlAddress::of(&format!("postgresql://x@{host}/x"), base, &settings.limits.sql_hosts) {
        Ok(address) => address,
        Err(error) => {
            return Check::problem(
                "sql",
                error.to_string(),
                "name the hosts of your databases with --sql-host-suffix",
            );
        }
    };
    let url = address.to_string();
    let asked = async {
        let request = plain(base)?.get(&url);
        request.send().await.map_err(|error| chain(&error.without_url()))
    };
    match asked.await {
        Ok(answer) => Check::ok("sql", format!("{url} answers")).with("status", answer.status().as_u16()),
        Err(reason) => Check::problem("sql", format!("{url} isn't reached: {reason}"), advice(&reason)),
    }
    .with("url", url)
}

/// The host of some compute: of the project that is set or linked, else of the first.
async fn host(client: &Client, settings: &Settings) -> Result<String, String> {
    let context = Context::within(PATIENCE);
    let options = &settings.selection;
    let linked = options.linked.as_ref().and_then(|linked| linked.project.clone());
    let project = match options.project_id.clone().or(linked) {
        Some(project) => project.as_str().to_owned(),
        None => {
            let read = Read::new("/projects", &[])
                .map_err(|error| error.to_string())?
                .with_query("limit", "1");
            let read = match &options.organization_id {
                Some(organization) => read.with_query("org_id", organization.as_str()),
                None => read,
            };
            let answer = client.read(read, &context).await;
            let body = answer
                .map_err(|_| "name a project with --project-id to have its host looked at".to_owned())?
                .body;
            let id = body
                .as_ref()
                .and_then(|body| body.pointer("/projects/0/id"))
                .and_then(Value::as_str);
            id.ok_or("there is no project whose host could be looked at")?
                .to_owned()
        }
    };
    let segment = PathSegment::id(&project).map_err(|error| error.to_string())?;
    let read =
        Read::new("/projects/{project_id}/endpoints", &[("project_id", segment)]).map_err(|error| error.to_string())?;
    let answer = client.read(read, &context).await.map_err(|error| error.to_string())?;
    let host = answer
        .body
        .as_ref()
        .and_then(|body| body.pointer("/endpoints/0/host"))
        .and_then(Value::as_str);
    Ok(host
        .ok_or("the project has no compute whose host could be looked at")?
        .to_owned())
}

/// The variables that say which way requests go.
pub(super) fn proxy() -> Check {
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let set: Vec<(&str, String)> = names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?.to_string_lossy().into_owned())))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let Some((name, value)) = set.first() else {
        return Check::ok("proxy", "none is set");
    };
    let url = url::Url::parse(value).or_else(|_| url::Url::parse(&format!("http://{value}")));
    match url {
        Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => {
            // The user and the password of a proxy are nobody's business.
            let place = format!(
                "{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            );
            let besides = if std::env::var_os("NO_PROXY").is_some() || std::env::var_os("no_proxy").is_some() {
                "; NO_PROXY says what goes without"
            } else {
                ""
            };
            Check::ok(
                "proxy",
                format!("requests to Neon go through {place} ({name}){besides}"),
            )
            .with("proxy", place)
        }
        _ => Check::problem(
            "proxy",
            format!("{name} is no address of a proxy"),
            "write it as http://proxy.example:3128",
        ),
    }
}

/// The files of certificates that variables name.
pub(super) fn certificates() -> Check {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let set: Vec<_> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .filter_map(|name| Some((name, std::path::PathBuf::from(named(name)?))))
        .collect();
    if let Some((name, path)) = set.iter().find(|(_, path)| !path.exists()) {
        let message = format!("{name} names {}, which isn't there", path.display());
        return Check::problem("tls", message, format!("name a file that is there, or unset {name}"));
    }
    match set.first() {
        Some((name, path)) => Check::ok(
            "tls",
            format!("certificates are taken from {} ({name})", path.display()),
        ),
        None => Check::ok("tls", "the system's certificates are taken"),
    }
}
