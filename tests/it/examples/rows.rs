//! Which operations each row of the index of examples needs, and that every row has its test.

use std::collections::BTreeSet;

use neon_mcp::catalog::Catalog;

/// The rows, by number, with the operations that serve them.
///
/// Row 10 leaves out `transferProjectsFromUserToOrg`: it is deprecated and ended on 2026-07-01, so no tool calls it.
const ROWS: [(u8, &str); 34] = [
    (1, KEYS),
    (
        2,
        "createProject listProjects getProject updateProject deleteProject recoverProject listSharedProjects \
         getConnectionURI listProjectPermissions grantPermissionToProject revokePermissionFromProject \
         getAvailablePreloadLibraries",
    ),
    (
        3,
        "createProjectBranch listProjectBranches getProjectBranch deleteProjectBranch updateProjectBranch \
         setDefaultProjectBranch countProjectBranches recoverProjectBranch",
    ),
    (
        4,
        "createProjectEndpoint listProjectEndpoints listProjectBranchEndpoints getProjectEndpoint \
         updateProjectEndpoint startProjectEndpoint suspendProjectEndpoint restartProjectEndpoint \
         deleteProjectEndpoint",
    ),
    (
        5,
        "createProjectBranchRole listProjectBranchRoles getProjectBranchRole resetProjectBranchRolePassword \
         getProjectBranchRolePassword deleteProjectBranchRole",
    ),
    (
        6,
        "createProjectBranchDatabase listProjectBranchDatabases getProjectBranchDatabase \
         updateProjectBranchDatabase deleteProjectBranchDatabase",
    ),
    (7, "listProjectOperations getProjectOperation"),
    (8, "updateProject createProject getProject restartProjectEndpoint"),
    (
        9,
        "getCurrentUserOrganizations getOrganization getOrganizationMembers getOrganizationMember \
         updateOrganizationMember removeOrganizationMember getOrganizationInvitations \
         createOrganizationInvitations listOrgApiKeys createOrgApiKey revokeOrgApiKey listProjects \
         transferProjectsFromOrgToOrg",
    ),
    (
        10,
        "transferProjectsFromOrgToOrg createProjectTransferRequest acceptProjectTransferRequest",
    ),
    (11, "getProject listProjects listProjectBranches getProjectBranch"),
    (12, CONSUMPTION),
    (
        13,
        "getConsumptionHistoryPerProjectV2 getConsumptionHistoryPerBranchV2 getConsumptionHistoryPerProject \
         getOrganizationSpendingLimit setOrganizationSpendingLimit deleteOrganizationSpendingLimit",
    ),
    (14, "createProject updateProject getProject"),
    (
        15,
        "createProjectBranch listProjectBranches getProjectBranch deleteProjectBranch createProjectEndpoint \
         getConnectionURI",
    ),
    (16, "restoreProjectBranch getProjectOperation deleteProjectBranch"),
    (17, "createProjectBranch updateProjectBranch getProjectBranch"),
    (18, "createProjectBranch"),
    (19, "restoreProjectBranch getProjectBranch"),
    (20, "updateProjectBranch createProjectBranch updateProject"),
    (21, "createProjectBranch getConnectionURI deleteProjectBranch"),
    (
        22,
        "getProjectBranch listProjectBranches listProjectOperations createProjectBranch",
    ),
    (
        23,
        "createSnapshot listSnapshots updateSnapshot deleteSnapshot restoreSnapshot finalizeRestoreBranch \
         getSnapshotSchedule setSnapshotSchedule restoreProjectBranch getConnectionURI",
    ),
    (
        24,
        "createSnapshot restoreSnapshot listSnapshots updateSnapshot deleteSnapshot getProjectOperation \
         listProjectBranches deleteProjectBranch",
    ),
    (25, MASKING),
    (
        26,
        "createProjectBranchAnonymized getAnonymizedBranchStatus startAnonymization getMaskingRules \
         updateMaskingRules getConnectionURI deleteProjectBranch",
    ),
    (27, "getProjectBranchSchemaComparison getProjectBranchSchema"),
    (28, "getProjectBranchSchemaComparison createProjectBranch"),
    (
        29,
        "listProjectEndpoints listProjectBranchEndpoints getProjectEndpoint createProjectEndpoint \
         updateProjectEndpoint deleteProjectEndpoint",
    ),
    (
        30,
        "createProjectEndpoint updateProjectEndpoint deleteProjectEndpoint getConnectionURI",
    ),
    (31, "createProjectEndpoint"),
    (32, "createProjectEndpoint"),
    (33, "createProject updateProject getProject getOrganization"),
    (
        34,
        "createApiKey listApiKeys revokeApiKey createOrgApiKey listOrgApiKeys revokeOrgApiKey getAuthDetails",
    ),
];

const KEYS: &str = "createApiKey listApiKeys revokeApiKey createOrgApiKey listOrgApiKeys revokeOrgApiKey";

const CONSUMPTION: &str =
    "getConsumptionHistoryPerProjectV2 getConsumptionHistoryPerBranchV2 getConsumptionHistoryPerProject";

const MASKING: &str = "createProjectBranchAnonymized getAnonymizedBranchStatus startAnonymization getMaskingRules \
                       updateMaskingRules";

/// Where the rows' tests are.
const TESTS: [&str; 9] = [
    include_str!("account.rs"),
    include_str!("core.rs"),
    include_str!("upkeep.rs"),
    include_str!("usage.rs"),
    include_str!("branching.rs"),
    include_str!("snapshots.rs"),
    include_str!("data.rs"),
    include_str!("replicas.rs"),
    include_str!("security.rs"),
];

/// The operations of a row.
pub(super) fn operations(row: u8) -> impl Iterator<Item = &'static str> {
    let (_, operations) = ROWS
        .iter()
        .find(|(number, _)| *number == row)
        .unwrap_or_else(|| panic!("there is no row {row}"));
    operations.split_whitespace()
}

#[test]
fn each_row_has_one_test_which_tells_the_story_of_that_row() {
    for (position, (row, _)) in ROWS.iter().enumerate() {
        assert_eq!(usize::from(*row), position + 1);
        let name = format!("#[tokio::test]\nasync fn row_{row:02}_");
        let tests: Vec<&str> = TESTS.iter().flat_map(|text| text.split(&name).skip(1)).collect();
        let [test] = tests.as_slice() else {
            panic!("row {row} has {} tests", tests.len());
        };
        let body = test.split("\n}\n").next().unwrap_or_default();
        let begins = [
            format!("Story::of({row})"),
            format!("Story::with({row},"),
            format!("Story::with(\n        {row},"),
        ];
        assert!(
            begins.iter().any(|begins| body.contains(begins)),
            "the test of row {row} tells another story"
        );
    }
}

#[tokio::test]
#[should_panic(expected = "row 6 never called [\"createProjectBranchDatabase\"")]
async fn a_story_that_leaves_operations_out_fails() {
    let story = super::Story::of(6).await;
    story.make_shop(serde_json::json!({})).await;
}

#[test]
fn the_rows_name_operations_of_the_catalogue() {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let known: BTreeSet<&str> = catalog
        .tools()
        .iter()
        .flat_map(|tool| tool.declaration.operation.iter())
        .collect();
    let named: BTreeSet<&str> = ROWS.iter().flat_map(|(row, _)| operations(*row)).collect();
    let unknown: Vec<&&str> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "no tool calls {unknown:?}");
    // The index needs 83 operations, of which one is deprecated.
    assert_eq!(named.len(), 82);
}
