//! What a caller is offered: its tools as they are listed, the index to search them, the instructions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use rmcp::ErrorData;
use rmcp::model::Tool;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::discovery;
use super::instructions::{how_to_sign_in, instructions};
use super::listing::published;
use crate::catalog::{SearchIndex, SelectedTool};
use crate::engine::{ApprovalMode, Caller, Engine, Narrowing};
use crate::guard::{Principal, Session};
use crate::neon::FairQueue;

/// Who makes a request, and what it is served. Over HTTP each request brings its own in its extensions; one that doesn't is served what
/// the server was made with.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) offer: Arc<Offer>,
    /// Its place in the line for Neon's rate limits.
    pub(super) lane: FairQueue,
}

/// What a caller is offered: an engine, and all that is told of it.
#[derive(Debug)]
pub(super) struct Offer {
    engine: Engine,
    listed: Arc<Listed>,
    instructions: String,
    shared: Arc<OfOffers>,
}

/// The tools as they are listed.
#[derive(Debug)]
struct Listed {
    tools: Vec<Tool>,
    /// As JSON: written when first listed over HTTP.
    written: OnceLock<Option<Bytes>>,
}

/// What an offer shares with all that are narrowed from it, for callers and requests: each would take megabytes of its own.
#[derive(Debug)]
struct OfOffers {
    /// What all of them were narrowed from. It finds whatever one of them does.
    widest: Engine,
    /// Made when first searched, by whomever: of what the widest finds, since it serves all.
    index: OnceLock<Result<SearchIndex, String>>,
    /// The lists that are in use, by their digests: those of most callers are one.
    lists: Mutex<HashMap<[u8; 32], Weak<Listed>>>,
}

impl OfOffers {
    fn new(widest: Engine) -> Self {
        Self {
            widest,
            index: OnceLock::new(),
            lists: Mutex::default(),
        }
    }

    fn index(&self) -> &Result<SearchIndex, String> {
        self.index
            .get_or_init(|| SearchIndex::new(self.widest.selection()).map_err(|error| error.to_string()))
    }

    /// A list of tools, where there is the same one already that one.
    fn list(&self, tools: Vec<Tool>) -> Arc<Listed> {
        let digest = serde_json::to_vec(&tools).map(|text| <[u8; 32]>::from(Sha256::digest(text)));
        let new = |tools| {
            Arc::new(Listed {
                tools,
                written: OnceLock::new(),
            })
        };
        let Ok(digest) = digest else { return new(tools) };
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lists.get(&digest).and_then(Weak::upgrade) {
            return known;
        }
        lists.retain(|_, list| list.strong_count() > 0);
        let list = new(tools);
        lists.insert(digest, Arc::downgrade(&list));
        list
    }
}

impl Offer {
    pub(super) fn new(engine: Engine) -> Self {
        let shared = Arc::new(OfOffers::new(engine.clone()));
        Self::sharing(engine, shared)
    }

    /// What is offered of this to a caller, or to a request.
    pub(super) fn narrowed(&self, narrowing: Narrowing) -> Self {
        Self::sharing(self.engine.narrowed(narrowing), self.shared.clone())
    }

    fn sharing(engine: Engine, shared: Arc<OfOffers>) -> Self {
        Self {
            listed: shared.list(published(engine.selection())),
            instructions: instructions(&engine),
            engine,
            shared,
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The tools, as they are listed.
    pub(super) fn tools(&self) -> &[Tool] {
        &self.listed.tools
    }

    /// The tools as a list in JSON.
    pub(super) fn written_tools(&self) -> Option<&Bytes> {
        let written = || serde_json::to_vec(&self.listed.tools).ok().map(Bytes::from);
        self.listed.written.get_or_init(written).as_ref()
    }

    /// The name of the tool that a call is of, itself or through a caller of discovery mode, with its arguments.
    pub(super) fn called(&self, name: &str, arguments: Map<String, Value>) -> Option<(String, Map<String, Value>)> {
        match self.engine.selection().discovery() {
            true => discovery::inner(name, arguments),
            false => Some((name.to_owned(), arguments)),
        }
    }

    /// Notes a call that isn't made.
    pub(super) fn note_refusal(
        &self,
        selected: &SelectedTool,
        why: &str,
        arguments: &Map<String, Value>,
        admitted: &Admitted,
    ) {
        let caller = Caller {
            principal: admitted.principal.clone(),
            session: Session::Stateless,
            approval: None,
            client: None,
            way: ApprovalMode::OutOfBand,
            bound: None,
            lane: admitted.lane.clone(),
            cancel: CancellationToken::new(),
            progress: None,
        };
        self.engine.note_refusal(&selected.tool, why, arguments, &caller);
    }

    /// The index of the tools of all that were narrowed from one offer; a search of it gives those alone that this one finds.
    pub(super) fn index(&self) -> Result<&SearchIndex, ErrorData> {
        let index = self.shared.index();
        index
            .as_ref()
            .map_err(|error| ErrorData::internal_error(error.clone(), None))
    }

    /// What a client is told at its start.
    pub(super) fn instructions(&self) -> String {
        match self.engine.sign_in_command() {
            None => self.instructions.clone(),
            Some(command) => format!("{}{}", how_to_sign_in(&command), self.instructions),
        }
    }
}
