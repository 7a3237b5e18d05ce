//! What a request asks for of what its caller is offered: query parameters of its URL, or headers. It only narrows: whatever would
//! be more, or isn't understood, is refused before anything runs.

use std::collections::BTreeMap;

use http::{HeaderMap, Uri};

use crate::catalog::{BranchPin, Named, Pins, SelectionNarrowing, SelectionOptions, Wider, nearest};
use crate::guard::{BranchSeen, Policy};
use crate::neon::text::one_line;
use crate::neon::{OrganizationId, ProjectId};

/// The longest value of a parameter, in bytes.
const MAX_VALUE: usize = 4_096;

/// What headers begin with that are ours.
const PREFIX: &str = "x-neon-mcp-";

/// The parameters: their name, other spellings of the query (Neon's own among them), and headers beside `X-Neon-MCP-NAME`.
const PARAMETERS: [(&str, &[&str], &[&str]); 10] = [
    (
        "readonly",
        &["read_only", "readOnly"],
        &["x-read-only", "x-neon-read-only"],
    ),
    ("project_id", &["projectId"], &[]),
    ("org_id", &["orgId"], &[]),
    ("toolsets", &["category"], &[]),
    ("tools", &[], &[]),
    ("exclude_tools", &["excludeTools"], &[]),
    ("discovery", &[], &[]),
    ("branch", &["branchId", "branch_id"], &[]),
    ("role", &["roleName", "role_name"], &[]),
    ("database", &["databaseName", "database_name"], &[]),
];

/// Neon's categories of tools that aren't called like toolsets here.
const CATEGORIES: [(&str, &str); 4] = [
    ("querying", "sql"),
    ("neon_auth", "auth"),
    ("observability", "logs"),
    ("performance", "sql"),
];

/// A request that can't be served: a parameter that isn't understood, or that asks for more than is offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} Nothing was run. A request narrows what this server offers, and never widens it.")]
pub(super) struct NotOffered(String);

impl From<Wider> for NotOffered {
    fn from(wider: Wider) -> Self {
        Self(format!("{wider}."))
    }
}

fn refuse<T>(text: String) -> Result<T, NotOffered> {
    Err(NotOffered(text))
}

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    readonly: Option<bool>,
    discovery: Option<bool>,
    project_id: Option<ProjectId>,
    org_id: Option<OrganizationId>,
    toolsets: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    exclude_tools: Option<Vec<String>>,
    pins: Pins,
}

impl Asked {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// When anything isn't understood, or is said in two ways that differ.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, NotOffered> {
        let mut said: BTreeMap<&'static str, (String, String)> = BTreeMap::new();
        let query = uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = format!("the query parameter `{}`", one_line(&name, 60));
            let Some(parameter) = of_query(&name) else {
                return refuse(format!("{place} isn't understood{}", known(&name)));
            };
            say(&mut said, parameter, place, &value)?;
        }
        for (name, value) in headers {
            let Some(own) = of_header(name.as_str()) else { continue };
            let place = format!("the header `{}`", one_line(name.as_str(), 60));
            let Some(parameter) = own else {
                return refuse(format!("{place} isn't understood{}", known(name.as_str())));
            };
            let Ok(value) = value.to_str() else {
                return refuse(format!("{place} has a value that is no text."));
            };
            say(&mut said, parameter, place, value)?;
        }
        let mut asked = Self::default();
        for (parameter, (place, value)) in said {
            asked
                .set(parameter, &value)
                .or_else(|why| refuse(format!("{place} {why}.")))?;
        }
        Ok(asked)
    }

    /// Whether it asks for nothing.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The same text for all that ask for the same, and for no others.
    pub(super) fn canonical(&self) -> String {
        format!("{self:?}")
    }

    fn set(&mut self, parameter: &str, value: &str) -> Result<(), String> {
        match parameter {
            "readonly" => self.readonly = Some(truth(value)?),
            "discovery" => self.discovery = Some(truth(value)?),
            "project_id" => {
                let id = ProjectId::parse(value.to_owned());
                self.project_id =
                    Some(id.map_err(|why| format!("is no project id ({why}): it looks like quiet-sun-12345678"))?);
            }
            "org_id" => {
                let id = OrganizationId::parse(value.to_owned());
                self.org_id =
                    Some(id.map_err(|why| {
                        format!("is no organization id ({why}): it looks like org-quiet-sun-12345678")
                    })?);
            }
            "toolsets" => {
                let names = list(value)?.into_iter().map(|name| {
                    let own = CATEGORIES.iter().find(|(neons, _)| *neons == name);
                    own.map_or(name, |(_, own)| (*own).to_owned())
                });
                let mut names: Vec<String> = names.collect();
                names.sort();
                names.dedup();
                self.toolsets = Some(names);
            }
            "tools" => self.tools = Some(list(value)?),
            "exclude_tools" => self.exclude_tools = Some(list(value)?),
            "branch" => self.pins.branch = Some(BranchPin::parse(value)?),
            "role" => self.pins.role = Some(name(value)?),
            _ => self.pins.database = Some(name(value)?),
        }
        Ok(())
    }

    /// What of the tools it asks for.
    pub(super) fn selection(&self) -> SelectionNarrowing {
        SelectionNarrowing {
            toolsets: self.toolsets.clone(),
            tools: self.tools.clone(),
            exclude: self.exclude_tools.clone().unwrap_or_default(),
            read_only: self.readonly == Some(true),
            project_id: self.project_id.clone(),
            organization_id: self.org_id.clone(),
            pins: self.pins.clone(),
            discovery: self.discovery == Some(true),
        }
    }

    /// Checks that it asks for no more than its caller is offered, but for tools.
    ///
    /// # Errors
    /// Names the parameter, and what is allowed.
    pub(super) fn check(&self, own: &SelectionOptions, policy: &Policy) -> Result<(), NotOffered> {
        if self.readonly == Some(false) && (own.read_only || policy.is_read_only()) {
            return refuse(
                "readonly: this server is read-only for this caller; leave it out, or write true.".to_owned(),
            );
        }
        if self.discovery == Some(false) && own.discovery {
            return refuse(
                "discovery: this server lists a search in place of its tools; leave it out, or write true.".to_owned(),
            );
        }
        let fixed = |what: &str, own: Option<&str>, asked: Option<&str>| match (own, asked) {
            (Some(own), Some(asked)) if own != asked => refuse(format!(
                "{what}: this server works with {} alone; leave it out, or write that.",
                one_line(own, 80)
            )),
            _ => Ok(()),
        };
        let id = |id: &Option<ProjectId>| id.as_ref().map(|id| id.as_str().to_owned());
        fixed(
            "project_id",
            id(&own.project_id).as_deref(),
            id(&self.project_id).as_deref(),
        )?;
        let id = |id: &Option<OrganizationId>| id.as_ref().map(|id| id.as_str().to_owned());
        fixed(
            "org_id",
            id(&own.organization_id).as_deref(),
            id(&self.org_id).as_deref(),
        )?;
        let pins = policy.pins();
        let branch = |pin: &Option<BranchPin>| pin.as_ref().map(|pin| pin.as_str().to_owned());
        fixed(
            "branch",
            branch(&pins.branch).as_deref(),
            branch(&self.pins.branch).as_deref(),
        )?;
        fixed("role", pins.role.as_deref(), self.pins.role.as_deref())?;
        fixed("database", pins.database.as_deref(), self.pins.database.as_deref())?;
        self.check_policy(policy)
    }

    /// Checks what the policy bounds by name.
    fn check_policy(&self, policy: &Policy) -> Result<(), NotOffered> {
        let denied = |parameter: &str, denied: crate::guard::Denied| {
            NotOffered(format!(
                "{parameter}: the operator's policy allows no such call ({}).",
                denied.rule
            ))
        };
        if let Some(id) = &self.project_id
            && !policy.admits_project(Some(id))
        {
            return refuse(format!(
                "project_id: the operator's policy allows no call about {} (allowed_projects).",
                one_line(id.as_str(), 80)
            ));
        }
        if let Some(id) = &self.org_id {
            policy
                .check_organization(Some(id))
                .map_err(|why| denied("org_id", why))?;
        }
        if let Some(pin) = &self.pins.branch {
            let (id, name) = match pin {
                BranchPin::Id(id) => (id.as_str(), ""),
                BranchPin::Name(name) => ("", name.as_str()),
            };
            // What it is at the time of a call is looked at then.
            let branch = BranchSeen {
                id: id.to_owned(),
                name: name.to_owned(),
                default: false,
                protected: false,
            };
            policy.spares_branch(&branch).map_err(|why| denied("branch", why))?;
        }
        if let Some(role) = &self.pins.role {
            policy
                .admits_name(Named::Role, role)
                .map_err(|why| denied("role", why))?;
        }
        if let Some(database) = &self.pins.database {
            policy
                .admits_name(Named::Database, database)
                .map_err(|why| denied("database", why))?;
        }
        Ok(())
    }
}

/// Notes what is said of a parameter. Said twice, it must be the same.
fn say(
    said: &mut BTreeMap<&'static str, (String, String)>,
    parameter: &'static str,
    place: String,
    value: &str,
) -> Result<(), NotOffered> {
    if value.len() > MAX_VALUE {
        return refuse(format!("{place} is longer than {MAX_VALUE} bytes."));
    }
    let is_same = |one: &str| {
        let (mut first, mut second) = (Asked::default(), Asked::default());
        first.set(parameter, one).is_ok() && second.set(parameter, value).is_ok() && first == second
    };
    match said.get(parameter) {
        Some((before, one)) if !is_same(one) => refuse(format!(
            "{place} and {before} differ: write {parameter} once, several names with commas between them."
        )),
        Some(_) => Ok(()),
        None => {
            said.insert(parameter, (place, value.to_owned()));
            Ok(())
        }
    }
}

/// The parameter that a name in the query stands for.
fn of_query(name: &str) -> Option<&'static str> {
    let found = PARAMETERS
        .iter()
        .find(|(parameter, others, _)| *parameter == name || others.contains(&name));
    found.map(|(parameter, ..)| *parameter)
}

/// The parameter that a header stands for. The outer nothing: it is none of ours; the inner one: it looks like one.
fn of_header(name: &str) -> Option<Option<&'static str>> {
    let beside = PARAMETERS.iter().find(|(_, _, headers)| headers.contains(&name));
    if let Some((parameter, ..)) = beside {
        return Some(Some(parameter));
    }
    if !name.starts_with("x-neon-") {
        return None;
    }
    let Some(name) = name.strip_prefix(PREFIX) else {
        return Some(None);
    };
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let found = PARAMETERS.iter().find(|(parameter, others, _)| {
        plain(parameter) == plain(name) || others.iter().any(|other| plain(other) == plain(name))
    });
    Some(found.map(|(parameter, ..)| *parameter))
}

/// What there is, with what was probably meant.
fn known(name: &str) -> String {
    let names = PARAMETERS.iter().map(|(name, ..)| *name);
    let bare = name.strip_prefix(PREFIX).unwrap_or(name).replace('-', "_");
    let meant = nearest(&bare, names.clone()).map(|near| format!(": did you mean `{near}`?"));
    format!(
        "{} Parameters: {}; or headers, as X-Neon-MCP-Project-Id.",
        meant.unwrap_or_else(|| ".".to_owned()),
        names.collect::<Vec<&str>>().join(", ")
    )
}

fn truth(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// Names with commas between them, in an order of its own.
fn list(value: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err("has an empty name: write names with commas between them, or leave it out".to_owned());
    }
    if names.iter().any(|name| {
        !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    }) {
        return Err("has a name that isn't one: write names with commas between them".to_owned());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// A name of Postgres.
fn name(value: &str) -> Result<String, String> {
    match value.chars().count() {
        0 => Err("is empty: write a name, or leave it out".to_owned()),
        256.. => Err("is longer than any name in Postgres".to_owned()),
        _ if value.chars().any(char::is_control) => Err("holds a control character, which no name does".to_owned()),
        _ => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(query: &str, headers: &[(&'static str, &str)]) -> Result<Asked, String> {
        let uri: Uri = format!("/mcp{query}").parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Asked::read(&uri, &map).map_err(|error| error.to_string())
    }

    #[test]
    fn every_parameter_is_understood_in_each_spelling() {
        let value = |parameter: &str| match parameter {
            "readonly" | "discovery" => "true",
            "project_id" => "quiet-sun-12345678",
            "org_id" => "org-quiet-sun-12345678",
            "toolsets" => "branches,sql",
            "tools" | "exclude_tools" => "list_projects",
            _ => "main",
        };
        for (parameter, others, headers) in PARAMETERS {
            let value = value(parameter);
            let one = read(&format!("?{parameter}={value}"), &[]).unwrap();
            assert!(!one.is_nothing(), "{parameter}");
            for other in others {
                assert_eq!(read(&format!("?{other}={value}"), &[]).unwrap(), one, "{other}");
            }
            for header in headers {
                assert_eq!(read("", &[(*header, value)]).unwrap(), one, "{header}");
            }
            for header in [
                format!("{PREFIX}{}", parameter.replace('_', "-")),
                format!("{PREFIX}{parameter}"),
            ] {
                let header: &'static str = header.leak();
                assert_eq!(read("", &[(header, value)]).unwrap(), one, "{header}");
                assert_eq!(read(&format!("?{parameter}={value}"), &[(header, value)]).unwrap(), one);
            }
        }
    }

    #[test]
    fn categories_of_neon_are_toolsets_here() {
        let asked = read("?category=querying,branches,neon_auth,observability", &[]).unwrap();
        assert_eq!(asked, read("?toolsets=auth,branches,logs,sql", &[]).unwrap());
        let catalog = crate::catalog::Catalog::embedded().unwrap();
        for (_, own) in CATEGORIES {
            assert!(catalog.toolsets().iter().any(|toolset| &*toolset.name == own), "{own}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_its_name() {
        for (query, says) in [
            ("?readonly", "`readonly` is neither"),
            ("?readonly=perhaps", "`readonly` is neither"),
            ("?readnly=true", "did you mean `readonly`"),
            ("?=", "isn't understood"),
            ("?token=secret", "isn't understood"),
            ("?project_id=", "no project id"),
            ("?projectId=a/b", "`projectId` is no project id"),
            ("?org_id=a b", "no organization id"),
            ("?toolsets=", "empty name"),
            ("?tools=a,,b", "empty name"),
            ("?tools=a%20b", "isn't one"),
            ("?branch=", "is empty"),
            ("?role=", "is empty"),
            ("?role=a%00b", "control character"),
        ] {
            let query = query.replace(' ', "%20");
            let error = read(&query, &[]).unwrap_err();
            assert!(
                error.contains(says) && error.contains("Nothing was run"),
                "{query}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
        let long = format!("?branch={}", "x".repeat(MAX_VALUE + 1));
        assert!(read(&long, &[]).unwrap_err().contains("longer than"));
        for header in ["x-neon-mcp-readnly", "x-neon-project-id", "x-neon-mcp-"] {
            assert!(read("", &[(header, "true")]).unwrap_err().contains(header), "{header}");
        }
        assert!(
            read("", &[("x-neo", "1"), ("x-forwarded-for", "1")])
                .unwrap()
                .is_nothing()
        );
    }

    #[test]
    fn what_is_said_twice_must_be_the_same() {
        for (query, headers) in [
            ("?readonly=true&read_only=1", &[("x-read-only", "TRUE")][..]),
            ("?tools=a,b&tools=b,a", &[]),
            ("?category=querying", &[("x-neon-mcp-toolsets", "sql")]),
        ] {
            assert!(read(query, headers).is_ok(), "{query}");
        }
        for (query, headers) in [
            ("?readonly=true&readonly=false", &[][..]),
            ("?category=branches&category=sql", &[]),
            ("?project_id=a&projectId=b", &[]),
            ("?readonly=true", &[("x-read-only", "false")]),
            ("", &[("x-neon-mcp-branch", "a"), ("x-neon-mcp-branch", "b")]),
        ] {
            let error = read(query, headers).unwrap_err();
            assert!(error.contains("differ"), "{query}: {error}");
        }
    }

    #[test]
    fn text_of_what_is_asked_for_is_its_own() {
        let mut all = std::collections::HashSet::new();
        let queries = [
            "",
            "?branch=a",
            "?role=a",
            "?database=a",
            "?branch=name%3Aa%22%2C",
            "?tools=a,b",
            "?toolsets=a,b",
            "?exclude_tools=a,b",
            "?tools=a",
            "?readonly=true",
            "?readonly=false",
            "?discovery=true",
        ];
        for query in queries {
            assert!(all.insert(read(query, &[]).unwrap().canonical()), "{query}");
        }
        assert_eq!(
            read("?tools=b,a,b", &[]).unwrap().canonical(),
            read("?tools=a,b", &[]).unwrap().canonical()
        );
    }
}
