//! The handler: tools/list and tools/call, in both protocol eras.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, DiscoverResult, Icon,
    Implementation, InitializeRequestParams, InitializeResult, InputRequiredResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceContents, ResourceTemplate,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use super::discovery::{self, Asked};
use super::offer::{Admitted, Offer};
use super::own_results;
use super::search;
use super::{ask, progress, sign_in};
use crate::engine::{CallResult, Caller, Engine, Fence, Kind, Outcome};
use crate::guard::{Identity, Principal, Session};
use crate::neon::FairQueue;
use crate::telemetry::spans::{self, Came};

/// How long a client may keep the list of tools: it can't change while the server runs.
const LIST_TTL_MILLISECONDS: u64 = 3_600_000;

/// The key of `_meta` under which a client gives back what was handed out with a code.
const APPROVAL_META: &str = "neon-mcp/approval";

/// The server's picture: a branch that leaves its trunk.
const ICON: &str = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCIgZmlsbD0ibm9uZSIgc3Ryb2tlPSIjMDBjMDgwIiBzdHJva2Utd2lkdGg9IjIiIHN0cm9rZS1saW5lY2FwPSJyb3VuZCI+PGNpcmNsZSBjeD0iNiIgY3k9IjUiIHI9IjIiLz48Y2lyY2xlIGN4PSI2IiBjeT0iMTkiIHI9IjIiLz48Y2lyY2xlIGN4PSIxOCIgY3k9IjkiIHI9IjIiLz48cGF0aCBkPSJNNiA3djEwTTYgMTVjMC00IDEyLTIgMTItNCIvPjwvc3ZnPg==";

/// One client's server: a handle on the shared engine and a place of its own in the line.
#[derive(Debug, Clone)]
pub struct NeonServer {
    /// What a request is served that brings nothing of its own.
    admitted: Admitted,
    process: Arc<Process>,
    /// The session of this client, if it is one.
    session: Session,
    /// The calls of this client that run.
    calls: RunningCalls,
}

/// How many calls of one client run. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct RunningCalls(Arc<AtomicUsize>);

/// A call that runs as long as this is there.
struct RunningCall(RunningCalls);

impl RunningCalls {
    /// Whether none runs.
    pub(super) fn are_none(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    fn begin(&self) -> RunningCall {
        self.0.fetch_add(1, Ordering::SeqCst);
        RunningCall(self.clone())
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Stands in the extensions of a request for the list of tools whose answer is filled with them later, where it is one JSON object.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilledLater;

/// What all requests of a process share.
#[derive(Debug)]
struct Process {
    identity: Implementation,
    stamp: MetaObject,
    running: TaskTracker,
    /// Cancelled when calls that still run must end.
    cut: CancellationToken,
}

impl NeonServer {
    /// A server over an engine, for the client that started it.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let identity = Implementation::new("neon-mcp", env!("CARGO_PKG_VERSION"))
            .with_title("Neon (serverless Postgres)")
            .with_description(env!("CARGO_PKG_DESCRIPTION"))
            // The project's own place, which Cargo.toml says once.
            .with_website_url(env!("CARGO_PKG_REPOSITORY"))
            .with_icons(vec![
                Icon::new(ICON)
                    .with_mime_type("image/svg+xml")
                    .with_sizes(vec!["any".to_owned()]),
            ]);
        let mut stamp = MetaObject::new();
        let identified = json!({"name": identity.name, "version": identity.version});
        stamp.insert("io.modelcontextprotocol/serverInfo".to_owned(), identified);
        Self {
            admitted: Admitted {
                principal: Principal::new(Identity::Stdio),
                offer: Arc::new(Offer::new(engine)),
                lane: FairQueue::new(),
            },
            process: Arc::new(Process {
                identity,
                stamp,
                running: TaskTracker::new(),
                cut: CancellationToken::new(),
            }),
            session: Session::of_process(),
            calls: RunningCalls::default(),
        }
    }

    /// The same server for another client, which comes over HTTP: with a place of its own in the line for Neon's rate
    /// limits.
    #[must_use]
    pub fn for_another_client(&self) -> Self {
        Self {
            admitted: Admitted {
                lane: FairQueue::new(),
                ..self.admitted.clone()
            },
            process: self.process.clone(),
            session: Session::of_mcp(),
            calls: RunningCalls::default(),
        }
    }

    /// The same server for a session that goes on.
    pub(super) fn in_session(self, session: Session) -> Self {
        Self { session, ..self }
    }

    /// The session of this client.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The calls of this client that run.
    pub(super) fn running_calls(&self) -> &RunningCalls {
        &self.calls
    }

    /// The same server with another offer where a request brings none of its own.
    pub(super) fn offering(mut self, offer: Arc<Offer>) -> Self {
        self.admitted.offer = offer;
        self
    }

    /// The same server, to this principal where a request brings none of its own.
    #[must_use]
    pub fn to(mut self, principal: Principal) -> Self {
        self.admitted.principal = principal;
        self
    }

    /// What a request is served that brings nothing of its own.
    pub(super) fn offer(&self) -> &Arc<Offer> {
        &self.admitted.offer
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.admitted.offer.engine()
    }

    /// Who makes a request, and what it is served.
    fn admitted<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Admitted {
        of_request(context).unwrap_or(&self.admitted)
    }

    /// Says in a list or a resource that its client may keep it, where the protocol has words for that.
    fn may_be_kept(
        &self,
        context: &RequestContext<RoleServer>,
        ttl_ms: &mut Option<u64>,
        cache_scope: &mut Option<CacheScope>,
        meta: &mut Option<MetaObject>,
    ) {
        if is_modern(context) {
            *ttl_ms = Some(LIST_TTL_MILLISECONDS);
            // What is listed depends on who asks.
            *cache_scope = Some(CacheScope::Private);
            *meta = self.stamp(context);
        }
    }

    /// The calls that run, to wait for when the server stops.
    pub(super) fn running(&self) -> &TaskTracker {
        &self.process.running
    }

    /// Cancelled to have the calls that run end at once, with what they know.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.process.cut
    }

    fn stamp(&self, context: &RequestContext<RoleServer>) -> Option<MetaObject> {
        is_modern(context).then(|| self.process.stamp.clone())
    }

    fn info_for(&self, offer: &Offer) -> ServerConfig {
        ServerConfig::new(capabilities())
            .with_server_info(self.process.identity.clone())
            .with_instructions(offer.instructions())
    }

    /// The span of a request. A tool that nobody declared isn't named.
    fn span(&self, method: &'static str, tool: Option<&str>, context: &RequestContext<RoleServer>) -> Span {
        let catalog = self.engine().selection().catalog();
        let revision = context.protocol_version();
        let parts = context.extensions.get::<http::request::Parts>();
        let came = Came {
            revision: revision.as_ref().map(ProtocolVersion::as_str),
            traceparent: context.meta.get("traceparent").and_then(Value::as_str),
            headers: parts.map(|parts| &parts.headers),
        };
        spans::request(method, tool.filter(|name| catalog.tool(name).is_some()), came)
    }

    fn told(&self, context: &RequestContext<RoleServer>) -> Told {
        Told {
            stamp: self.stamp(context),
            takes_structured: context
                .protocol_version()
                .is_some_and(|version| version >= ProtocolVersion::V_2025_06_18),
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
        cancel: CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let told = self.told(&context);
        let Admitted { principal, offer, lane } = self.admitted(&context).clone();
        let client = context
            .client_info()
            .map(|info| format!("{} {}", info.name, info.version));
        let mut caller = Caller {
            principal,
            session: match self.session {
                // What negotiates nothing keeps nothing either: such a request is all that its handle on the server is for.
                Session::Mcp(_) if is_modern(&context) => Session::Stateless,
                ref session => session.clone(),
            },
            approval: context
                .meta
                .get(APPROVAL_META)
                .and_then(Value::as_str)
                .map(str::to_owned),
            client,
            way: ask::way(&context, &request, is_modern(&context)),
            bound: None,
            lane,
            cancel,
            progress: None,
        };
        let leads = sign_in::way(&context, &request, is_modern(&context));
        let arguments = request.arguments.unwrap_or_default();
        let engine = offer.engine();
        let (name, arguments) = if engine.selection().discovery() {
            match discovery::read(engine, &request.name, arguments) {
                Asked::Call(name, arguments, bound) => {
                    caller.bound = bound;
                    (Cow::Owned(name), arguments)
                }
                Asked::Search(arguments) => return Ok(told.result(searched(&offer, arguments).await?)),
                Asked::Answered(result) => return Ok(told.result(result)),
                Asked::Refused(selected, arguments, result) => {
                    engine.note_refusal(&selected.tool, "it came through another caller", &arguments, &caller);
                    return Ok(told.result(result));
                }
                Asked::Unlisted(how) => return Err(ErrorData::invalid_params(how, None)),
            }
        } else if request.name == search::SEARCH && search::is_offered(engine.selection()) {
            return Ok(told.result(searched(&offer, arguments).await?));
        } else {
            (request.name, arguments)
        };
        // Without the progress of the first try: its end would never come.
        let again = leads.leads().then(|| (arguments.clone(), caller.clone()));
        let result = match context.meta.get_progress_token() {
            None => engine.call(&name, arguments, caller).await,
            Some(token) => {
                let (reports, forward) = progress::channel(context.peer.clone(), token);
                caller.progress = Some(Arc::new(reports));
                // The call drops its end when it is over, which ends the forwarding after the last report.
                let (result, ()) = tokio::join!(engine.call(&name, arguments, caller), forward);
                result
            }
        };
        let result = match (result, again) {
            (Ok(Outcome::SignIn(result, page)), Some((arguments, caller))) => {
                match leads.lead(&page, &caller.cancel).await {
                    sign_in::Next::Again => engine.call(&name, arguments, caller).await,
                    sign_in::Next::Ask(asked) => return Ok(told.asked(asked)),
                    sign_in::Next::Tell => Ok(Outcome::Done(result)),
                }
            }
            (result, _) => result,
        };
        let result = match result {
            Ok(result) => result,
            // The tool that was called is there: what it was to call isn't.
            Err(unknown) if engine.selection().discovery() => {
                let (offer, name, unknown) = (offer.clone(), name.into_owned(), unknown.to_string());
                let found = move || Ok(discovery::unknown(offer.engine(), offer.index()?, &name, &unknown));
                return Ok(told.result(aside(found).await?));
            }
            Err(unknown) if engine.selection().leaves_out(&name) => {
                return Ok(told.result(own_results::not_offered(engine, &name, &unknown.to_string())));
            }
            Err(unknown) => return Err(ErrorData::invalid_params(unknown.to_string(), None)),
        };
        Ok(match result {
            Outcome::Done(result) | Outcome::SignIn(result, _) => told.result(result),
            Outcome::Ask(question) => told.asked(ask::input_required(&question)),
        })
    }
}

/// Finds tools, beside what answers others: the index is made by the first search, and a search takes long by itself.
async fn searched(offer: &Arc<Offer>, arguments: Map<String, Value>) -> Result<CallResult, ErrorData> {
    let offer = offer.clone();
    aside(move || Ok(search::search(offer.engine(), offer.index()?, arguments))).await
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErrorData> + Send + 'static,
) -> Result<T, ErrorData> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        Err(ErrorData::internal_error(
            format!("the search broke off: {error}"),
            None,
        ))
    })
}

impl ServerHandler for NeonServer {
    /// What rmcp looks at several times with each request: the capabilities. What is told of the server is added where it is told.
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(capabilities())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let _span = self.span("initialize", None, &context);
        let offer = self.admitted(&context).offer.clone();
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        result.server_info = self.process.identity.clone();
        result.instructions = Some(offer.instructions());
        Ok(result)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let _span = self.span("server/discover", None, &context);
        let info = self.info_for(&self.admitted(&context).offer);
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, info))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let _span = self.span("tools/list", None, &context);
        // The list has one page, so nobody was ever given a cursor. Some clients send an empty one for the first page.
        if page
            .and_then(|page| page.cursor)
            .is_some_and(|cursor| !cursor.is_empty())
        {
            return Err(ErrorData::invalid_params("unknown cursor: leave it out", None));
        }
        // Only those of the new protocol are answered with one JSON object: others get events.
        let is_filled_later = is_modern(&context) && of_request::<FilledLater>(&context).is_some();
        let mut list = ListToolsResult::with_all_items(match is_filled_later {
            true => Vec::new(),
            false => self.admitted(&context).offer.tools().to_vec(),
        });
        self.may_be_kept(&context, &mut list.ttl_ms, &mut list.cache_scope, &mut list.meta);
        Ok(list)
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let _span = self.span("resources/list", None, &context);
        // What there is, only its own plan names.
        let mut list = ListResourcesResult::with_all_items(Vec::new());
        self.may_be_kept(&context, &mut list.ttl_ms, &mut list.cache_scope, &mut list.meta);
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let statements = ResourceTemplate::new("neon-mcp://statements/{digest}", "statements")
            .with_title("All statements of a call")
            .with_description(
                "The SQL of a call that waits for approval, whole, where its plan shows a part by its digest. The plan names the address.",
            )
            .with_mime_type("application/sql");
        let mut list = ListResourceTemplatesResult::with_all_items(vec![statements]);
        self.may_be_kept(&context, &mut list.ttl_ms, &mut list.cache_scope, &mut list.meta);
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let _span = self.span("resources/read", None, &context);
        let Admitted { principal, offer, .. } = self.admitted(&context);
        let Some(text) = offer.engine().statements(principal, &request.uri) else {
            return Err(ErrorData::resource_not_found(
                "there is no such resource: a plan names the address of its statements, while this server keeps them",
                None,
            ));
        };
        let contents = ResourceContents::text(text, request.uri).with_mime_type("application/sql");
        let mut read = ReadResourceResult::new(vec![contents]);
        self.may_be_kept(&context, &mut read.ttl_ms, &mut read.cache_scope, &mut read.meta);
        Ok(read.into())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.clone();
        let told = self.told(&context);
        let span = self.span("tools/call", Some(&name), &context);
        let _running = self.calls.begin();
        let cancel = context.ct.child_token();
        let call = self
            .process
            .running
            .track_future(self.call(request, context, cancel.clone()));
        // When the server stops for good, the call says what it knows: it isn't simply cut.
        let call = async {
            tokio::pin!(call);
            tokio::select! {
                result = call.as_mut() => result,
                () = self.process.cut.cancelled() => {
                    cancel.cancel();
                    call.await
                }
            }
        };
        // A panic would leave the client waiting for ever.
        match AssertUnwindSafe(call).catch_unwind().instrument(span.clone()).await {
            Ok(result) => {
                match &result {
                    Ok(CallToolResponse::Complete(result)) if result.is_error == Some(true) => {
                        spans::failed(&span, "tool_error")
                    }
                    Ok(_) => {}
                    Err(error) => spans::failed(&span, &error.code.0.to_string()),
                }
                result
            }
            Err(_) => {
                spans::failed(&span, "panic");
                tracing::error!(tool = %name, "a tool call panicked");
                let value = json!({"service": self.engine().service().name(), "error": {
                    "kind": Kind::Internal.name(),
                    "message": "neon-mcp failed inside; the server goes on.",
                    "changed": "unknown",
                    "next": "Look with a reading tool before repeating a changing call, and report this to the project.",
                }});
                Ok(told.result(CallResult::new(value, true, Fence::new(&Map::new()))))
            }
        }
    }

    /// For its schema, which says what a request's `Mcp-Param-` headers must match: what is told of a tool isn't copied for each call.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.admitted.offer.tools().iter().find(|tool| tool.name == name)?;
        Some(Tool::new(tool.name.clone(), "", tool.input_schema.clone()))
    }
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder().enable_tools().enable_resources().build()
}

/// What the HTTP request of a message brings along.
fn of_request<T: Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<&T> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<T>()
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// How a client is told a result.
struct Told {
    /// Who made it, where the protocol has a place for that.
    stamp: Option<MetaObject>,
    /// The client's protocol knows structured content (2025-06-18 and later).
    takes_structured: bool,
}

impl Told {
    /// A question in the place of a result.
    fn asked(self, asked: InputRequiredResult) -> CallToolResponse {
        match self.stamp {
            Some(stamp) => asked.with_meta(stamp),
            None => asked,
        }
        .into()
    }

    /// The value as structured content, and as text: to read where the client takes structured content, else the JSON.
    fn result(self, result: CallResult) -> CallToolResponse {
        let text = if self.takes_structured {
            result.text()
        } else {
            serde_json::to_string(&result.value).unwrap_or_default()
        };
        let text = vec![ContentBlock::text(text)];
        let CallResult { value, is_error, .. } = result;
        let mut result = if is_error {
            CallToolResult::error(text)
        } else {
            CallToolResult::success(text)
        };
        result.structured_content = Some(value);
        result.meta = self.stamp;
        result.into()
    }
}
