//! Which tools this server offers: toolsets, single tools, read-only, a fixed project or organization.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::callers::caller_of;
use super::declaration::Workflow;
use super::load::Catalog;
use super::nearest::{nearest, nearest_tool};
use super::pins::{Linked, Pins};
use super::publish::published_schema;
use super::tool::{Tool, Validator};
use crate::neon::{OrganizationId, ProjectId};
use crate::permit::Effect;

/// The argument that says which account a call is of, beside those of any tool, where there are several accounts.
pub const ACCOUNT: &str = "account";

fn account_argument(names: &[String]) -> Value {
    json!({
        "type": "string",
        "enum": names,
        "description": "Which Neon account; may be left out where an id in the call belongs to one alone",
    })
}

/// What a description ends with where a plain call requires approval.
const ASKS: &str = " (asks)";

/// What it ends with where some arguments require one.
const MAY_ASK: &str = " (may ask)";

/// The flag that enables one more toolset.
fn turns_on(toolset: &str, chosen: &[&str]) -> String {
    let names: Vec<&str> = chosen.iter().copied().chain([toolset]).collect();
    format!("--toolsets {}", names.join(","))
}

/// What the operator asked for.
#[derive(Debug, Clone, Default)]
pub struct SelectionOptions {
    /// Toolsets by name; `all` and `default` are names too. None and no single tool means `default`.
    pub toolsets: Option<Vec<String>>,
    /// Single tools, beside the toolsets.
    pub tools: Vec<String>,
    /// Tools that are left out whatever else is said.
    pub exclude: Vec<String>,
    /// Only tools that change nothing and hand over no secret.
    pub read_only: bool,
    /// The one project that the tools are about: tools that aren't about one project are left out.
    pub project_id: Option<ProjectId>,
    /// The one organization that the tools are about.
    pub organization_id: Option<OrganizationId>,
    /// What the operator fixed inside of a project.
    pub pins: Pins,
    /// What the working directory is linked to, as far as nothing else is fixed.
    pub linked: Option<Arc<Linked>>,
    /// There is no documentation to read: the tools that do are left out.
    pub without_docs: bool,
    /// List a search and a few callers in place of the tools. None named means all of them then.
    pub discovery: bool,
    /// The names of the accounts, where there are several: tools take which one it is.
    pub accounts: Vec<String>,
}

/// What the operator's policy leaves of the catalogue: what a selection needs to know of it.
pub trait Allowed {
    /// Whether it names the tool, and allows no call of it.
    fn denies_by_name(&self, tool: &Tool) -> bool;

    /// Whether any call of the tool could run.
    fn lists(&self, tool: &Tool) -> bool;

    /// Whether calls that do more than read are denied.
    fn is_read_only(&self) -> bool;

    /// The scopes that every call of the tool needs and the caller lacks, in words.
    fn lacks_scopes(&self, tool: &Tool) -> Option<String>;
}

/// A name that the operator gave and that doesn't exist, or a choice that leaves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// No such toolset.
    #[error("there is no toolset `{name}`{}", suggestion(.nearest.as_deref(), "branches"))]
    Toolset {
        /// What was given.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// No such tool.
    #[error("there is no tool `{name}`{}", suggestion(.nearest.as_deref(), "list_projects"))]
    Tool {
        /// What was given.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Nothing is left.
    #[error("this selection leaves no tool: see `neon-mcp tools` for what there is")]
    Empty,
}

fn suggestion(nearest: Option<&str>, example: &str) -> String {
    nearest
        .map(|name| format!(": did you mean `{name}`?"))
        .unwrap_or_else(|| format!(": see `neon-mcp tools`; one is called `{example}`"))
}

/// The tools that this server offers, in the order of the catalogue. What isn't here can't be called.
#[derive(Debug)]
pub struct Selection {
    tools: Vec<Arc<SelectedTool>>,
    /// The tools, and those beside them that only their toolset keeps from being offered.
    findable: Vec<Arc<SelectedTool>>,
    index: HashMap<String, usize>,
    /// Tools that exist but aren't offered, with why not.
    left_out: HashMap<String, Cow<'static, str>>,
    /// Of those, the workflows that are left out since a step of theirs is.
    without_step: Vec<String>,
    /// Everything that there is: plans look with reading tools that may not be offered.
    catalog: Arc<Catalog>,
    /// What it was made from: a narrower one begins with the same.
    options: SelectionOptions,
    /// The toolsets that were asked for.
    toolsets: Vec<String>,
}

/// A tool as it is offered: without the arguments that the operator fixed.
#[derive(Debug)]
pub struct SelectedTool {
    /// The tool.
    pub tool: Arc<Tool>,
    /// The schema of the arguments that calls are checked against; [`Self::published`] is what is told.
    pub input: Arc<Map<String, Value>>,
    /// What the operator fixed: filled in at every call.
    pub fixed: Map<String, Value>,
    /// The one project that calls are about, whether the tool takes it or not.
    pub project: Option<ProjectId>,
    /// The one organization.
    pub organization: Option<OrganizationId>,
    /// What the working directory is linked to: it stands in for arguments that aren't given.
    pub linked: Option<Arc<Linked>>,
    /// Advanced arguments that aren't offered.
    pub left_out: Vec<String>,
    /// The flag that offers them.
    pub offers_all: String,
    /// Arguments that many tools have and that aren't told here: they are taken all the same.
    untold: Vec<String>,
    /// The names of the accounts, where there are several: calls name one in [`ACCOUNT`].
    pub accounts: Arc<[String]>,
    /// Calls that do more than read are refused.
    pub read_only: bool,
    /// Steps of a workflow that the operator excluded: it goes without them.
    pub excluded_steps: Vec<String>,
    validator: Validator,
}

impl SelectedTool {
    /// The schema of the arguments as it is published.
    #[must_use]
    pub fn published(&self) -> Map<String, Value> {
        let mut published = published_schema(&self.input);
        if let Some(properties) = published.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|argument, _| !self.untold.contains(argument));
            if !self.accounts.is_empty() {
                properties.insert(ACCOUNT.to_owned(), account_argument(&self.accounts));
            }
        } else if !self.accounts.is_empty() {
            published.insert(
                "properties".to_owned(),
                json!({ ACCOUNT: account_argument(&self.accounts) }),
            );
        }
        published
    }

    /// The compiled schema of the arguments: compiled at the first call.
    ///
    /// # Errors
    /// When the schema can't be compiled; the lints see to it that this doesn't happen.
    pub fn validator(&self) -> Result<&jsonschema::Validator, &str> {
        self.validator.of(&self.input)
    }

    /// The most that a call can do: of a tool whose statements decide, only reads run where nothing else may.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let declaration = &self.tool.declaration;
        if self.read_only {
            declaration.least_effect()
        } else {
            declaration.safety.effect
        }
    }

    /// The effect of the caller that runs it in discovery mode: that which it declares. What arguments and facts raise is asked about as
    /// in a direct call. A reading tool that hands over a secret needs the caller for access: `call_read_tool` runs what `--read-only`
    /// leaves.
    #[must_use]
    pub fn needs(&self) -> Effect {
        match self.effect() {
            Effect::Read if self.tool.declaration.safety.reveals => Effect::Access,
            effect => effect,
        }
    }

    /// Whether what its statements do decides what its call does, and they may do no more than that.
    #[must_use]
    pub fn decides_by_statements(&self, allowed: Effect) -> bool {
        let declaration = &self.tool.declaration;
        declaration.statements().is_some() && declaration.least_effect() <= allowed && !declaration.safety.reveals
    }

    /// What is told of the tool: what it does, and whether a plain call requires approval.
    #[must_use]
    pub fn description(&self) -> String {
        let declaration = &self.tool.declaration;
        let mark = match () {
            () if declaration.plain_call_asks() => ASKS,
            () if declaration.may_ask(|name| self.arguments().any(|offered| offered == name)) => MAY_ASK,
            () => "",
        };
        format!("{}{mark}", declaration.description)
    }

    /// The names of the arguments that are told.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.arguments()
            .filter(|name| !self.untold.iter().any(|untold| untold == name))
    }

    /// The names of the arguments that may be given.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.input
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str))
    }
}

impl Selection {
    /// Selects from a catalogue.
    ///
    /// # Errors
    /// When a name is unknown, or nothing is left.
    pub fn new(catalog: Catalog, options: &SelectionOptions, allowed: &impl Allowed) -> Result<Self, SelectionError> {
        let toolset_names = || {
            catalog
                .toolsets()
                .iter()
                .map(|toolset| &*toolset.name)
                .chain(["all", "default"])
        };
        let tool_names = || catalog.tools().iter().map(|tool| tool.name());
        for name in options.toolsets.iter().flatten() {
            if !toolset_names().any(|known| known == name) {
                let nearest = nearest(name, toolset_names()).map(str::to_owned);
                return Err(SelectionError::Toolset {
                    name: name.clone(),
                    nearest,
                });
            }
        }
        for name in options.tools.iter().chain(&options.exclude) {
            if !tool_names().any(|known| known == name) {
                let nearest = nearest(name, tool_names()).map(str::to_owned);
                return Err(SelectionError::Tool {
                    name: name.clone(),
                    nearest,
                });
            }
        }
        let selection = Self::build(Arc::new(catalog), options, allowed, &|_| None);
        if selection.tools.is_empty() {
            return Err(SelectionError::Empty);
        }
        Ok(selection)
    }

    /// Selects from a catalogue by names that are there. `leaves_out` says why a tool isn't offered for a reason of its own.
    pub(super) fn build(
        catalog: Arc<Catalog>,
        options: &SelectionOptions,
        allowed: &impl Allowed,
        leaves_out: &dyn Fn(&Tool) -> Option<Cow<'static, str>>,
    ) -> Self {
        let everything = |name: &str| name == "all";
        let chosen: Vec<&str> = match &options.toolsets {
            Some(names) => names.iter().map(String::as_str).collect(),
            None if options.tools.is_empty() => vec![if options.discovery { "all" } else { "default" }],
            None => Vec::new(),
        };
        let mut selection = Self {
            tools: Vec::new(),
            findable: Vec::new(),
            index: HashMap::new(),
            left_out: HashMap::new(),
            without_step: Vec::new(),
            catalog: catalog.clone(),
            options: options.clone(),
            toolsets: chosen.iter().map(|name| (*name).to_owned()).collect(),
        };
        // By name, that is: what an effect or a scope denies is for each step to find out.
        let excluded = |name: &str| {
            options.exclude.iter().any(|tool| tool == name)
                || catalog.tool(name).is_some_and(|tool| allowed.denies_by_name(tool))
        };
        // The default list is the daily work alone: the rest can be found from it, and the operator can turn it on.
        let finds_more = chosen.contains(&"default") && !options.discovery;
        for tool in catalog.tools() {
            let name = tool.name();
            let declaration = &tool.declaration;
            let workflow = declaration.workflow.as_ref();
            let missing = workflow.and_then(|workflow| workflow.required_steps.iter().find(|step| excluded(step)));
            let whole = options.tools.iter().any(|tool| tool == name)
                || chosen.iter().any(|set| everything(set) || *set == &*tool.toolset);
            let asked = whole || (declaration.listing.default && chosen.contains(&"default"));
            let own_reason = leaves_out(tool);
            let reason = if own_reason.is_some() {
                own_reason
            } else if options.exclude.iter().any(|tool| tool == name) {
                Some(Cow::from("the operator excluded it"))
            } else if options.read_only && (declaration.least_effect() != Effect::Read || declaration.safety.reveals) {
                Some("this server is read-only".into())
            } else if let Some(reads) =
                declaration.listing.read_by.as_deref().filter(|reads| {
                    options.read_only && !options.tools.iter().any(|tool| tool == name) && !excluded(reads)
                })
            {
                Some(format!("this server is read-only, where `{reads}` does what it would").into())
            } else if options.without_docs && declaration.workflow().is_some_and(Workflow::reads_docs) {
                Some("the operator switched the documentation off".into())
            } else if options.project_id.is_some() && !about_one_project(tool) {
                Some("this server is for one project, and the tool reaches beyond it".into())
            } else if let Some(scopes) = allowed.lacks_scopes(tool) {
                Some(scopes.into())
            } else if !allowed.lists(tool) {
                Some("the operator's policy doesn't allow it".into())
            } else if let Some(step) = missing {
                if asked {
                    selection.without_step.push(name.to_owned());
                }
                Some(format!("it does what `{step}` does, which the operator excluded").into())
            } else if !asked {
                if finds_more {
                    let selected = select(tool, options, (true, &chosen), allowed.is_read_only());
                    selection.findable.push(Arc::new(selected));
                }
                let toolset = &tool.toolset;
                let flag = turns_on(toolset, &chosen);
                Some(format!("its toolset `{toolset}` is not enabled; the operator turns it on with {flag}, or this tool alone with --tools {name}").into())
            } else {
                None
            };
            match reason {
                Some(reason) => {
                    selection.left_out.insert(name.to_owned(), reason);
                }
                None => {
                    selection.index.insert(name.to_owned(), selection.tools.len());
                    let mut selected = select(tool, options, (whole, &chosen), allowed.is_read_only());
                    let optional = workflow
                        .into_iter()
                        .flat_map(|workflow| &workflow.optional_steps)
                        // What the policy denies is denied in its own words when it comes to it.
                        .filter(|step| options.exclude.contains(step));
                    selected.excluded_steps = optional.cloned().collect();
                    let selected = Arc::new(selected);
                    selection.findable.push(selected.clone());
                    selection.tools.push(selected);
                }
            }
        }
        selection
    }

    /// The tools, in the order in which they are listed.
    #[must_use]
    pub fn tools(&self) -> &[Arc<SelectedTool>] {
        &self.tools
    }

    /// The tools, and those that aren't offered only because their toolset is not enabled, where a search is offered for them.
    #[must_use]
    pub fn findable(&self) -> &[Arc<SelectedTool>] {
        &self.findable
    }

    /// Whether a search is offered beside the tools, since there are more.
    #[must_use]
    pub fn finds_more(&self) -> bool {
        self.findable.len() > self.tools.len()
    }

    /// Whether the tool exists and isn't offered.
    #[must_use]
    pub fn leaves_out(&self, name: &str) -> bool {
        self.left_out.contains_key(name)
    }

    /// Everything that there is, offered or not.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The tool of that name, if it is offered.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<SelectedTool>> {
        self.index.get(name).and_then(|index| self.tools.get(*index))
    }

    /// The workflows that are left out since the operator excluded a step without which they do nothing, each with why.
    pub fn without_step(&self) -> impl Iterator<Item = (&str, &str)> {
        let reason = |name: &String| self.left_out.get(name).map(|reason| &**reason);
        self.without_step
            .iter()
            .filter_map(move |name| Some((name.as_str(), reason(name)?)))
    }

    /// Whether the tools are found by a search rather than listed.
    #[must_use]
    pub fn discovery(&self) -> bool {
        self.options.discovery
    }

    /// What it was made from.
    #[must_use]
    pub fn options(&self) -> &SelectionOptions {
        &self.options
    }

    pub(super) fn shared_catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Why a tool isn't offered that exists.
    pub(super) fn left_out(&self, name: &str) -> Option<&Cow<'static, str>> {
        self.left_out.get(name)
    }

    /// The flag that turns on the toolset of a tool that isn't offered, beside those that are.
    #[must_use]
    pub fn flag_for(&self, tool: &Tool) -> Option<String> {
        let offered = self.tool(tool.name()).is_some();
        let chosen: Vec<&str> = self.toolsets.iter().map(String::as_str).collect();
        (!offered).then(|| turns_on(&tool.toolset, &chosen))
    }

    /// What to say about a name that isn't offered.
    #[must_use]
    pub fn missing(&self, name: &str) -> String {
        if let Some(reason) = self.left_out.get(name) {
            return format!("The tool `{name}` is not offered here: {reason}.");
        }
        let offered = self.tools.iter().map(|tool| tool.tool.name());
        let all = self.catalog.tools().iter().map(|tool| tool.name());
        match nearest_tool(name, offered, all) {
            Some(meant) => {
                let more = match (self.left_out.get(meant), self.tool(meant)) {
                    (Some(reason), _) => format!(" It is not offered here: {reason}."),
                    (None, Some(tool)) if self.options.discovery => {
                        format!(" It is called through `{}`.", caller_of(tool.needs()))
                    }
                    _ => String::new(),
                };
                format!("There is no tool `{name}`: did you mean `{meant}`?{more}")
            }
            None if self.options.discovery => {
                format!("There is no tool `{name}`: search_tools finds those that there are.")
            }
            None => format!("There is no tool `{name}`: tools/list names those that there are."),
        }
    }
}

/// Whether every call of the tool stays inside one project.
pub(super) fn about_one_project(tool: &Tool) -> bool {
    tool.declaration.safety.stays_in_project
        || tool.placeholders.iter().any(|placeholder| placeholder == "project_id")
        || tool.property("project_id").is_some() && tool.requires("project_id")
}

/// The tool as it is offered: whole, or without its advanced arguments and those that are fixed.
fn select(
    tool: &Arc<Tool>,
    options: &SelectionOptions,
    (whole, chosen): (bool, &[&str]),
    read_only: bool,
) -> SelectedTool {
    let has = |argument: &str| tool.property(argument).is_some();
    let advanced = tool
        .declaration
        .listing
        .advanced
        .iter()
        .filter(|name| !whole && has(name));
    // Who knows of what the loader adds to tools may use it everywhere.
    let (untold, left_out): (Vec<String>, Vec<String>) = advanced
        .cloned()
        .partition(|name| tool.injected.contains(&name.as_str()));
    let scopes = [
        ("project_id", options.project_id.as_ref().map(ToString::to_string)),
        ("org_id", options.organization_id.as_ref().map(ToString::to_string)),
    ];
    let mut fixed: Map<String, Value> = scopes
        .into_iter()
        .filter(|(argument, _)| has(argument))
        .filter_map(|(argument, value)| Some((argument.to_owned(), value?.into())))
        .collect();
    fixed.extend(options.pins.fixed(tool));
    let linked = options.linked.clone();
    // What stands in for them needn't be given, and may be.
    let optional = |argument: &str| {
        linked.as_ref().is_some_and(|linked| match argument {
            "project_id" => linked.gives_project(tool),
            "org_id" => linked.gives_organization(tool),
            "branch_id" => linked.gives_branch(tool),
            _ => false,
        })
    };
    let is_linked = ["project_id", "org_id", "branch_id"].into_iter().any(optional);
    let mut input = tool.input.clone();
    // Copied only where something is left out.
    if !left_out.is_empty() || !fixed.is_empty() || is_linked {
        let stays = |argument: &str| !fixed.contains_key(argument) && !left_out.iter().any(|name| name == argument);
        let input = Arc::make_mut(&mut input);
        if let Some(properties) = input.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|argument, _| stays(argument));
        }
        if let Some(required) = input.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|argument| argument.as_str().is_some_and(|name| stays(name) && !optional(name)));
            if required.is_empty() {
                input.shift_remove("required");
            }
        }
    }
    SelectedTool {
        tool: tool.clone(),
        input,
        fixed,
        project: options.project_id.clone(),
        organization: options.organization_id.clone(),
        linked,
        accounts: match tool.declaration.workflow().is_some_and(Workflow::reads_docs) {
            true => Arc::from([]),
            false => options.accounts.clone().into(),
        },
        left_out,
        offers_all: turns_on(&tool.toolset, chosen),
        untold,
        read_only: read_only || options.read_only,
        excluded_steps: Vec::new(),
        validator: Validator::default(),
    }
}
