//! Custom domains of a branch's functions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route,
    buckets::{services, services_mut},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    hosts,
    pages::{SortOrder, Sorted, limit, page},
    state::State,
};

/// Whose hostnames nobody else can have.
const RESERVED: [&str; 4] = ["neon.tech", "neon.com", "neon.build", hosts::DOMAIN];

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/custom-domains";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/custom-domains/{domain}";
    vec![
        Route::get("listProjectBranchCustomDomains", ALL, list),
        Route::post("registerProjectBranchCustomDomain", ALL, register),
        Route::delete("deleteProjectBranchCustomDomain", ONE, delete),
    ]
}

/// A domain in the form in which it is kept.
fn normal(text: &str) -> Result<String, ApiError> {
    let domain = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() > 254 || !domain.contains('.') || !domain.split('.').all(label) {
        return Err(ApiError::bad_request("domain is no hostname"));
    }
    let reserved = |of: &&str| domain == **of || domain.ends_with(&format!(".{of}"));
    if RESERVED.iter().any(reserved) {
        return Err(ApiError::bad_request("domain is one of Neon's own"));
    }
    Ok(domain)
}

/// No DNS record leads to the sandbox, so a domain stays where it begins.
fn view(domain: &str, slug: &str) -> Value {
    json!({
        "domain": domain,
        "entity_type": "function",
        "entity_id": slug,
        "cname_target": format!("{slug}.domains.{}", hosts::DOMAIN),
        "status": "pending",
        "dns_status": "pending",
        "binding_status": "pending",
        "status_reason": "no CNAME record leads to cname_target yet",
    })
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let domains = services(call, state)?
        .domains
        .iter()
        .map(|(domain, slug)| Sorted {
            key: domain.clone(),
            id: String::new(),
            item: view(domain, slug),
        })
        .collect();
    let limit = limit(query.limit, 100, 1_000)?;
    let list = format!("domains {}", call.branch_id()?);
    let page = page(&list, domains, SortOrder::Asc, query.cursor.as_deref(), limit)?;
    let mut answer = json!({ "custom_domains": page.items });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("pagination".into(), json!({ "next": next }));
    }
    Reply::ok(answer)
}

#[derive(Deserialize)]
struct RegisterBody {
    domain: String,
    entity_type: String,
    entity_id: String,
}

fn register(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: RegisterBody = call.json()?;
    if input.entity_type != "function" {
        return Err(ApiError::invalid("invalid_entity_type", "entity_type must be function"));
    }
    let domain = normal(&input.domain)?;
    let slug = input.entity_id;
    if !services(call, state)?.functions.contains_key(&slug) {
        return Err(ApiError::not_found(format!("function {slug} not found")));
    }
    let here = (call.project_id()?, call.branch_id()?);
    let held = state
        .projects
        .iter()
        .filter(|project| project.deleted_at.is_none())
        .flat_map(|project| project.live_branches().map(move |branch| (project, branch)))
        .any(|(project, branch)| {
            let same = (project.id.as_str(), branch.id.as_str()) == here;
            let holder = branch.services.domains.get(&domain);
            holder.is_some_and(|holder| !same || *holder != slug)
        });
    if held {
        return Err(ApiError::conflict(format!("{domain} is held by another resource")));
    }
    let shown = view(&domain, &slug);
    services_mut(call, state)?.domains.insert(domain, slug);
    Reply::created(shown)
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let domain = call.param("domain")?.trim_end_matches('.').to_ascii_lowercase();
    let services = services_mut(call, state)?;
    if services.domains.remove(&domain).is_none() {
        return Err(ApiError::not_found(format!("custom domain {domain} not found")));
    }
    Ok(Reply::gone())
}
