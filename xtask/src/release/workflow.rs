//! `.github/workflows/release.yml`: what a tag `vVERSION` sets off.

use super::project::Project;
use super::targets::TARGETS;

/// Everything but the list of systems and of packages.
const TEMPLATE: &str = include_str!("release.yml.in");

pub(super) fn files(project: &Project) -> Vec<(String, String)> {
    let systems: Vec<String> = TARGETS
        .iter()
        .map(|target| {
            format!(
                "          - {{ target: {}, runner: {}, npm: {}, binary: {}, image: {} }}\n",
                target.rust,
                target.runner,
                target.npm(),
                target.binary(),
                target.image.unwrap_or("\"\"")
            )
        })
        .collect();
    let text = TEMPLATE
        .replace("          @SYSTEMS@\n", &systems.concat())
        .replace("@IMAGE@", &project.image())
        .replace("@REGISTRY_NAME@", &project.registry_name());
    vec![(".github/workflows/release.yml".to_owned(), text)]
}
