//! Who may call over HTTP: from settings to what the server is given, and what is said of it at the start.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::serve::{budget_of, engine_account, rate_limits};
use crate::base_url::BaseUrl;
use crate::engine::{Engine, EngineAccount};
use crate::guard::{ApprovalFlow, Identity, Principal};
use crate::neon::{Credential, LimitSettings};
use crate::server::http::{
    BearerToken, CallerAccounts, Callers, HttpServer, Listen, SocketMode, TokenEntry, TokenFile, TokenList,
};
use crate::settings::{Account, AccountSource, HttpAuth, KeyOrigin, Profiles, Settings, read_key, read_token};

/// What is known of callers before the server is there.
pub(super) struct Known {
    auth: HttpAuth,
    profiles: Option<Profiles>,
    has_rate_limits: bool,
    /// The issuer where approvers sign in.
    issuer: Option<String>,
}

/// Makes accounts of what callers show, or files name for them.
#[derive(Debug)]
struct Accounts {
    base: BaseUrl,
    limits: LimitSettings,
    /// What keeps the budgets that replicas share.
    flow: ApprovalFlow,
    profiles: Option<Profiles>,
}

impl Accounts {
    fn account(&self, account: Account) -> EngineAccount {
        let whose = budget_of(&account, &self.base);
        engine_account(account, &self.base, self.flow.rate_limits(self.limits, &whose))
    }
}

impl CallerAccounts for Accounts {
    fn of_key(&self, key: Credential) -> EngineAccount {
        let account = Account {
            name: None,
            source: AccountSource::Key(key, KeyOrigin::Variable),
        };
        self.account(account)
    }

    fn of_key_file(&self, path: &Path) -> Result<EngineAccount, String> {
        let key = read_key(path).map_err(|error| error.to_string())?;
        Ok(self.of_key(key))
    }

    fn of_profile(&self, profile: &str) -> Result<EngineAccount, String> {
        let profiles = self.profiles.as_ref().ok_or("there are no profiles here")?;
        let account = profiles
            .account(profile, &self.base)
            .map_err(|error| error.to_string())?;
        Ok(self.account(account))
    }
}

impl Known {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            auth: settings.auth().clone(),
            profiles: settings.profiles().cloned(),
            has_rate_limits: settings.sandbox_rate_limits,
            issuer: settings.approvers_issuer().map(str::to_owned),
        }
    }

    /// Whether calls are made with callers' own keys alone.
    pub(super) fn bring_keys(&self) -> bool {
        self.auth == HttpAuth::NeonKey
    }

    /// One caller of each kind that may come, as far as that is known beforehand.
    pub(super) fn kinds(&self) -> Vec<Principal> {
        let one = |identity| vec![Principal::new(identity)];
        match &self.auth {
            HttpAuth::Made | HttpAuth::File(_) | HttpAuth::Nobody => one(Identity::Http(None)),
            HttpAuth::NeonKey => one(Identity::NeonKey(String::new())),
            HttpAuth::Oauth(settings) => one(Identity::Subject {
                issuer: settings.issuer.clone(),
                subject: String::new(),
            }),
            HttpAuth::Bearer(tokens) => {
                let list = tokens.as_deref().and_then(|path| TokenList::read(path).ok());
                let of_entry = |entry: &TokenEntry| {
                    let person = entry.person_at(self.issuer.as_deref());
                    Principal::new(entry.identity()).of_person(person)
                };
                list.iter().flat_map(TokenList::entries).map(of_entry).collect()
            }
        }
    }

    /// Has a server let callers in, where what they show is looked up in files or elsewhere.
    pub(super) fn let_in(self, http: HttpServer, engine: &Engine) -> anyhow::Result<HttpServer> {
        let client = engine.clients().next().context("there is no account")?;
        let accounts = Arc::new(Accounts {
            base: client.config().base.clone(),
            limits: rate_limits(engine.service(), self.has_rate_limits),
            flow: engine.guards().approval_flow.clone(),
            profiles: self.profiles,
        });
        Ok(match self.auth {
            HttpAuth::Made | HttpAuth::File(_) | HttpAuth::Nobody => http,
            HttpAuth::Bearer(tokens) => {
                let tokens = tokens
                    .context("no file of tokens is known: set --state-dir or HOME, or give --tokens-file FILE")?;
                let issuer = self.issuer;
                let callers = Callers::Bearer {
                    tokens,
                    issuer,
                    accounts,
                };
                http.with_callers(callers, engine)?
            }
            HttpAuth::Oauth(settings) => http.with_callers(Callers::Oauth { settings, accounts }, engine)?,
            HttpAuth::NeonKey => http.with_callers(Callers::NeonKey(accounts), engine)?,
        })
    }
}

/// A server that asks for what callers show.
pub(super) struct Asking {
    pub(super) http: HttpServer,
    /// How callers get in, for whoever started the server.
    pub(super) how: String,
    /// The file with a token that was made here, which lasts as long as this.
    pub(super) kept: Option<TokenFile>,
}

/// Has the server ask for what callers show.
pub(super) fn asking(http: HttpServer, settings: &Settings) -> anyhow::Result<Asking> {
    let asking = |http, how| Asking { http, how, kept: None };
    let how = "clients send `Authorization: Bearer TOKEN`";
    match settings.auth() {
        HttpAuth::Made => {
            let state = settings.state().context(
                "there is no state directory to put the bearer token of clients into: set --state-dir or HOME, or give --auth-token-file FILE",
            )?;
            let token = BearerToken::random();
            let kept = token.keep(state, http.listens_on())?;
            let how = format!(
                "{how}; the token of this run is in {}, which you alone can read",
                kept.path().display()
            );
            Ok(Asking {
                http: http.with_token(token),
                how,
                kept: Some(kept),
            })
        }
        HttpAuth::File(path) => {
            let token = read_token(path)?;
            let how = format!("{how}; the token is that in {}", path.display());
            Ok(asking(http.with_token(token), how))
        }
        HttpAuth::Nobody => {
            let whose = match http.listens_on() {
                Listen::Address(_) => "every user and every program of this machine",
                Listen::Unix(_) => match settings.http.listen_mode.unwrap_or_default() {
                    SocketMode::Owner => "every program of yours",
                    SocketMode::Group => "every program of yours and of the socket's group",
                    SocketMode::Everybody => "every user and every program of this machine",
                },
            };
            let how = format!("--no-auth: {whose} can call this server, and use the API key through it");
            Ok(asking(http, how))
        }
        HttpAuth::Bearer(path) => {
            let path = path.as_deref().context(
                "there is no state directory with the tokens of clients: set --state-dir or HOME, or give --tokens-file FILE",
            )?;
            let list = TokenList::read(path)
                .context("--auth bearer wants a file of tokens: `neon-mcp token create NAME` makes one")?;
            let how = format!(
                "{how}, one of the {} in {}; what reaches the port without one gets no further",
                list.entries().len(),
                path.display()
            );
            Ok(asking(http, how))
        }
        HttpAuth::Oauth(oauth) => {
            let how = format!(
                "{how}, an access token of {}; without one, the metadata under /.well-known/ are all that is served",
                oauth.issuer
            );
            Ok(asking(http, how))
        }
        HttpAuth::NeonKey => {
            let how = "clients send `Authorization: Bearer KEY`, a Neon API key of their own, which their calls are made with; it is kept in memory alone";
            Ok(asking(http, how.to_owned()))
        }
    }
}
