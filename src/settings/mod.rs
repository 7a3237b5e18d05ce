//! What the operator asked for: flags over environment over file, resolved once, unknown names refused.
//!
//! ```
//! use neon_mcp::settings::{Layer, Settings};
//!
//! // Without a key it is whoever signs in.
//! let environment = [("NEON_MCP_CONTEXT_FILE", "off"), ("NEON_API_KEY", "")];
//! assert!(Settings::resolve(Layer::default(), environment).is_ok());
//! let environment = [("NEON_API_KEY", "a key")];
//! assert!(Settings::resolve(Layer::default(), environment).is_err());
//! ```

mod accounts;
mod arguments;
mod context_file;
mod error;
mod file;
mod http;
mod http_auth;
mod http_limits;
mod http_place;
mod kept;
mod kept_places;
mod key;
mod layer;
#[cfg(not(feature = "sandbox"))]
mod no_sandbox;
mod policy_again;
#[cfg(not(feature = "sandbox"))]
mod postgres;
mod store;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

pub use accounts::{Account, AccountSource, KeyOrigin, Profiles, read_key};
pub use error::SettingsError;
pub use file::log_format_of;
pub use http::{AuthMode, HttpLayer, LogFormat};
pub use http_auth::HttpAuth;
pub use kept_places::KeptPlaces;
pub use layer::Layer;
pub use policy_again::PolicyAgain;
pub use store::{StoreSettings, StoreText};

use accounts::Choice;
use error::{MAX_SECONDS, MIN_SECRET};
use key::read_seal_key;

use crate::base_url::BaseUrl;
use crate::catalog::{BranchPin, Catalog, Pins, SelectionOptions};
use crate::engine::{CallLimits, FilesDir, Guards};
use crate::guard::audit::{AuditLimits, AuditLog};
use crate::guard::{
    ApprovalFlow, Approvals, Policy, Sealer, kept_seal_key, read_trusted_text, state_dir, warn_if_readable_by_others,
};
use crate::neon::sql::SqlHosts;
use crate::neon::{DEFAULT_BASE, OrganizationId, ProjectId, api_base};
#[cfg(feature = "sandbox")]
use crate::sandbox::{FetchPostgres, Postgres};
use crate::server::http::BearerToken;
use crate::sign_in::{Issuer, OfUserinfo, PersonClaims, Places, WebSignIn};

/// What is asked of the issuer about an approver.
const APPROVER_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Settings, resolved.
#[derive(Debug)]
pub struct Settings {
    /// Where requests go.
    pub upstream: Upstream,
    /// Which tools are offered.
    pub selection: SelectionOptions,
    /// Whether a sandbox has Neon's rate limits, and they are kept to.
    pub sandbox_rate_limits: bool,
    /// Budgets of a call.
    pub limits: CallLimits,
    /// Where what the working directory is linked to is read.
    context: Context,
    /// The operator's policy, a file.
    policy: Option<PathBuf>,
    /// The audit log, a file.
    audit_log: Option<PathBuf>,
    /// The key of the seals, a file.
    seal_key: Option<PathBuf>,
    /// Without such a file, the key is one that is kept in the state directory.
    keeps_seal_key: bool,
    /// Where state is kept between runs: nothing when the environment names no place.
    state: Option<PathBuf>,
    /// Who is let in over HTTP.
    auth: HttpAuth,
    /// Where people's logins are.
    profiles: Option<Profiles>,
    /// Where what replicas share is kept, where the operator says so.
    store: Option<StoreSettings>,
    /// What `neon-mcp http` alone takes.
    pub http: HttpLayer,
}

/// Where what the working directory is linked to is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Context {
    /// Nowhere.
    None,
    /// In the nearest `.neon`, not above this home directory.
    Nearest(Option<PathBuf>),
    /// In the file that the operator named.
    File(PathBuf),
}

/// Where requests go.
#[derive(Debug)]
pub enum Upstream {
    /// A sandbox that this process starts.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxData),
    /// Neon, or what the operator put in its place.
    Api {
        /// The address.
        base: BaseUrl,
        /// Whose it is used as: one account, or several that have names.
        accounts: Vec<Account>,
    },
}

#[cfg(feature = "sandbox")]
/// What the branches of a sandbox are made of, and where it is kept.
#[derive(Debug, Default)]
pub struct SandboxData {
    /// Whether branches hold data.
    pub postgres: Postgres,
    /// The folder of PostgreSQL's programs; without it, one is looked for.
    pub postgres_bin: Option<PathBuf>,
    /// Whether one is fetched.
    pub fetch_postgres: FetchPostgres,
    /// The folder that the sandbox is kept in; without it, it is gone when it ends.
    pub dir: Option<PathBuf>,
    /// Whether it has a project with a little data ready.
    pub project: bool,
}

impl Settings {
    /// Resolves flags, the environment and the settings file, in this order of precedence.
    ///
    /// `environment` yields the variables of the process; those that aren't ours are passed over, whatever they hold.
    ///
    /// # Errors
    /// Whatever can't be used, first come first told.
    pub fn resolve(
        flags: Layer,
        environment: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Result<Self, SettingsError> {
        let environment: Vec<(OsString, OsString)> = environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let home = environment
            .iter()
            .filter(|(name, value)| (name == "HOME" || name == "USERPROFILE") && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value))
            .next();
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        let state = state_dir(variable);
        let places = Places::of(variable);
        let (mut variables, key) = layer::from_environment(environment)?;
        let mut flags = flags;
        let mut choices = vec![
            Choice::of(&mut flags, None, "the flags")?,
            Choice::of(&mut variables, key, "the environment")?,
        ];
        let mut layer = flags.over(variables);
        if let Some(path) = layer.config.clone() {
            let mut file = file::read(&path)?;
            choices.push(Choice::of(&mut file, None, &path.display().to_string())?);
            layer = layer.over(file);
        }
        let http = layer.http.clone().unwrap_or_default();
        let store = StoreSettings::resolve(http.store.as_ref(), http.store_prefix, http.store_ca)?;
        if layer.seal_key_file.is_some() && layer.state_dir.is_none() && store.is_none() {
            return Err(SettingsError::Conflict(
                "--seal-key-file wants --state-dir, or --store with `neon-mcp http`: whoever has the key must see which approvals were redeemed, in one place"
                    .into(),
            ));
        }
        if layer.seal_key_file.is_none() && store.as_ref().is_some_and(StoreSettings::is_redis) {
            return Err(store::wants_key());
        }
        #[cfg(not(feature = "sandbox"))]
        no_sandbox::check(&layer)?;
        let state = layer.state_dir.clone().or(state);
        let auth = http_auth::of(
            layer.http.as_ref().unwrap_or(&HttpLayer::default()),
            layer.auth_token_file,
            layer.no_auth.unwrap_or(false),
            state.as_deref(),
        )?;
        let issuer = Issuer::new(
            layer.login_issuer.as_deref(),
            layer.login_client_id.clone(),
            layer.login_scopes.clone(),
        );
        let profiles = issuer.clone().ok().map(|issuer| Profiles::new(places.clone(), issuer));
        let sandbox = layer.sandbox.unwrap_or(false);
        let pins = Pins {
            branch: layer
                .branch
                .as_deref()
                .map(BranchPin::parse)
                .transpose()
                .map_err(|why| SettingsError::Name {
                    setting: "branch",
                    example: "main",
                    why,
                })?,
            role: layer.role.map(|name| postgres_name("role", name)).transpose()?,
            database: layer.database.map(|name| postgres_name("database", name)).transpose()?,
        };
        if sandbox && layer.api_host.is_some() {
            return Err(SettingsError::Conflict(
                "--sandbox starts its own API: leave the API host out, or the sandbox".into(),
            ));
        }
        if !sandbox && layer.sandbox_dir.is_some() {
            return Err(SettingsError::Conflict(
                "--sandbox-dir wants --sandbox: without it, this is no sandbox".into(),
            ));
        }
        let api = || {
            let base = api_base(layer.api_host.as_deref().unwrap_or(DEFAULT_BASE)).map_err(SettingsError::Base)?;
            let issuer = issuer?;
            let choice = choices.into_iter().flatten().next();
            let accounts = accounts::of(choice, &places, &issuer, &base)?;
            Ok::<_, SettingsError>(Upstream::Api { base, accounts })
        };
        #[cfg(feature = "sandbox")]
        let upstream = if sandbox {
            Upstream::Sandbox(SandboxData {
                postgres: layer.sandbox_postgres.unwrap_or_default(),
                postgres_bin: layer.postgres_bin,
                fetch_postgres: layer.fetch_postgres.unwrap_or_default(),
                dir: layer.sandbox_dir,
                project: layer.sandbox_project.unwrap_or(true),
            })
        } else {
            api()?
        };
        #[cfg(not(feature = "sandbox"))]
        let upstream = api()?;
        let account_names = account_names(&upstream);
        let defaults = CallLimits::default();
        let docs = match layer.docs_url.as_deref() {
            Some(text) if text.trim().eq_ignore_ascii_case("off") => None,
            Some(text) => Some(BaseUrl::parse(text).map_err(SettingsError::Docs)?),
            None => defaults.docs.clone(),
        };
        let seconds = |setting, value: Option<u64>, least: u64, default: Duration| match value {
            None => Ok(default),
            Some(value) if (least..=MAX_SECONDS).contains(&value) => Ok(Duration::from_secs(value)),
            Some(seconds) => Err(SettingsError::Seconds {
                setting,
                seconds,
                least,
            }),
        };
        Ok(Self {
            upstream,
            selection: SelectionOptions {
                toolsets: layer.toolsets,
                tools: layer.tools.unwrap_or_default(),
                exclude: layer.exclude_tools.unwrap_or_default(),
                read_only: layer.read_only.unwrap_or(false),
                discovery: layer.discovery.unwrap_or(false),
                without_docs: docs.is_none(),
                project_id: layer
                    .project_id
                    .map(ProjectId::parse)
                    .transpose()
                    .map_err(|source| SettingsError::Id {
                        setting: "project id",
                        example: "quiet-sun-12345678",
                        source,
                    })?,
                organization_id: layer.org_id.map(OrganizationId::parse).transpose().map_err(|source| {
                    SettingsError::Id {
                        setting: "organization id",
                        example: "org-quiet-sun-12345678",
                        source,
                    }
                })?,
                pins,
                linked: None,
                accounts: account_names,
            },
            context: match layer.context_file {
                // What a folder is linked to is no project of a sandbox.
                _ if sandbox => Context::None,
                Some(path) if path.as_os_str() == "off" => Context::None,
                Some(path) => Context::File(path),
                None => Context::Nearest(home),
            },
            sandbox_rate_limits: layer.sandbox_rate_limits.unwrap_or(true),
            limits: CallLimits {
                // No call can be made in no time.
                deadline: seconds("call timeout", layer.call_timeout_seconds, 1, defaults.deadline)?,
                // Not to wait at all is something else.
                wait: seconds("wait timeout", layer.wait_timeout_seconds, 0, defaults.wait)?,
                files_dir: layer.files_dir.map(open_files_dir).transpose()?,
                sql_hosts: match layer.sql_host_suffix {
                    // Where the computes of our own sandbox are is known, and isn't the operator's to name.
                    Some(suffixes) if !suffixes.is_empty() && !sandbox => SqlHosts::under(&suffixes)?,
                    _ => defaults.sql_hosts.clone(),
                },
                docs,
                ..defaults
            },
            policy: layer.policy,
            audit_log: layer.audit_log,
            seal_key: layer.seal_key_file,
            keeps_seal_key: false,
            state,
            auth,
            profiles,
            store,
            http: layer.http.unwrap_or_default(),
        })
    }

    /// The operator's policy, narrowed by the other settings. Without a file, the defaults.
    ///
    /// # Errors
    /// When the file can't be read whole: a policy that isn't understood lets nothing start.
    pub fn policy(&self, catalog: &Catalog) -> Result<Policy, SettingsError> {
        policy_again::read(self.policy.as_deref(), &self.selection, catalog)
    }

    /// What the policy is read from, for when it is read again.
    #[must_use]
    pub fn policy_again(&self) -> PolicyAgain {
        PolicyAgain::new(self.policy.clone(), self.selection.clone())
    }

    /// The same settings, with what the working directory is linked to as defaults: for one client on this machine that is started in
    /// its folder.
    ///
    /// # Errors
    /// When the operator named a file that can't be used. One that was found is passed over then, with a warning.
    pub fn with_context(mut self, working_directory: Option<&Path>) -> Result<Self, SettingsError> {
        let linked = match (&self.context, working_directory) {
            (Context::File(path), _) => Some(context_file::named(path)?),
            (Context::Nearest(home), Some(directory)) => context_file::nearest(directory, home.as_deref()),
            (Context::None, _) | (Context::Nearest(_), None) => None,
        };
        let options = &mut self.selection;
        options.linked = linked
            .and_then(|linked| context_file::beside(linked, options))
            .map(Arc::new);
        Ok(self)
    }

    /// Whether the operator named the file with what a folder is linked to.
    #[must_use]
    pub fn names_context(&self) -> bool {
        matches!(self.context, Context::File(_))
    }

    /// What stands between a call and Neon: opened when first used.
    ///
    /// # Errors
    /// When the policy or the seal key can't be used.
    pub fn guards(&self, catalog: &Catalog) -> Result<Guards, SettingsError> {
        let policy = self.policy(catalog)?;
        let sealer = match &self.seal_key {
            Some(path) => Sealer::shared(&read_seal_key(path)?).map_err(|source| SettingsError::SealKey {
                path: path.clone(),
                source,
            })?,
            None => self.own_sealer(),
        };
        let audit = self.audit_log.clone();
        let audit = audit.or_else(|| self.kept().map(|kept| kept.join("audit.jsonl")));
        let approvals = match &self.store {
            Some(store) => Some(store.approvals(self.seal_key.as_deref())?),
            None => self.approvals().map(Approvals::new),
        };
        Ok(Guards {
            approval_flow: ApprovalFlow::new(sealer, policy.approval().clone(), approvals),
            policy: Arc::new(policy),
            audit: audit.map(|path| AuditLog::new(path, AuditLimits::default())),
        })
    }

    /// The same settings, for a process that ends with its call: where no file with a key is named, approvals are sealed with one
    /// that is kept in the state directory, so that the process which repeats the call can take them.
    #[must_use]
    pub fn with_kept_seal_key(self) -> Self {
        Self {
            keeps_seal_key: true,
            ..self
        }
    }

    /// Whether a sandbox is started that is gone when the process ends.
    #[must_use]
    pub fn is_sandbox_short_lived(&self) -> bool {
        match &self.upstream {
            #[cfg(feature = "sandbox")]
            Upstream::Sandbox(data) => data.dir.is_none(),
            Upstream::Api { .. } => false,
        }
    }

    fn own_sealer(&self) -> Sealer {
        let directory = self.approvals().filter(|_| self.keeps_seal_key);
        match directory.as_deref().map(kept_seal_key) {
            Some(Ok(key)) => Sealer::shared(&key).unwrap_or_else(|_| Sealer::random()),
            Some(Err(error)) => {
                tracing::error!("an approval of this call counts for this process alone: {error}");
                Sealer::random()
            }
            None => Sealer::random(),
        }
    }

    /// Where approvers sign in for the approval page: the operator's issuer, where this server is a client of it. Nothing where it
    /// isn't.
    ///
    /// # Errors
    /// When the issuer's address, the client or its secret can't be used.
    pub fn approver_sign_in(&self) -> Result<Option<WebSignIn>, SettingsError> {
        let http = &self.http;
        let (Some(issuer), Some(client)) = (self.approvers_issuer(), &http.oauth_client_id) else {
            return Ok(None);
        };
        let scopes = APPROVER_SCOPES.map(str::to_owned).to_vec();
        let issuer = Issuer::new(Some(issuer), Some(client.clone()), Some(scopes))?;
        let secret = http.oauth_client_secret_file.as_deref().map(read_client_secret);
        let claims = PersonClaims {
            subject: http_auth::subject_claim(http).to_owned(),
            groups: http_auth::groups_claim(http).to_owned(),
        };
        Ok(Some(WebSignIn::new(
            issuer,
            secret.transpose()?,
            claims,
            Arc::new(OfUserinfo),
        )))
    }

    /// The claim that names humans, in access tokens and at sign-ins.
    #[must_use]
    pub fn subject_claim(&self) -> &str {
        http_auth::subject_claim(&self.http)
    }

    /// The issuer where approvers sign in for the approval page, where they do.
    #[must_use]
    pub fn approvers_issuer(&self) -> Option<&str> {
        let http = &self.http;
        http.oauth_issuer.as_deref().filter(|_| http.oauth_client_id.is_some())
    }

    /// Where what replicas share is kept, where the operator says so.
    #[must_use]
    pub fn store(&self) -> Option<&StoreSettings> {
        self.store.as_ref()
    }

    /// Who is let in over HTTP.
    #[must_use]
    pub fn auth(&self) -> &HttpAuth {
        &self.auth
    }

    /// Where people's logins are.
    #[must_use]
    pub fn profiles(&self) -> Option<&Profiles> {
        self.profiles.as_ref()
    }

    /// Where state is kept between runs.
    #[must_use]
    pub fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The operator's policy, where a file was named.
    #[must_use]
    pub fn policy_file(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// Where waiting approvals are kept, where that is a directory.
    #[must_use]
    pub fn approvals(&self) -> Option<PathBuf> {
        self.kept().map(|kept| kept.join("approvals"))
    }

    /// Where approvals and the audit log are kept: in the store where that is a directory, else in the state directory.
    fn kept(&self) -> Option<&Path> {
        let store = self.store.as_ref().and_then(StoreSettings::directory);
        store.or(self.state.as_deref())
    }
}

/// The names of the accounts, where there are several.
fn account_names(upstream: &Upstream) -> Vec<String> {
    match upstream {
        Upstream::Api { accounts, .. } => accounts.iter().filter_map(|account| account.name.clone()).collect(),
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(_) => Vec::new(),
    }
}

/// A name of a role or a database.
fn postgres_name(setting: &'static str, name: String) -> Result<String, SettingsError> {
    let why = match name.chars().count() {
        0 => "is empty: write its name, as Postgres has it",
        256.. => "is longer than any name in Postgres",
        _ if name.chars().any(char::is_control) => "holds a control character, which no name does",
        _ => return Ok(name),
    };
    let example = if setting == "role" { "neondb_owner" } else { "neondb" };
    Err(SettingsError::Name { setting, example, why })
}

/// Opens the folder that files may come from.
fn open_files_dir(path: PathBuf) -> Result<FilesDir, SettingsError> {
    FilesDir::open(&path).map_err(|source| SettingsError::FilesDir { path, source })
}

/// Reads the operator's secret for approval pages: the file's text, without blanks at its ends.
///
/// # Errors
/// When the file can't be read, or holds fewer than 16 characters.
pub fn read_page_secret(path: &Path) -> Result<Arc<SecretString>, SettingsError> {
    let text = read_trusted_text(path)?;
    warn_if_readable_by_others(path);
    let secret = text.trim();
    if secret.chars().count() < MIN_SECRET {
        return Err(SettingsError::PageSecret { path: path.to_owned() });
    }
    Ok(Arc::new(secret.into()))
}

/// Reads the secret of this server's client at the issuer: the file's text, without blanks at its ends.
fn read_client_secret(path: &Path) -> Result<Arc<SecretString>, SettingsError> {
    let text = read_trusted_text(path)?;
    warn_if_readable_by_others(path);
    match text.trim() {
        "" => Err(SettingsError::Conflict(format!(
            "{} holds no secret: --oauth-client-secret-file wants the one that the issuer gave its client",
            path.display()
        ))),
        secret => Ok(Arc::new(secret.into())),
    }
}

/// Reads the bearer token of clients over HTTP.
///
/// # Errors
/// When the file can't be read, or holds no token.
pub fn read_token(path: &Path) -> Result<BearerToken, SettingsError> {
    let text = read_trusted_text(path)?;
    warn_if_readable_by_others(path);
    BearerToken::parse(&text).map_err(|source| SettingsError::Token {
        path: path.to_owned(),
        source,
    })
}
