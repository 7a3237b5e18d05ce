//! A selection that offers less than another: what a request asks for of what its caller is offered.

use std::borrow::Cow;
use std::sync::Arc;

use thiserror::Error;

use super::load::Catalog;
use super::nearest::nearest;
use super::pins::Pins;
use super::selection::{Allowed, Selection, SelectionOptions, about_one_project};
use super::tool::Tool;
use crate::neon::{OrganizationId, ProjectId};
use crate::permit::Effect;

/// The most names that a message lists.
const MAX_LISTED: usize = 40;

/// Why a request's own tools are the only ones.
const NOT_ASKED_FOR: &str = "the request asks for other toolsets and tools";

/// Why a tool isn't offered that the request takes out.
const TAKEN_OUT: &str = "the request excludes it (exclude_tools)";

/// What is offered less. Whatever is left out stays as it is.
#[derive(Debug, Clone, Default)]
pub struct SelectionNarrowing {
    /// Only tools of these toolsets, and [`Self::tools`].
    pub toolsets: Option<Vec<String>>,
    /// Only these tools, and those of [`Self::toolsets`].
    pub tools: Option<Vec<String>>,
    /// None of these tools.
    pub exclude: Vec<String>,
    /// Only tools that change nothing and hand over no secret.
    pub read_only: bool,
    /// Only this project.
    pub project_id: Option<ProjectId>,
    /// This organization in all tools that take one.
    pub organization_id: Option<OrganizationId>,
    /// Only these.
    pub pins: Pins,
    /// A search in place of the tools.
    pub discovery: bool,
}

impl SelectionNarrowing {
    /// Whether it leaves a tool, where the tool is offered.
    #[must_use]
    pub fn leaves(&self, tool: &Tool) -> bool {
        let declaration = &tool.declaration;
        let only_reads = declaration.least_effect() == Effect::Read && !declaration.safety.reveals;
        !self.exclude.iter().any(|excluded| excluded == tool.name())
            && self.asks_for(tool)
            && (!self.read_only || only_reads)
            && (self.project_id.is_none() || about_one_project(tool))
    }

    /// Whether it chooses a tool, or chooses none.
    fn asks_for(&self, tool: &Tool) -> bool {
        let named = self.tools.iter().flatten().any(|one| one == tool.name());
        !self.chooses() || named || self.toolsets.iter().flatten().any(|set| is_of(tool, set))
    }

    fn chooses(&self) -> bool {
        self.toolsets.is_some() || self.tools.is_some()
    }
}

/// A request for something that isn't offered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wider {
    /// There is no such toolset, or none of its tools is offered.
    #[error("toolsets: `{name}` is not offered here{}; toolsets: {offered}", suggestion(.nearest.as_deref()))]
    Toolset {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// Those of which tools are offered.
        offered: String,
    },
    /// There is no such tool, or it isn't offered.
    #[error("{parameter}: {why} Tools: {offered}")]
    Tool {
        /// `tools` or `exclude_tools`.
        parameter: &'static str,
        /// A sentence.
        why: String,
        /// Those that are offered.
        offered: String,
    },
    /// Nothing is left.
    #[error("toolsets, tools and exclude_tools leave no tool; tools: {0}")]
    Empty(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!(": did you mean `{name}`?"))
        .unwrap_or_default()
}

impl Selection {
    /// The selection that offers what a request asks for of this one, and nothing else. `allowed` is what is allowed to the caller.
    ///
    /// # Errors
    /// When the request names what isn't offered, or nothing is left.
    pub fn narrowed(&self, narrowing: &SelectionNarrowing, allowed: &impl Allowed) -> Result<Self, Wider> {
        self.check(narrowing)?;
        let own = self.options();
        let options = SelectionOptions {
            exclude: own.exclude.iter().chain(&narrowing.exclude).cloned().collect(),
            read_only: own.read_only || narrowing.read_only,
            project_id: own.project_id.clone().or_else(|| narrowing.project_id.clone()),
            organization_id: own
                .organization_id
                .clone()
                .or_else(|| narrowing.organization_id.clone()),
            pins: own.pins.clone().or(&narrowing.pins),
            discovery: own.discovery || narrowing.discovery,
            // What stands for all is said by the options, and those of discovery mean more than others.
            toolsets: match (&own.toolsets, own.discovery || !own.tools.is_empty()) {
                (None, false) => Some(vec!["default".to_owned()]),
                (None, true) if own.discovery && own.tools.is_empty() => Some(vec!["all".to_owned()]),
                (toolsets, _) => toolsets.clone(),
            },
            ..own.clone()
        };
        let takes_out = |tool: &Tool| -> Option<Cow<'static, str>> {
            let name = tool.name();
            if narrowing.exclude.iter().any(|excluded| excluded == name) {
                return Some(TAKEN_OUT.into());
            }
            if self.tool(name).is_none() {
                // What could be turned on can still be found, where the request doesn't choose by itself.
                let is_findable = !narrowing.chooses() && self.findable().iter().any(|found| found.tool.name() == name);
                return match is_findable {
                    true => None,
                    false => self.left_out(name).cloned(),
                };
            }
            (!narrowing.asks_for(tool)).then_some(NOT_ASKED_FOR.into())
        };
        let catalog: Arc<Catalog> = self.shared_catalog().clone();
        let narrow = Self::build(catalog, &options, allowed, &takes_out);
        match narrow.tools().is_empty() {
            true => Err(Wider::Empty(self.names())),
            false => Ok(narrow),
        }
    }

    /// What of this selection is allowed to a caller: perhaps nothing.
    #[must_use]
    pub fn for_caller(&self, allowed: &impl Allowed) -> Self {
        let catalog: Arc<Catalog> = self.shared_catalog().clone();
        let gone = |tool: &Tool| {
            let name = tool.name();
            let is_findable = self.findable().iter().any(|found| found.tool.name() == name);
            let is_here = self.tool(name).is_some() || is_findable;
            if is_here { None } else { self.left_out(name).cloned() }
        };
        Self::build(catalog, self.options(), allowed, &gone)
    }

    /// Checks that what a request names is offered.
    fn check(&self, narrowing: &SelectionNarrowing) -> Result<(), Wider> {
        for name in narrowing.toolsets.iter().flatten() {
            if !self.tools().iter().any(|selected| is_of(&selected.tool, name)) {
                let known = self.toolset_names();
                return Err(Wider::Toolset {
                    name: name.clone(),
                    nearest: nearest(name, known.iter().copied()).map(str::to_owned),
                    offered: known.join(", "),
                });
            }
        }
        let wrong = |parameter, name: &str| Wider::Tool {
            parameter,
            why: self.missing(name),
            offered: self.names(),
        };
        if let Some(name) = narrowing.tools.iter().flatten().find(|name| self.tool(name).is_none()) {
            return Err(wrong("tools", name));
        }
        // To exclude what isn't offered takes nothing, and is no mistake.
        let unknown = narrowing
            .exclude
            .iter()
            .find(|name| self.catalog().tool(name).is_none());
        match unknown {
            Some(name) => Err(wrong("exclude_tools", name)),
            None => Ok(()),
        }
    }

    /// The toolsets of which tools are offered, in the order of the catalogue.
    fn toolset_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for selected in self.tools() {
            let name = &*selected.tool.toolset;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The tools that are offered, as a message lists them.
    fn names(&self) -> String {
        let names: Vec<&str> = self.tools().iter().map(|tool| tool.tool.name()).collect();
        let listed = names.iter().take(MAX_LISTED).copied().collect::<Vec<&str>>().join(", ");
        match names.len().saturating_sub(MAX_LISTED) {
            0 => listed,
            more => format!("{listed} and {more} more"),
        }
    }
}

/// Whether a tool is one of a toolset, `all` and `default` among them.
fn is_of(tool: &Tool, toolset: &str) -> bool {
    match toolset {
        "all" => true,
        "default" => tool.declaration.listing.default,
        name => &*tool.toolset == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Policy;

    fn selection(options: SelectionOptions) -> Selection {
        Selection::new(Catalog::embedded().unwrap(), &options, &Policy::default()).unwrap()
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.tools().iter().map(|tool| tool.tool.name()).collect()
    }

    fn list(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn narrowed_selection_has_no_tool_that_the_wider_one_lacks() {
        let own = [
            SelectionOptions::default(),
            SelectionOptions {
                discovery: true,
                ..SelectionOptions::default()
            },
            SelectionOptions {
                toolsets: list(&["branches", "snapshots"]),
                ..SelectionOptions::default()
            },
            SelectionOptions {
                tools: list(&["list_projects", "delete_branch"]).unwrap(),
                ..SelectionOptions::default()
            },
            SelectionOptions {
                read_only: true,
                exclude: list(&["list_branches"]).unwrap(),
                ..SelectionOptions::default()
            },
        ];
        let project = ProjectId::parse("quiet-sun-12345678".to_owned()).unwrap();
        let asked = [
            SelectionNarrowing::default(),
            SelectionNarrowing {
                toolsets: list(&["all"]),
                ..SelectionNarrowing::default()
            },
            SelectionNarrowing {
                toolsets: list(&["branches"]),
                tools: list(&["list_projects"]),
                ..SelectionNarrowing::default()
            },
            SelectionNarrowing {
                discovery: true,
                ..SelectionNarrowing::default()
            },
            SelectionNarrowing {
                project_id: Some(project),
                read_only: true,
                exclude: list(&["list_snapshots"]).unwrap(),
                ..SelectionNarrowing::default()
            },
        ];
        let mut narrowed_any = 0;
        for own in own {
            let wide = selection(own);
            for asked in &asked {
                let Ok(narrow) = wide.narrowed(asked, &Policy::default()) else {
                    continue;
                };
                narrowed_any += 1;
                for tool in narrow.tools() {
                    let name = tool.tool.name();
                    let before = wide.tool(name).unwrap_or_else(|| panic!("{name} is more"));
                    assert!(
                        tool.arguments().all(|one| before.arguments().any(|other| one == other)),
                        "{name} has more arguments"
                    );
                }
            }
        }
        assert!(narrowed_any >= 15, "{narrowed_any}");
    }

    #[test]
    fn narrowing_that_says_nothing_changes_nothing() {
        for discovery in [false, true] {
            let wide = selection(SelectionOptions {
                discovery,
                ..SelectionOptions::default()
            });
            let same = wide
                .narrowed(&SelectionNarrowing::default(), &Policy::default())
                .unwrap();
            assert_eq!(names(&wide), names(&same));
            assert_eq!(wide.findable().len(), same.findable().len());
        }
    }

    #[test]
    fn search_that_a_request_asks_for_finds_what_was_listed_before() {
        let wide = selection(SelectionOptions::default());
        let asked = SelectionNarrowing {
            discovery: true,
            ..SelectionNarrowing::default()
        };
        let narrow = wide.narrowed(&asked, &Policy::default()).unwrap();
        assert!(narrow.discovery());
        assert_eq!(names(&wide), names(&narrow));
    }

    #[test]
    fn what_is_not_offered_is_not_given_to_a_request() {
        let wide = selection(SelectionOptions {
            toolsets: list(&["branches"]),
            ..SelectionOptions::default()
        });
        let refused = |asked: SelectionNarrowing| wide.narrowed(&asked, &Policy::default()).unwrap_err();
        let of_toolset = |name| {
            refused(SelectionNarrowing {
                toolsets: list(&[name]),
                ..SelectionNarrowing::default()
            })
        };
        assert!(matches!(of_toolset("snapshots"), Wider::Toolset { offered, .. } if offered == "branches"));
        assert!(matches!(of_toolset("branchs"), Wider::Toolset { nearest: Some(near), .. } if near == "branches"));
        let wrong = refused(SelectionNarrowing {
            tools: list(&["list_projects"]),
            ..SelectionNarrowing::default()
        });
        assert!(matches!(&wrong, Wider::Tool { parameter: "tools", offered, .. } if offered.contains("list_branches")));
        let wrong = refused(SelectionNarrowing {
            exclude: list(&["list_branchs"]).unwrap(),
            ..SelectionNarrowing::default()
        });
        assert!(matches!(
            wrong,
            Wider::Tool {
                parameter: "exclude_tools",
                ..
            }
        ));
        let nothing = refused(SelectionNarrowing {
            tools: list(&["delete_branch"]),
            read_only: true,
            ..SelectionNarrowing::default()
        });
        assert!(matches!(nothing, Wider::Empty(_)));
    }

    #[test]
    fn tool_that_a_request_leaves_out_is_told_like_any_other_that_is_not_offered() {
        let wide = selection(SelectionOptions::default());
        let asked = SelectionNarrowing {
            toolsets: list(&["branches"]),
            exclude: list(&["delete_branch"]).unwrap(),
            ..SelectionNarrowing::default()
        };
        let narrow = wide.narrowed(&asked, &Policy::default()).unwrap();
        for (name, why) in [
            ("list_projects", NOT_ASKED_FOR),
            ("delete_branch", TAKEN_OUT),
            ("create_api_key", "toolset"),
        ] {
            assert!(narrow.tool(name).is_none() && narrow.leaves_out(name), "{name}");
            assert!(narrow.missing(name).contains(why), "{}", narrow.missing(name));
        }
        assert!(!narrow.finds_more());
    }
}
