//! Random interleavings of asking, approving, replaying, expiring and restarting, over two replicas and one Redis: no call runs twice,
//! none without an approval, and no approval is lost without a word.

use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::guard::store::redis_server::TestRedis;

const SETTLES: Duration = Duration::from_millis(1_000);
const KEY: [u8; 32] = [7; 32];

/// How many are tried without a number in `NEON_MCP_INTERLEAVINGS`.
const INTERLEAVINGS: usize = 1_000;

/// How many are in flight when Redis is killed: fewer than may wait for one credential.
const ACROSS_A_RESTART: usize = 12;

/// A server, which can be restarted.
struct Replica {
    flow: RwLock<ApprovalFlow>,
    prefix: String,
}

impl Replica {
    fn new(redis: &TestRedis, prefix: &str) -> Self {
        Self {
            flow: RwLock::new(Self::started(redis, prefix)),
            prefix: prefix.to_owned(),
        }
    }

    fn started(redis: &TestRedis, prefix: &str) -> ApprovalFlow {
        let approvals = Approvals::in_redis(redis.replica(prefix, KEY[0], SETTLES), None);
        let rules = ApprovalRules {
            channels: vec![Channel::Client, Channel::Terminal],
            ..ApprovalRules::default()
        };
        ApprovalFlow::new(Sealer::shared(&KEY).unwrap(), rules, Some(approvals))
    }

    fn restart(&self, redis: &TestRedis) {
        *self.flow.write().unwrap() = Self::started(redis, &self.prefix);
    }

    fn flow(&self) -> ApprovalFlow {
        self.flow.read().unwrap().clone()
    }
}

/// What was told of a call at a replica.
enum Told {
    Ran,
    Waits(String, String),
    Rejected,
    /// The store began anew.
    Began,
}

/// One call of one client, and what we know of it.
struct Story {
    call: Call,
    code: Option<String>,
    proof: Option<String>,
    /// All codes that it got.
    codes: Vec<String>,
    /// It was approved, and nothing used that up.
    granted: bool,
    rejected: bool,
    seal: Option<String>,
    runs: usize,
}

/// Asks again while the store is away or settles, as an agent does that is told to.
fn until_told<T>(mut what: impl FnMut() -> Result<T, NotApproved>) -> Result<T, NotApproved> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match what() {
            Err(NotApproved::StoreUnavailable(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

impl Story {
    fn new(tool: &Arc<Tool>, number: usize, stateless: bool) -> Self {
        Self {
            call: Call {
                tool: tool.clone(),
                arguments: json!({"key_id": number}).as_object().unwrap().clone(),
                session: match stateless {
                    true => Session::Stateless,
                    false => Session::Mcp(number.to_string()),
                },
                principal: Principal::new(Identity::Stdio),
            },
            code: None,
            proof: None,
            codes: Vec::new(),
            granted: false,
            rejected: false,
            seal: None,
            runs: 0,
        }
    }

    fn subject<'a>(&'a self, peer: &'a str) -> Subject<'a> {
        Subject {
            approval: self.proof.as_deref(),
            peer,
            ..self.call.subject("revoke_api_key")
        }
    }

    fn told(&self, replica: &Replica, peer: &str) -> Told {
        let flow = replica.flow();
        let told = until_told(|| {
            let (asking, plan) = self.call.asks();
            match flow.elsewhere(asking, &plan, self.subject(peer), Utc::now()) {
                Ok(OutOfBand::Allowed(..)) => Ok(Told::Ran),
                Ok(OutOfBand::Waits(waiting, _)) => Ok(Told::Waits(waiting.code.clone(), flow.proof(&waiting))),
                Ok(OutOfBand::NotApproved(no, _)) => Err(no),
                Err(nobody) => Err(nobody.store_unavailable().unwrap_or_else(|| panic!("{nobody}"))),
            }
        });
        match told {
            Ok(told) => told,
            Err(NotApproved::Rejected) => Told::Rejected,
            Err(NotApproved::StoreBegan) => Told::Began,
            Err(no) => panic!("{no}"),
        }
    }

    fn take_note(&mut self, told: Vec<Told>, forgets: bool) {
        let ran = told.iter().filter(|told| matches!(told, Told::Ran)).count();
        assert!(
            ran <= usize::from(self.granted),
            "a call ran without an approval of its own"
        );
        assert!(!self.granted || ran == 1 || forgets, "an approval was lost");
        self.granted = false;
        self.runs += ran;
        for told in told {
            match told {
                Told::Waits(code, proof) => {
                    self.codes.push(code.clone());
                    (self.code, self.proof) = (Some(code), Some(proof));
                }
                Told::Rejected => assert!(self.rejected, "nobody rejected it"),
                Told::Ran | Told::Began => {}
            }
        }
    }

    fn approve(&mut self, replica: &Replica, decision: &Decision) {
        let Some(code) = self.code.take() else { return };
        let flow = replica.flow();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match flow.approvals().unwrap().decide(&code, decision, Utc::now()) {
                Ok(_) if *decision == Decision::Reject => self.rejected = true,
                Ok(_) => self.granted = true,
                Err(DecideError::Approvals(ApprovalsError::Store(error))) if error.is_away() => {
                    assert!(Instant::now() < until, "{error}");
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(error) => panic!("what waits was lost: {error}"),
            }
            return;
        }
    }

    /// Makes room for the others: what still waits is rejected.
    fn end(self, replica: &Replica) -> usize {
        let flow = replica.flow();
        for code in &self.codes {
            let _ = flow.approvals().unwrap().decide(code, &Decision::Reject, Utc::now());
        }
        self.runs
    }

    /// The client answers a question: whoever has its seal, at once and late.
    fn answered(&self, replica: &Replica, seal: &str, late: bool) -> Result<(), NotApproved> {
        let flow = replica.flow();
        let reply = accepted_by_click();
        let now = if late {
            Utc::now() + TimeDelta::days(2)
        } else {
            Utc::now()
        };
        until_told(|| {
            let (asking, plan) = self.call.asks();
            let answer = Answer {
                seal,
                reply: &reply,
                by: Channel::Client,
            };
            flow.answer(asking, &plan, self.subject("peer"), answer, now)
                .map(|_| ())
        })
    }

    /// One step, at replicas by chance.
    fn step(&mut self, random: &mut StdRng, replicas: &[Replica; 2], peer: &str) {
        let at = random.random_range(0..2);
        let (here, there) = (&replicas[at], &replicas[1 - at]);
        match random.random_range(0..12) {
            0..4 => {
                let told = vec![self.told(here, peer)];
                self.take_note(told, false);
            }
            4..6 => {
                let told = std::thread::scope(|scope| {
                    let other = scope.spawn(|| self.told(there, peer));
                    vec![self.told(here, peer), other.join().unwrap()]
                });
                self.take_note(told, false);
            }
            6..8 => self.approve(here, &Decision::Approve { typed: None }),
            8 if random.random_bool(0.2) => self.approve(here, &Decision::Reject),
            8 | 9 => {
                let flow = here.flow();
                let seal = until_told(|| {
                    let (_, plan) = self.call.asks();
                    flow.question(&plan, self.subject(peer), Utc::now())
                });
                let seal = seal.unwrap().seal;
                assert_eq!(self.answered(there, &seal, true), Err(NotApproved::Expired));
                self.seal = Some(seal);
            }
            _ => {
                let Some(seal) = self.seal.take() else { return };
                let both = std::thread::scope(|scope| {
                    let other = scope.spawn(|| self.answered(there, &seal, false));
                    [self.answered(here, &seal, false), other.join().unwrap()]
                });
                let ran = both.iter().filter(|one| one.is_ok()).count();
                assert_eq!(ran, 1, "{both:?}");
                self.runs += ran;
                // And ever after it is used.
                let again = self.answered(there, &seal, false);
                assert_eq!(again, Err(NotApproved::Used));
            }
        }
    }
}

#[test]
fn no_interleaving_over_two_replicas_runs_twice_or_loses_an_approval() {
    let Some(mut redis) = TestRedis::start() else { return };
    let count = std::env::var("NEON_MCP_INTERLEAVINGS").ok();
    let count: usize = count.map_or(INTERLEAVINGS, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("NEON_MCP_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("{count} interleavings, NEON_MCP_SEED={seed}");
    let prefix = crate::guard::session::random_id();
    let replicas = [Replica::new(&redis, &prefix), Replica::new(&redis, &prefix)];
    let tool = Catalog::embedded().unwrap().tool("revoke_api_key").unwrap().clone();
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (replicas, redis, tool, next, runs) = (&replicas, &redis, &tool, &next, &runs);
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(worker));
                let peer = worker.to_string();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let mut story = Story::new(tool, number, random.random_bool(0.5));
                    for _ in 0..random.random_range(3..9) {
                        story.step(&mut random, replicas, &peer);
                    }
                    runs.fetch_add(story.end(&replicas[0]), Ordering::Relaxed);
                    if random.random_bool(0.01) {
                        replicas[random.random_range(0..2)].restart(redis);
                    }
                }
            });
        }
    });
    let ran = runs.load(Ordering::Relaxed);
    assert!(ran > count / 10, "few calls ran at all: {ran}");

    // Redis is killed in the middle: it comes back with its data, and with nothing.
    let mut random = StdRng::seed_from_u64(seed);
    for (round, empty) in [false, true, false, true].into_iter().enumerate() {
        let stories: Vec<usize> = (0..ACROSS_A_RESTART)
            .map(|story| count + round * 1_000 + story)
            .collect();
        let mut stories: Vec<Story> = stories
            .into_iter()
            .map(|number| Story::new(&tool, number, random.random_bool(0.5)))
            .collect();
        let mut steps = |stories: &mut Vec<Story>| {
            for story in stories {
                for _ in 0..random.random_range(2..6) {
                    story.step(&mut random, &replicas, "peer");
                }
            }
        };
        steps(&mut stories);
        if !redis.kill() {
            return;
        }
        redis.revive(empty);
        if empty {
            // Whatever was granted or asked before counts no more, and each is told so when it is used.
            for story in &mut stories {
                let told = story.told(&replicas[0], "peer");
                assert!(!matches!(told, Told::Ran), "an approval of before counts");
                story.take_note(vec![told], true);
                if let Some(seal) = story.seal.take() {
                    assert_eq!(story.answered(&replicas[1], &seal, false), Err(NotApproved::StoreBegan));
                }
            }
        }
        steps(&mut stories);
        for story in stories {
            story.end(&replicas[0]);
        }
    }
}
