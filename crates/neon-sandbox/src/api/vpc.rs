//! VPC endpoints: an organization's private ways in, and projects that are restricted to some.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Route, organizations, project_members, regions};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        access::VpcRestriction,
        account::{Organization, VpcEndpoint},
        project::{Project, check_length},
    },
};

/// Projects that are named as examples.
const EXAMPLES: usize = 3;

const OF_REGION: &str = "/organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints";
const ONE: &str = "/organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints/{vpc_endpoint_id}";
const ONE_OF_PROJECT: &str = "/projects/{project_id}/vpc_endpoints/{vpc_endpoint_id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "listOrganizationVPCEndpointsAllRegions",
            "/organizations/{org_id}/vpc/vpc_endpoints",
            list_everywhere,
        ),
        Route::get("listOrganizationVPCEndpoints", OF_REGION, list),
        Route::get("getOrganizationVPCEndpointDetails", ONE, get),
        Route::post("assignOrganizationVPCEndpoint", ONE, assign),
        Route::delete("deleteOrganizationVPCEndpoint", ONE, delete),
        Route::get(
            "listProjectVPCEndpoints",
            "/projects/{project_id}/vpc_endpoints",
            list_of_project,
        ),
        Route::post("assignProjectVPCEndpoint", ONE_OF_PROJECT, restrict),
        Route::delete("deleteProjectVPCEndpoint", ONE_OF_PROJECT, lift),
    ]
}

/// 200 without a body.
fn done() -> Reply {
    Reply {
        status: StatusCode::OK,
        body: None,
        bytes: None,
    }
}

/// The region in the path, which must have VPC endpoints.
fn region(call: &Call) -> Result<&str, ApiError> {
    let region = call.param("region_id")?;
    if !regions::exists(region) {
        return Err(ApiError::not_found(format!("region {region} not found")));
    }
    if !region.starts_with("aws-") {
        return Err(ApiError::refused("VPC endpoints exist in the AWS regions only"));
    }
    Ok(region)
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("VPC endpoint {id} not found"))
}

fn list_everywhere(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let endpoints: Vec<Value> = organizations::organization(call, state)?
        .vpc_endpoints
        .iter()
        .map(|endpoint| {
            json!({
                "vpc_endpoint_id": endpoint.id,
                "label": endpoint.label,
                "region_id": endpoint.region_id,
            })
        })
        .collect();
    Reply::ok(json!({ "endpoints": endpoints }))
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let region = region(call)?;
    let endpoints: Vec<Value> = organizations::organization(call, state)?
        .vpc_endpoints
        .iter()
        .filter(|endpoint| endpoint.region_id == region)
        .map(|endpoint| json!({ "vpc_endpoint_id": endpoint.id, "label": endpoint.label }))
        .collect();
    Reply::ok(json!({ "endpoints": endpoints }))
}

fn find<'a>(organization: &'a Organization, region: &str, id: &str) -> Result<&'a VpcEndpoint, ApiError> {
    organization
        .vpc_endpoints
        .iter()
        .find(|endpoint| endpoint.id == id && endpoint.region_id == region)
        .ok_or_else(|| not_found(id))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("vpc_endpoint_id")?;
    let organization = organizations::organization(call, state)?;
    let endpoint = find(organization, region(call)?, id)?;
    let is_restricted = |project: &&Project| {
        project.deleted_at.is_none()
            && project.org_id == organization.id
            && project.access.vpc_endpoints.iter().any(|one| one.vpc_endpoint_id == id)
    };
    let projects: Vec<&str> = state
        .projects
        .iter()
        .filter(is_restricted)
        .map(|project| project.id.as_str())
        .collect();
    Reply::ok(json!({
        "vpc_endpoint_id": endpoint.id,
        "label": endpoint.label,
        "state": "accepted",
        "num_restricted_projects": projects.len(),
        "example_restricted_projects": projects.iter().take(EXAMPLES).collect::<Vec<_>>(),
    }))
}

#[derive(Deserialize)]
struct Label {
    label: String,
}

fn label(call: &Call) -> Result<String, ApiError> {
    let Label { label } = call.json()?;
    check_length("label", &label, 256)?;
    Ok(label)
}

/// Adds a VPC endpoint, or gives it another label.
fn assign(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("vpc_endpoint_id")?;
    check_id("vpc_endpoint_id", id)?;
    let region = region(call)?;
    let label = label(call)?;
    let organization = organizations::administered(call, state)?;
    if organization.deleted_vpc_endpoints.contains(id) {
        return Err(ApiError::refused(format!(
            "VPC endpoint {id} was deleted from the organization and cannot be added again"
        )));
    }
    match organization.vpc_endpoints.iter_mut().find(|endpoint| endpoint.id == id) {
        Some(endpoint) if endpoint.region_id == region => endpoint.label = label,
        Some(endpoint) => {
            return Err(ApiError::conflict(format!(
                "VPC endpoint {id} is in region {}",
                endpoint.region_id
            )));
        }
        None => organization.vpc_endpoints.push(VpcEndpoint {
            id: id.to_owned(),
            region_id: region.to_owned(),
            label,
        }),
    }
    Ok(done())
}

/// Deletes a VPC endpoint for good. Projects stay restricted to it, and so can't be reached through another.
fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("vpc_endpoint_id")?;
    let region = region(call)?;
    let organization = organizations::administered(call, state)?;
    find(organization, region, id)?;
    organization.vpc_endpoints.retain(|endpoint| endpoint.id != id);
    organization.deleted_vpc_endpoints.insert(id.to_owned());
    Ok(done())
}

fn list_of_project(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    Reply::ok(json!({ "endpoints": project.access.vpc_endpoints }))
}

/// Restricts a project to a VPC endpoint of its organization, or changes the label of the restriction.
fn restrict(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("vpc_endpoint_id")?;
    let label = label(call)?;
    project_members::check_manager(call, state)?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let organization = organizations::seen(call, state, &project.org_id)?;
    if find(organization, &project.region_id, id).is_err() {
        return Err(ApiError::not_found(format!(
            "VPC endpoint {id} is not assigned to the organization in region {}",
            project.region_id
        )));
    }
    let restrictions = &mut state.change(call)?.project.access.vpc_endpoints;
    match restrictions.iter_mut().find(|one| one.vpc_endpoint_id == id) {
        Some(restriction) => restriction.label = label,
        None => restrictions.push(VpcRestriction {
            vpc_endpoint_id: id.to_owned(),
            label,
        }),
    }
    Ok(done())
}

fn lift(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("vpc_endpoint_id")?;
    project_members::check_manager(call, state)?;
    let restrictions = &mut state.change(call)?.project.access.vpc_endpoints;
    let position = restrictions
        .iter()
        .position(|one| one.vpc_endpoint_id == id)
        .ok_or_else(|| not_found(id))?;
    restrictions.remove(position);
    Ok(done())
}
