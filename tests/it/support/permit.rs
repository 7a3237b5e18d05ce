//! A permit for tests that send what no tool declares: from a declaration made for the request.

use neon_mcp::catalog::Catalog;
use neon_mcp::guard::{Permitted, Policy, PolicyDecision, RiskAssessment};
use neon_mcp::neon::Request;
use serde_json::{Map, json};

/// Lets `request` through, as the write of a tool with its method and route.
pub fn permit(request: Request) -> Permitted<Request> {
    let area = json!({
        "$schema": "schema.json", "toolset": "test", "title": "Test", "about": "A test.",
        "tools": [{
            "name": "test", "title": "Test", "description": "A test.", "operation": "test",
            "input": {"type": "object"},
            "request": {"method": request.method().as_str(), "path": &**request.route()},
            "safety": {"effect": "write"}, "output": {},
        }],
    });
    let catalog = Catalog::load(&[("test.json", &area.to_string())]).expect("a catalogue");
    let arguments = Map::new();
    match RiskAssessment::begin(&catalog.tools()[0], &arguments) {
        RiskAssessment::Done(assessment) => match assessment.under(&Policy::default()) {
            PolicyDecision::Allow(allowed) => allowed.permit(request).expect("a permit"),
            other => panic!("a plain write runs: {other:?}"),
        },
        RiskAssessment::Looks(_) => panic!("a plain write needs no facts"),
    }
}
