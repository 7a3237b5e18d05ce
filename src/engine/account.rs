//! The accounts that an engine works with: which one a call is of, and what is known of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::catalog::{ACCOUNT, SelectedTool};
use crate::engine::api::{EngineAccount, SignInPage};
use crate::engine::check::known::Organizations;
use crate::engine::check::organizations;
use crate::engine::connections::Connections;
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::made::Made;
use crate::guard::OwnKey;
use crate::neon::sql::SqlHosts;
use crate::neon::text::one_line;
use crate::neon::{Bearer, Client, Context, NoCredential, OrganizationId, ProjectId, Read};

/// How many projects are remembered by account.
const MAX_PROJECTS: usize = 4_000;

/// In how many organizations of an account a project is looked for by its name.
const MAX_ORGANIZATIONS: usize = 20;

/// An account, whoever is signed in to it.
#[derive(Debug)]
pub(in crate::engine) struct Account {
    given: EngineAccount,
    hosts: SqlHosts,
    open: Mutex<Option<Arc<Open>>>,
}

/// What is known of the one who is signed in: nothing of it is another's.
#[derive(Debug)]
pub(in crate::engine) struct Open {
    /// Which account and which API, as a digest: an approval for one is none for another.
    pub(in crate::engine) digest: String,
    /// A client that sends nothing as anybody else.
    pub(in crate::engine) client: Client,
    /// Where SQL goes, as far as that is known.
    pub(in crate::engine) connections: Connections,
    /// The organizations of the account, once they were read.
    pub(in crate::engine) organizations: Organizations,
    /// What sessions made, of which they may delete again by a click.
    pub(in crate::engine) made: Made,
}

impl Account {
    pub(in crate::engine) fn new(given: EngineAccount, hosts: SqlHosts) -> Self {
        let account = Self {
            given,
            hosts,
            open: Mutex::default(),
        };
        if let Some(key) = account.given.client.config().credential.fixed().cloned() {
            // Nobody else can come in its place.
            let open = account.opened(account.given.client.clone(), &Bearer::of_key(key));
            *account.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(open));
        }
        account
    }

    fn opened(&self, client: Client, bearer: &Bearer) -> Open {
        Open {
            digest: digest(&client, bearer),
            client,
            connections: Connections::new(self.hosts.clone()),
            organizations: Organizations::default(),
            made: Made::default(),
        }
    }

    /// The name, where there are several.
    pub(in crate::engine) fn name(&self) -> Option<&str> {
        self.given.name.as_deref()
    }

    pub(in crate::engine) fn client(&self) -> &Client {
        &self.given.client
    }

    pub(in crate::engine) fn key(&self) -> &OwnKey {
        &self.given.key
    }

    pub(in crate::engine) fn page(&self) -> Option<&Arc<dyn SignInPage>> {
        self.given.page.as_ref()
    }

    /// Whether somebody is signed in, as far as this machine knows.
    pub(in crate::engine) fn is_there(&self) -> bool {
        self.given.client.config().credential.is_there()
    }

    /// Whoever is signed in now.
    pub(in crate::engine) async fn open(&self) -> Result<Arc<Open>, NoCredential> {
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client = &self.given.client;
        if client.config().credential.fixed().is_some()
            && let Some(known) = known
        {
            return Ok(known);
        }
        let bearer = client.bearer().await?;
        self.given.key.add(bearer.credential.expose());
        let digest = digest(client, &bearer);
        if let Some(known) = known.filter(|known| known.digest == digest) {
            return Ok(known);
        }
        let opened = Arc::new(self.opened(client.of_account(&bearer), &bearer));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened.clone());
        Ok(opened)
    }

    /// Nobody's, for what sends nothing to Neon.
    pub(in crate::engine) fn nobodys(&self) -> Arc<Open> {
        let client = self.given.client.clone();
        Arc::new(Open {
            digest: crate::guard::digest(&json!([client.config().base.as_str(), null])),
            client,
            connections: Connections::new(self.hosts.clone()),
            organizations: Organizations::default(),
            made: Made::default(),
        })
    }
}

/// As it always was of a key: approvals that wait over a restart are still for it.
fn digest(client: &Client, bearer: &Bearer) -> String {
    crate::guard::digest(&json!([client.config().base.as_str(), bearer.account()]))
}

/// The accounts.
#[derive(Debug)]
pub(in crate::engine) struct Accounts {
    all: Vec<Account>,
    /// Which projects are of which account, by its place in the list.
    projects: Mutex<HashMap<ProjectId, usize>>,
}

impl Accounts {
    pub(in crate::engine) fn new(all: Vec<Account>) -> Self {
        Self {
            all,
            projects: Mutex::default(),
        }
    }

    pub(in crate::engine) fn all(&self) -> &[Account] {
        &self.all
    }

    /// The account that a call is of: the one that there is, the one that it names, or the one that alone knows the organization or
    /// the project that it names. The argument is taken out.
    pub(in crate::engine) async fn of_call(
        &self,
        selected: &SelectedTool,
        arguments: &mut Map<String, Value>,
        context: &Context,
    ) -> Result<&Account, Failure> {
        if let [only] = self.all.as_slice() {
            return Ok(only);
        }
        if selected.accounts.is_empty() {
            // It sends nothing to Neon.
            return self
                .all
                .first()
                .ok_or_else(|| Failure::Internal("there is no account".to_owned()));
        }
        match arguments.shift_remove(ACCOUNT) {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) => {
                let named = self.all.iter().find(|account| account.name() == Some(&name));
                return named.ok_or_else(|| self.wrong(&format!("there is no account `{}`", one_line(&name, 80))));
            }
            Some(_) => return Err(self.wrong("it must be a text")),
        }
        let found = match (organization(selected, arguments), project(selected, arguments)) {
            (Some(organization), _) => self.of_organization(&organization, context).await,
            (None, Some(project)) => match self.of_project(&project, context).await {
                None => self.of_name(project.as_str(), context).await,
                found => found,
            },
            (None, None) => match arguments.get("project_id").and_then(Value::as_str) {
                Some(name) => self.of_name(name, context).await,
                None => None,
            },
        };
        found.and_then(|place| self.all.get(place)).ok_or_else(|| Failure::Reference {
            argument: ACCOUNT.to_owned(),
            message: format!(
                "This server works with several accounts ({}), and nothing in the call tells which one it is for. Nothing was changed.",
                self.names()
            ),
            next: format!("Call again with `{ACCOUNT}`; where it isn't clear which, ask the user, or read in each of them."),
        })
    }

    fn wrong(&self, message: &str) -> Failure {
        Failure::Arguments(vec![ArgumentProblem {
            argument: ACCOUNT.to_owned(),
            message: format!("{message}: there are {}", self.names()),
        }])
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.all.iter().filter_map(Account::name).collect();
        names.join(", ")
    }

    /// The only one that has the organization: by its id, or its exact name.
    async fn of_organization(&self, organization: &str, context: &Context) -> Option<usize> {
        let mut found = None;
        for (place, account) in self.all.iter().enumerate() {
            let Ok(open) = account.open().await else { continue };
            let read = organizations::read(&open.client, context);
            let Ok(list) = open.organizations.known_or(read).await else {
                continue;
            };
            let has = list
                .iter()
                .any(|known| known.id.as_str() == organization || known.name == organization);
            if has && found.replace(place).is_some() {
                return None;
            }
        }
        found
    }

    /// The only one that sees the project.
    async fn of_project(&self, project: &ProjectId, context: &Context) -> Option<usize> {
        if let Some(place) = self.projects().get(project) {
            return Some(*place);
        }
        let mut found = None;
        for (place, account) in self.all.iter().enumerate() {
            let Ok(open) = account.open().await else { continue };
            let read = Read::new("/projects/{project_id}", &[("project_id", project.into())]).ok()?;
            if open.client.read(read, context).await.is_ok() && found.replace(place).is_some() {
                return None;
            }
        }
        if let Some(place) = found {
            let mut projects = self.projects();
            if projects.len() >= MAX_PROJECTS {
                projects.clear();
            }
            projects.insert(project.clone(), place);
        }
        found
    }

    /// The only one with a project of that exact name.
    async fn of_name(&self, name: &str, context: &Context) -> Option<usize> {
        let mut found = None;
        for (place, account) in self.all.iter().enumerate() {
            let Ok(open) = account.open().await else { continue };
            if has_project(&open, name, context).await && found.replace(place).is_some() {
                return None;
            }
        }
        found
    }

    fn projects(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectId, usize>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an account has a project of that name, in any of its organizations.
async fn has_project(open: &Open, name: &str, context: &Context) -> bool {
    let read = organizations::read(&open.client, context);
    let Ok(list) = open.organizations.known_or(read).await else {
        return false;
    };
    // A key of an organization's names none.
    let mut places: Vec<Option<&OrganizationId>> = list
        .iter()
        .map(|known| Some(&known.id))
        .take(MAX_ORGANIZATIONS)
        .collect();
    if places.is_empty() {
        places.push(None);
    }
    for organization in places {
        let Ok(mut read) = Read::new("/projects", &[]) else {
            return false;
        };
        read = read.with_query("search", name).with_query("limit", "100");
        if let Some(organization) = organization {
            read = read.with_query("org_id", organization.as_str());
        }
        let Ok(answer) = open.client.read(read, context).await else {
            continue;
        };
        let body = answer.body.unwrap_or_default();
        let projects = body.get("projects").and_then(Value::as_array);
        let is_named = |project: &Value| project.get("name").and_then(Value::as_str) == Some(name);
        if projects.into_iter().flatten().any(is_named) {
            return true;
        }
    }
    false
}

/// The organization that a call names, or that stands in for one.
fn organization(selected: &SelectedTool, arguments: &Map<String, Value>) -> Option<String> {
    let given = arguments.get("org_id").and_then(Value::as_str).map(str::to_owned);
    let takes = selected.tool.property("org_id").is_some();
    let fixed = selected
        .organization
        .as_ref()
        .map(OrganizationId::to_string)
        .filter(|_| takes);
    given.or(fixed)
}

/// The project that a call names by something that can be an id, or that stands in for one.
fn project(selected: &SelectedTool, arguments: &Map<String, Value>) -> Option<ProjectId> {
    let given = arguments.get("project_id").and_then(Value::as_str);
    match given {
        Some(given) => ProjectId::parse(given).ok(),
        None if selected.tool.property("project_id").is_some() => {
            let linked = selected.linked.as_ref().and_then(|linked| linked.project.clone());
            selected.project.clone().or(linked)
        }
        None => None,
    }
}
