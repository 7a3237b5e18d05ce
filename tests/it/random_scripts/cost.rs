//! What the measured commit costs: a small write with it against the same write without it, in one run.

use std::time::{Duration, Instant};

use neon_mcp::neon::sql::{Allowance, CommitRule, Isolation, Query, Statements};
use neon_mcp::sql::Mentions;
use tokio_postgres::Client;

use super::bench::{Bench, DATABASE, connect};
use super::held::{connection, send};

/// How often each is timed.
const ROUNDS: usize = 60;

/// More than this would be felt. On a quiet machine it is a few milliseconds; tests run beside one another.
const BOUND: Duration = Duration::from_millis(150);

const WRITE: &str = "INSERT INTO orders (id, customer, total) SELECT 100000 + count(*), 1, 1 FROM orders";

async fn plain(client: &Client) -> Duration {
    let began = Instant::now();
    client.batch_execute("BEGIN").await.unwrap();
    let timeout = "SELECT set_config('statement_timeout', '30000', true)";
    client.query_typed(timeout, &[]).await.unwrap();
    client.query_typed(WRITE, &[]).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    began.elapsed()
}

async fn measured(client: &Client) -> Duration {
    let statements = Statements::together(vec![Query::plain(WRITE)], Isolation::ReadCommitted).about(
        Mentions::default(),
        Vec::new(),
        false,
    );
    let allowance = Allowance::unasked(100);
    let began = Instant::now();
    let batch = statements.batch(&connection(), CommitRule::Enforce(&allowance), Duration::from_secs(30));
    send(client, &batch).await.unwrap();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn measured_write_costs_little_more_than_a_bare_one() {
    let bench = Bench::start().await;
    for fresh in [false, true] {
        let mut client = connect(&bench.access.owner, DATABASE).await;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if fresh {
                client = connect(&bench.access.owner, DATABASE).await;
            }
            without.push(plain(&client).await);
            if fresh {
                client = connect(&bench.access.owner, DATABASE).await;
            }
            with.push(measured(&client).await);
        }
        let (without, with) = (median(without), median(with));
        let session = if fresh { "new session" } else { "same session" };
        eprintln!("{session}: bare {without:?}, measured {with:?}");
        assert!(with < without + BOUND, "{session}: bare {without:?}, measured {with:?}");
    }
}
