//! No sequence of calls and answers without an acceptance changes anything that asks.

use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt as _, StreamExt as _};
use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::engine::{ApprovalMode, Ask, CallLimits, Caller, Engine, Guards, Outcome, Returned, Service};
use neon_mcp::guard::audit::{AuditLimits, AuditLog};
use neon_mcp::guard::{
    ApprovalFlow, Approvals, Decision, Identity, Policy, Principal, Question, Reply, Sealer, Session,
};
use neon_mcp::neon::{Client, ClientConfig, Credential, FairQueue, LimitSettings, Rate, RateLimits, api_base};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::catalog;
use crate::support::arguments::arguments;
use crate::support::own_catalog;
use crate::support::server::KEY;
use crate::support::world::{BRANCH, ENDPOINT, PROJECT, ROOT, SNAPSHOT, World};

/// How many sequences are tried.
const SEQUENCES: usize = 10_000;

/// How many share a server, its questions and its codes.
const A_SERVER: usize = 50;

/// What the model's clients call: everything that asks by its declaration, by its arguments, or by what it is about.
fn calls() -> Vec<(String, Map<String, Value>)> {
    let mut calls: Vec<(String, Map<String, Value>)> = catalog()
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect.needs_consent())
        .map(|tool| (tool.name().to_owned(), arguments(tool, false)))
        .collect();
    let branch = |id: &str, more: Value| {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": id});
        for (name, value) in more.as_object().expect("an object") {
            arguments[name] = value.clone();
        }
        arguments
    };
    let soon = (chrono::Utc::now() + chrono::TimeDelta::days(7)).to_rfc3339();
    for (tool, arguments) in [
        ("delete_branch", branch(BRANCH, json!({"hard_delete": false}))),
        ("delete_branch", branch(BRANCH, json!({"hard_delete": true}))),
        ("delete_branch", json!({"project_id": "shop", "branch_id": "dev"})),
        ("update_branch", branch(BRANCH, json!({"expires_at": soon}))),
        ("update_branch", branch(ROOT, json!({"name": "trunk"}))),
        ("restore_branch", branch(BRANCH, json!({"source_branch_id": ROOT}))),
        (
            "update_project",
            json!({"project_id": PROJECT, "history_retention_seconds": 3_600}),
        ),
        (
            "restore_snapshot",
            json!({"project_id": PROJECT, "snapshot_id": SNAPSHOT, "target_branch_id": BRANCH, "finalize_restore": true}),
        ),
        (
            "update_compute",
            json!({"project_id": PROJECT, "endpoint_id": ENDPOINT, "disabled": true}),
        ),
    ] {
        calls.push((tool.to_owned(), arguments.as_object().cloned().expect("an object")));
    }
    calls
}

/// What a client or a human does that is no acceptance.
#[derive(Debug, Clone)]
enum Step {
    /// Calls, and answers a question that comes back so.
    Call { call: usize, client: usize, way: Manner },
    /// Decides one of the codes that wait: refuses it, or approves it with what isn't its name.
    Decide { code: usize, wrong_name: bool },
    /// The world moves on.
    Rename(u8),
    /// The branch becomes protected, or no longer is.
    Protect(bool),
}

/// How a client's human is asked, and what comes back.
#[derive(Debug, Clone)]
enum Manner {
    /// While the call runs.
    InCall(NoApproval),
    /// By a question in the result, which the client takes note of.
    InReturn,
    /// With one of the seals that were handed out: for another call even with a full approval.
    Returned {
        seal: usize,
        answer: NoApproval,
        full: bool,
    },
    /// With a seal that was never handed out.
    MadeUp(String),
    /// Not by the client.
    OutOfBand,
}

/// A reply that is no acceptance of the question.
#[derive(Debug, Clone)]
enum NoApproval {
    Declined,
    Cancelled,
    Silence,
    Malformed,
    Missing,
    Form(Value),
}

impl NoApproval {
    fn reply(&self) -> Option<Reply> {
        Some(match self {
            Self::Declined => Reply::Rejected,
            Self::Cancelled => Reply::Cancelled,
            Self::Silence => Reply::Silence,
            Self::Malformed => Reply::Malformed("garbage".to_owned()),
            Self::Missing => return None,
            Self::Form(form) => Reply::Accepted(form.clone()),
        })
    }
}

fn no_approval() -> impl Strategy<Value = NoApproval> {
    let form = prop_oneof![
        Just(json!({})),
        Just(Value::Null),
        Just(json!([true])),
        Just(json!({"approve": false})),
        Just(json!({"approve": "true"})),
        Just(json!({"approve": 1})),
        Just(json!({"approve": null, "name": null})),
        Just(json!({"name": true})),
        "[a-z ]{0,8}x9".prop_map(|name| json!({"name": name, "approve": "yes"})),
    ];
    prop_oneof![
        Just(NoApproval::Declined),
        Just(NoApproval::Cancelled),
        Just(NoApproval::Silence),
        Just(NoApproval::Malformed),
        Just(NoApproval::Missing),
        form.prop_map(NoApproval::Form),
    ]
}

fn step(calls: usize) -> impl Strategy<Value = Step> {
    let manner = prop_oneof![
        2 => no_approval().prop_map(Manner::InCall),
        2 => Just(Manner::InReturn),
        3 => (any::<usize>(), no_approval(), any::<bool>()).prop_map(|(seal, answer, full)| Manner::Returned { seal, answer, full }),
        1 => "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,43}".prop_map(Manner::MadeUp),
        2 => Just(Manner::OutOfBand),
    ];
    prop_oneof![
        12 => (0..calls, 0..3_usize, manner).prop_map(|(call, client, way)| Step::Call { call, client, way }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(code, wrong_name)| Step::Decide { code, wrong_name }),
        1 => any::<u8>().prop_map(Step::Rename),
        1 => any::<bool>().prop_map(Step::Protect),
    ]
}

/// A server and what its clients got from it.
struct Model {
    world: World,
    engine: Engine,
    approvals: Approvals,
    calls: Vec<(String, Map<String, Value>)>,
    /// Seals, with the call and the client that they are for.
    seals: Mutex<Vec<(String, usize, usize)>>,
    _home: tempfile::TempDir,
}

#[derive(Debug)]
struct Answering(Reply);

impl Ask for Answering {
    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Reply> {
        std::future::ready(self.0.clone()).boxed()
    }
}

impl Model {
    async fn start() -> Self {
        let world = World::start().await;
        let home = tempfile::tempdir().expect("a directory");
        let base = api_base(&world.url()).expect("a base");
        let mut config = ClientConfig::new(base, Credential::new(KEY.to_owned()).expect("a key"));
        let plenty = Rate {
            burst: 1_000_000,
            per_second: 1_000_000,
        };
        config.limits = RateLimits::new(LimitSettings {
            credential: plenty,
            route: plenty,
        });
        let policy = Policy::default();
        let options = SelectionOptions {
            toolsets: Some(vec!["all".to_owned()]),
            ..SelectionOptions::default()
        };
        let selection = Selection::new(own_catalog(), &options, &policy).expect("a selection");
        let approvals = Approvals::new(home.path().join("approvals"));
        let guards = Guards {
            approval_flow: ApprovalFlow::new(Sealer::random(), policy.approval().clone(), Some(approvals.clone())),
            policy: Arc::new(policy),
            audit: Some(AuditLog::new(home.path().join("audit.jsonl"), AuditLimits::default())),
        };
        Self {
            engine: Engine::new(
                Client::new(config),
                selection,
                Service::Sandbox,
                CallLimits::default(),
                guards,
                neon_mcp::workflows::all(),
            ),
            world,
            approvals,
            calls: calls(),
            seals: Mutex::default(),
            _home: home,
        }
    }

    /// A step. What it gives is whether a call ran, which none may.
    async fn step(&self, step: &Step) -> bool {
        match step {
            Step::Call { call, client, way } => self.call(*call, *client, way).await,
            Step::Decide { code, wrong_name } => {
                let now = chrono::Utc::now();
                let waiting = self.approvals.list(now).expect("a list");
                if let Some(approval) = waiting.get(code.checked_rem(waiting.len()).unwrap_or_default()) {
                    let wrong = *wrong_name && approval.type_name.is_some();
                    let decision = if wrong {
                        Decision::Approve {
                            typed: Some("not its name".to_owned()),
                        }
                    } else {
                        Decision::Reject
                    };
                    let _ = self.approvals.decide(&approval.code, &decision, now);
                }
                false
            }
            Step::Rename(number) => {
                self.world
                    .change(|facts| facts.branch()["name"] = format!("dev{}", number % 3).into());
                false
            }
            Step::Protect(protect) => {
                self.world
                    .change(|facts| facts.branch()["protected"] = (*protect).into());
                false
            }
        }
    }

    async fn call(&self, call: usize, client: usize, way: &Manner) -> bool {
        let way = match way {
            Manner::InCall(answer) => {
                ApprovalMode::InCall(Arc::new(Answering(answer.reply().unwrap_or(Reply::Silence))))
            }
            Manner::InReturn => ApprovalMode::InReturn(None),
            Manner::OutOfBand => ApprovalMode::OutOfBand,
            Manner::MadeUp(seal) => ApprovalMode::InReturn(Some(Returned {
                seal: seal.clone(),
                reply: Some(approved()),
            })),
            Manner::Returned { seal, answer, full } => {
                let seals = self.seals.lock().expect("a lock");
                match seals.get(seal.checked_rem(seals.len()).unwrap_or_default()) {
                    None => ApprovalMode::InReturn(None),
                    Some((seal, of, by)) => {
                        // A full approval of another call, or of another client, is no approval of this one. By name and by id the
                        // same branch is the same call.
                        let same = |one: usize, other: usize| one == other || self.calls[one].0 == self.calls[other].0;
                        let other = !same(*of, call) || *by != client;
                        ApprovalMode::InReturn(Some(Returned {
                            seal: seal.clone(),
                            reply: if *full && other {
                                Some(approved())
                            } else {
                                answer.reply()
                            },
                        }))
                    }
                }
            }
        };
        let caller = Caller {
            principal: Principal::new(Identity::Stdio),
            session: Session::Process(client.to_string()),
            approval: None,
            client: Some("client".to_owned()),
            way,
            lane: FairQueue::new(),
            bound: None,
            cancel: tokio_util::sync::CancellationToken::new(),
            progress: None,
        };
        let (tool, arguments) = &self.calls[call];
        match self.engine.call(tool, arguments.clone(), caller).await.expect("a tool") {
            Outcome::Ask(question) => {
                self.seals.lock().expect("a lock").push((question.seal, call, client));
                false
            }
            Outcome::SignIn(..) => panic!("a key needs nobody"),
            Outcome::Done(result) => !result.is_error,
        }
    }
}

/// A form that approves any question.
fn approved() -> Reply {
    Reply::Accepted(json!({"approve": true, "name": "dev"}))
}

#[test]
fn no_sequence_without_an_acceptance_changes_anything() {
    let count = calls().len();
    assert!(count >= 19, "{count}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Several servers at a time: most of a call is waiting.
    let done = runtime.block_on(async {
        let servers = (0..SEQUENCES / A_SERVER).map(|_| tokio::spawn(sequences(count)));
        let servers: Vec<_> = futures::stream::iter(servers).buffer_unordered(4).collect().await;
        servers
            .into_iter()
            .map(|one| one.expect("no sequence changes anything"))
            .collect::<Vec<_>>()
    });
    let (steps, asked) = done.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(steps > SEQUENCES && asked > SEQUENCES / 10, "{steps} {asked}");
}

/// One server's share of the sequences: how many steps they had, and how many questions were asked.
async fn sequences(count: usize) -> (usize, usize) {
    // Each run tries others; a failure prints its seed and its sequence.
    let seed: [u8; 32] = rand::random();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    // Steps in one group run at once.
    let sequences = prop::collection::vec(prop::collection::vec(step(count), 1..=2), 1..=2);
    let model = Model::start().await;
    let mut steps = 0;
    for _ in 0..A_SERVER {
        let sequence = sequences.new_tree(&mut runner).expect("a sequence").current();
        let mut ran = false;
        for group in &sequence {
            ran |= join_all(group.iter().map(|step| model.step(step)))
                .await
                .contains(&true);
        }
        steps += sequence.iter().map(Vec::len).sum::<usize>();
        let changes = model.world.changes();
        assert!(
            !ran && changes.is_empty(),
            "seed {seed:?}: {changes:?} after {sequence:#?}"
        );
    }
    let asked = model.seals.lock().expect("a lock").len();
    (steps, asked)
}

/// The model sees what it is there to see: with an acceptance, and by the same way, a change is made.
#[tokio::test]
async fn the_same_model_with_an_acceptance_changes_something() {
    let model = Model::start().await;
    for (index, (tool, _)) in model
        .calls
        .iter()
        .enumerate()
        .filter(|(_, (tool, _))| tool == "delete_branch")
    {
        assert!(!model.call(index, 0, &Manner::InReturn).await);
        let (seal, ..) = model.seals.lock().expect("a lock").last().expect("a seal").clone();
        let caller = Caller {
            principal: Principal::new(Identity::Stdio),
            session: Session::Process("0".to_owned()),
            approval: None,
            client: Some("client".to_owned()),
            way: ApprovalMode::InReturn(Some(Returned {
                seal,
                reply: Some(Reply::Accepted(json!({"approve": true, "name": "dev"}))),
            })),
            lane: FairQueue::new(),
            bound: None,
            cancel: tokio_util::sync::CancellationToken::new(),
            progress: None,
        };
        let outcome = model
            .engine
            .call(tool, model.calls[index].1.clone(), caller)
            .await
            .expect("a tool");
        assert!(matches!(outcome, Outcome::Done(result) if !result.is_error), "{index}");
    }
    assert_eq!(model.world.changes().len(), 4);
}
