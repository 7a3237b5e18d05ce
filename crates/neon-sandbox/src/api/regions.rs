//! The regions that projects can be made in.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Route;
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::State,
};

/// A region.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Region {
    pub(crate) region_id: &'static str,
    name: &'static str,
    default: bool,
    geo_lat: &'static str,
    geo_long: &'static str,
}

/// Where a project goes that names no region.
pub(crate) const DEFAULT_REGION: &str = "aws-us-east-1";

const fn region(region_id: &'static str, name: &'static str, geo_lat: &'static str, geo_long: &'static str) -> Region {
    Region {
        region_id,
        name,
        default: false,
        geo_lat,
        geo_long,
    }
}

const REGIONS: [Region; 11] = [
    Region {
        default: true,
        ..region(DEFAULT_REGION, "AWS US East 1 (N. Virginia)", "38.13", "-78.45")
    },
    region("aws-us-east-2", "AWS US East 2 (Ohio)", "39.96", "-83"),
    region("aws-us-west-2", "AWS US West 2 (Oregon)", "46.15", "-123.88"),
    region("aws-eu-central-1", "AWS Europe Central 1 (Frankfurt)", "50", "8"),
    region("aws-eu-west-2", "AWS Europe West 2 (London)", "51.51", "-0.13"),
    region("aws-ap-southeast-1", "AWS Asia Pacific 1 (Singapore)", "1.37", "103.8"),
    region("aws-ap-southeast-2", "AWS Asia Pacific 2 (Sydney)", "-33.86", "151.2"),
    region(
        "aws-sa-east-1",
        "AWS South America East 1 (São Paulo)",
        "-23.55",
        "-46.63",
    ),
    region("azure-eastus2", "Azure East US 2 (Virginia)", "36.67", "-78.39"),
    region("azure-westus3", "Azure West US 3 (Arizona)", "33.45", "-112.07"),
    region("azure-gwc", "Azure Germany West Central (Frankfurt)", "50", "8"),
];

pub(crate) fn routes() -> Vec<Route> {
    vec![Route::get("getActiveRegions", "/regions", list)]
}

/// Whether projects can be made in a region.
pub(crate) fn exists(region_id: &str) -> bool {
    REGIONS.iter().any(|region| region.region_id == region_id)
}

#[derive(Deserialize)]
struct ListQuery {
    org_id: Option<String>,
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    if let Some(org_id) = &query.org_id {
        check_id("org_id", org_id)?;
        if state.account.organization(org_id).is_none() || !call.caller.can_see_organization(org_id) {
            return Err(ApiError::not_found(format!("organization {org_id} not found")));
        }
    }
    Reply::ok(json!({ "regions": REGIONS }))
}
