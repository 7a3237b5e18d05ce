//! How a name of each resource is looked up: in which list, by which fields.

use super::request::Resource;

/// Where the name of something is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// What it is called in a sentence.
    pub noun: &'static str,
    /// The tool that lists it. Its declaration says how the list is read, and its path which arguments that takes.
    pub tool: &'static str,
    /// A tool that lists some of the same, to be named where that one isn't offered.
    pub narrower: Option<&'static str>,
    /// JSON pointer to the id in an item.
    pub id: &'static str,
    /// JSON pointers to what people call it.
    pub names: &'static [&'static str],
    /// The list takes a `search`, which makes it short.
    pub searches: bool,
    /// How those that are deleted are listed.
    pub deleted: Option<Deleted>,
}

/// How a list gives what is deleted and can be recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// The query parameter that asks for it.
    pub query: &'static str,
    /// JSON pointer to what only a deleted item has, in a list that gives the others too.
    pub mark: Option<&'static str>,
}

impl Resource {
    /// Where its names are looked for.
    #[must_use]
    pub fn lookup(self) -> Lookup {
        let plain = |noun, tool| Lookup {
            noun,
            tool,
            narrower: None,
            id: "/id",
            names: &["/name"],
            searches: false,
            deleted: None,
        };
        match self {
            Self::Organization => plain("organization", "list_organizations"),
            Self::Project => Lookup {
                searches: true,
                deleted: Some(Deleted {
                    query: "recoverable",
                    mark: None,
                }),
                ..plain("project", "list_projects")
            },
            Self::Branch => Lookup {
                searches: true,
                deleted: Some(Deleted {
                    query: "include_deleted",
                    mark: Some("/recovery"),
                }),
                ..plain("branch", "list_branches")
            },
            Self::Endpoint => Lookup {
                narrower: Some("list_branch_computes"),
                ..plain("compute", "list_computes")
            },
            Self::Snapshot => plain("snapshot", "list_snapshots"),
            Self::ApiKey => plain("API key", "list_api_keys"),
            Self::OrganizationApiKey => plain("API key", "list_organization_api_keys"),
            Self::OrganizationMember => Lookup {
                id: "/member/id",
                names: &["/user/email"],
                ..plain("member", "list_organization_members")
            },
            Self::ProjectMember => Lookup {
                id: "/member_id",
                names: &["/email"],
                ..plain("member", "list_project_members")
            },
            Self::ProjectPermission => Lookup {
                names: &["/granted_to_email"],
                ..plain("permission", "list_project_permissions")
            },
            Self::OrganizationVpcEndpoint => Lookup {
                id: "/vpc_endpoint_id",
                names: &["/label"],
                ..plain("VPC endpoint", "list_region_vpc_endpoints")
            },
            Self::ProjectVpcEndpoint => Lookup {
                id: "/vpc_endpoint_id",
                names: &["/label"],
                ..plain("VPC endpoint", "list_project_vpc_endpoints")
            },
            Self::Jwks => Lookup {
                names: &["/provider_name", "/jwks_url"],
                ..plain("JWKS", "list_project_jwks")
            },
            Self::Credential => Lookup {
                id: "/token_id",
                ..plain("credential", "list_credentials")
            },
            Self::Trigger => Lookup {
                id: "/trigger_id",
                ..plain("trigger", "list_triggers")
            },
        }
    }

    /// What an argument in a path names by its own name.
    #[must_use]
    pub fn of_placeholder(name: &str) -> Option<Self> {
        Some(match name {
            "project_id" => Self::Project,
            "branch_id" => Self::Branch,
            "endpoint_id" => Self::Endpoint,
            "snapshot_id" => Self::Snapshot,
            "org_id" | "source_org_id" => Self::Organization,
            _ => return None,
        })
    }

    /// Whether Neon says nothing of the form of its ids: one that no list has may still be one.
    #[must_use]
    pub fn has_ids_of_any_form(self) -> bool {
        matches!(
            self,
            Self::ProjectPermission | Self::Jwks | Self::Credential | Self::Trigger
        )
    }

    /// Whether it is only an item of a list to this server: nothing is judged by what it is.
    #[must_use]
    pub fn is_item(self) -> bool {
        !matches!(
            self,
            Self::Organization | Self::Project | Self::Branch | Self::Endpoint | Self::Snapshot
        )
    }

    /// Whether a text has the form that Neon gives to ids of this kind (older projects have six digits).
    #[must_use]
    pub fn has_id_form(self, text: &str) -> bool {
        let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Branch => text.starts_with("br-"),
            Self::Endpoint => text.starts_with("ep-"),
            Self::Project => text.rsplit_once('-').is_some_and(|(words, digits)| {
                words.contains('-') && (6..=8).contains(&digits.len()) && is_digits(digits)
            }),
            Self::Organization => text.starts_with("org-"),
            Self::Snapshot => text.starts_with("snap-"),
            Self::ApiKey | Self::OrganizationApiKey => is_digits(text),
            Self::OrganizationMember | Self::ProjectMember => is_uuid(text),
            Self::OrganizationVpcEndpoint | Self::ProjectVpcEndpoint => text.starts_with("vpce-"),
            Self::ProjectPermission | Self::Jwks | Self::Credential | Self::Trigger => is_uuid(text),
        }
    }
}

/// Five groups of hexadecimal digits (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_the_form_of_its_resource() {
        for (resource, id, name) in [
            (Resource::Project, "quiet-sun-12345678", "shop-12345678"),
            (Resource::Branch, "br-quiet-sun-a1b2c3d4", "main"),
            (Resource::Organization, "org-quiet-sun-12345678", "acme"),
            (Resource::ApiKey, "1234", "ci-1234"),
            (
                Resource::OrganizationMember,
                "11111111-2222-4333-8444-555555555555",
                "ann@example.com",
            ),
            (Resource::ProjectVpcEndpoint, "vpce-0a1b2c", "office"),
        ] {
            assert!(resource.has_id_form(id), "{id}");
            assert!(!resource.has_id_form(name), "{name}");
        }
    }
}
