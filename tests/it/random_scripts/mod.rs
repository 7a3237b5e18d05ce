//! What random scripts lose, and whether whoever runs them lets them.
//!
//! ```text
//! generator  scripts by the thousand from a grammar that is bent on losing something, the same ones for the same seed
//! bench      a database with something to lose, made anew whenever something was lost
//! runner     who runs a script: the parser's judgement alone, or the whole server
//! oracle     a superuser beside, who counts what is gone, replaced or weaker, and who may do more than before
//! ```
//!
//! `RANDOM_SCRIPTS_RUNS` says how many scripts each test runs, and `RANDOM_SCRIPTS_SEED` which ones. A finding names its number; what the
//! script found there was left by those that are listed before it, and they are run again the same way.

mod attacks;
mod bench;
mod cost;
mod generator;
mod held;
mod oracle;
mod runner;
mod samples;
mod unheld;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use bench::Bench;
use generator::Script;
use held::{Judged, MeasuredCommit};
use oracle::Loss;
use runner::{Outcome, Runner, TextAlone, ThroughServer};

/// How many scripts may change a database before it is made anew.
const MAX_CHANGES: usize = 40;

/// How many of a test's scripts run beside one another, each on a bench of its own.
const BENCHES: u64 = 2;

/// A script that lost something.
struct Finding {
    number: u64,
    script: Script,
    outcome: Outcome,
    losses: Vec<Loss>,
    /// The scripts that had changed the database before it, since it was made.
    before: Vec<u64>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "script {} ({:?}), after {:?}:",
            self.number, self.outcome, self.before
        )?;
        for statement in &self.script.statements {
            writeln!(f, "    {statement};")?;
        }
        for loss in &self.losses {
            writeln!(f, "  {}: {}", loss.kind, loss.what)?;
        }
        Ok(())
    }
}

/// What became of many scripts.
#[derive(Default)]
struct Tally {
    runs: usize,
    refused: usize,
    stopped: usize,
    committed: usize,
    restored: usize,
    /// For each kind of statement: the scripts with one, those that committed, those that lost something.
    kinds: BTreeMap<&'static str, [usize; 3]>,
    findings: Vec<Finding>,
    /// The errors that stopped scripts.
    errors: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.refused += other.refused;
        self.stopped += other.stopped;
        self.committed += other.committed;
        self.restored += other.restored;
        for (kind, counts) in other.kinds {
            let known = self.kinds.entry(kind).or_default();
            for (known, count) in known.iter_mut().zip(counts) {
                *known += count;
            }
        }
        self.findings.extend(other.findings);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} scripts: {} refused, {} stopped, {} committed; {} lost something; made anew {} times",
            self.runs,
            self.refused,
            self.stopped,
            self.committed,
            self.findings.len(),
            self.restored,
        )?;
        for (kind, [runs, committed, lost]) in &self.kinds {
            writeln!(f, "  {kind:24} {runs:6} {committed:6} {lost:6}")?;
        }
        let mut losses: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &self.findings {
            let mut kinds: Vec<&str> = finding.losses.iter().map(|loss| loss.kind.as_str()).collect();
            kinds.dedup();
            for kind in kinds {
                *losses.entry(kind).or_default() += 1;
            }
        }
        for (kind, count) in losses {
            writeln!(f, "  {kind:32} {count:6}")?;
        }
        Ok(())
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// Runs scripts one after the other, and notes what each lost.
async fn search<R: Runner>(bench: &mut Bench, runner: &R, seed: u64, numbers: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    let mut before = Vec::new();
    for number in numbers {
        let script = generator::script(seed, number);
        let outcome = runner.run(&script.statements).await;
        tally.runs += 1;
        match &outcome {
            Outcome::Refused(_) => tally.refused += 1,
            Outcome::Stopped(error) => {
                tally.stopped += 1;
                let error: String = error.chars().take(60).collect();
                *tally.errors.entry(error).or_default() += 1;
            }
            Outcome::Committed => tally.committed += 1,
        }
        let found = bench.losses().await;
        let changed = found.is_some();
        let mut losses = found.unwrap_or_default();
        // What isn't run, or is stopped, changes nothing at all.
        if changed && outcome != Outcome::Committed {
            losses.push(Loss {
                kind: "changed although it was not committed".to_owned(),
                what: format!("{outcome:?}"),
            });
        }
        for kind in &script.kinds {
            let counts = tally.kinds.entry(kind).or_default();
            counts[0] += 1;
            counts[1] += usize::from(outcome == Outcome::Committed);
            counts[2] += usize::from(!losses.is_empty());
        }
        let lost = !losses.is_empty();
        if lost {
            tally.findings.push(Finding {
                number,
                script,
                outcome,
                losses,
                before: before.clone(),
            });
        }
        if changed {
            before.push(number);
        }
        if lost || before.len() >= MAX_CHANGES || (changed && bench.is_worn()) {
            if bench.renew().await {
                runner.restored().await;
            }
            before.clear();
            tally.restored += 1;
        }
    }
    tally
}

/// Runs the scripts of a test on a few benches, each with a runner of its own.
async fn search_all<R, F>(runs: u64, make: F) -> Tally
where
    R: Runner + Send + Sync + 'static,
    F: Fn(&Bench) -> R + Copy + Send + 'static,
{
    let seed = setting("RANDOM_SCRIPTS_SEED", 1);
    let runs = setting("RANDOM_SCRIPTS_RUNS", runs);
    let began = Instant::now();
    let mut searches = Vec::new();
    for part in 0..BENCHES {
        searches.push(tokio::spawn(async move {
            let mut bench = Bench::start().await;
            let runner = make(&bench);
            search(&mut bench, &runner, seed, (part..runs).step_by(BENCHES as usize)).await
        }));
    }
    let mut tally = Tally::default();
    for search in searches {
        tally.add(search.await.unwrap());
    }
    tell(seed, began, &tally);
    tally
}

/// What became of the scripts; with `RANDOM_SCRIPTS_SHOW`, of each that lost something.
fn tell(seed: u64, began: Instant, tally: &Tally) {
    eprintln!("seed {seed}, {:?}: {tally}", began.elapsed());
    if std::env::var_os("RANDOM_SCRIPTS_SHOW").is_some() {
        for (error, count) in &tally.errors {
            eprintln!("{count:6} {error}");
        }
        for finding in &tally.findings {
            eprintln!("{finding}");
        }
    }
}

/// The generator finds what it is for: where only the text is judged, much gets lost.
#[tokio::test(flavor = "multi_thread")]
async fn judgement_of_the_text_alone_lets_losses_through() {
    let tally = search_all(500, |bench| TextAlone::new(&bench.access)).await;
    assert!(tally.findings.len() * 10 > tally.runs, "{tally}");
}

/// What a client is told was not run, or was stopped, has changed nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_does_not_commit_change_nothing() {
    let seed = setting("RANDOM_SCRIPTS_SEED", 1);
    let runs = setting("RANDOM_SCRIPTS_RUNS", 150).min(1_000);
    let began = Instant::now();
    let server = ThroughServer::start().await;
    let mut bench = Bench::at(server.access().await, None).await;
    let tally = search(&mut bench, &server, seed, 0..runs).await;
    tell(seed, began, &tally);
    assert!(tally.committed > 0 && tally.refused > 0 && tally.stopped > 0, "{tally}");
    assert!(
        tally.findings.is_empty(),
        "{tally}\n{}",
        tally
            .findings
            .iter()
            .map(Finding::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn assert_nothing_lost(tally: &Tally) {
    if std::env::var_os("RANDOM_SCRIPTS_SHOW").is_some() {
        for (error, count) in &tally.errors {
            eprintln!("{count:6} {error}");
        }
    }
    let findings: Vec<String> = tally.findings.iter().take(20).map(Finding::to_string).collect();
    assert!(tally.findings.is_empty(), "{tally}\n{}", findings.join("\n"));
    // A measured commit that stops everything loses nothing either.
    assert!(tally.committed * 10 > tally.runs, "{tally}");
}

/// What nobody is asked about loses no more than the bound, and no object.
#[tokio::test(flavor = "multi_thread")]
async fn measured_commit_loses_nothing_unasked() {
    let tally = search_all(4_000, |bench: &Bench| {
        MeasuredCommit::new(&bench.access, Judged::ByText)
    })
    .await;
    assert_nothing_lost(&tally);
}

/// The same where the text isn't judged at all: the measured commit doesn't need it.
#[tokio::test(flavor = "multi_thread")]
async fn measured_commit_holds_without_the_judgement_of_the_text() {
    let tally = search_all(1_500, |bench: &Bench| {
        MeasuredCommit::new(&bench.access, Judged::NotAtAll)
    })
    .await;
    assert_nothing_lost(&tally);
}
