//! The SQL of a call, parsed once: assessing, placing, showing and sending take these statements, and parse no text again.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::engine::error::Failure;
use crate::sql::{Reading, Script};

/// Up to what length SQL doesn't wait for longer SQL of others, in bytes.
const SHORT: usize = 64 * 1024;

/// How much of it is parsed at once, in bytes: what is made of a text while it is parsed takes some sixty times as much.
const MAX_SHORT: usize = 512 * 1024;

/// How much longer SQL is parsed at once, in bytes: what a call's may be.
const MAX_LONG: usize = 1536 * 1024;

/// The turns of all calls of this process.
static TURNS: Turns = Turns::new();

/// Who parses now. SQL that is long takes time and memory, and must take neither from those whose SQL is short.
#[derive(Debug)]
struct Turns {
    short: Semaphore,
    long: Semaphore,
}

impl Turns {
    const fn new() -> Self {
        Self {
            short: Semaphore::const_new(MAX_SHORT),
            long: Semaphore::const_new(MAX_LONG),
        }
    }

    /// Waits for the turn of that many bytes; nothing where there are no turns any more.
    async fn turn(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let (turns, most) = match bytes <= SHORT {
            true => (&self.short, MAX_SHORT),
            false => (&self.long, MAX_LONG),
        };
        turns.acquire_many(u32::try_from(bytes.min(most)).ok()?).await.ok()
    }
}

/// A text that is only explained.
#[derive(Debug, Clone, Copy)]
pub struct Explains<'s> {
    /// The text.
    pub(crate) text: &'s str,
    /// Whether it is run for that.
    pub(crate) analyze: Analyze,
}

/// Whether a statement that is explained is run and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analyze {
    /// It isn't.
    Never,
    /// It is, or isn't explained at all.
    Always,
    /// Where it is proven to read.
    WhereItReads,
}

/// A text that is only explained, parsed.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The text, as it was given.
    pub(crate) source: String,
    /// Its statements.
    pub(crate) script: Script,
    /// The statement that explains its only one; nothing where there is another number of them, where that one has no plan, or where it
    /// may not be run.
    pub(crate) reading: Option<Reading>,
    /// Explaining it runs it.
    pub(crate) analyzed: bool,
}

/// The statements of a call.
#[derive(Debug, Default)]
pub(in crate::engine) struct Parsed {
    /// What runs: a script for each text.
    pub(in crate::engine) scripts: Vec<Script>,
    /// The texts that those stand in.
    pub(in crate::engine) sources: Vec<String>,
    /// What is only explained.
    pub(in crate::engine) explained: Option<Explained>,
}

/// Parses the texts of a call. It takes a while for long ones, in which others must get on.
///
/// # Errors
/// When the server is out of threads.
pub(in crate::engine) async fn parse(runs: &[&str], explains: Option<Explains<'_>>) -> Result<Parsed, Failure> {
    if runs.is_empty() && explains.is_none() {
        return Ok(Parsed::default());
    }
    // Windows' editors put a mark before a file's first character, which Postgres takes for a part of the first word.
    let unmarked = |text: &str| text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    let sources: Vec<String> = runs.iter().map(|text| unmarked(text)).collect();
    let explains = explains.map(|explains| (unmarked(explains.text), explains.analyze));
    let bytes = sources.iter().map(String::len).sum::<usize>() + explains.as_ref().map_or(0, |(text, _)| text.len());
    // Whoever hangs up while waiting takes no turn; who has one keeps it to its end, which nothing cuts short.
    let turn = TURNS.turn(bytes).await;
    let parse = move || {
        let _turn = turn;
        tracing::debug!(
            texts = sources.len() + usize::from(explains.is_some()),
            "the SQL of a call is parsed"
        );
        let texts: Vec<&str> = sources.iter().map(String::as_str).collect();
        Parsed {
            scripts: scripts(&texts),
            explained: explains.map(|(text, analyze)| explained(text, analyze)),
            sources,
        }
    };
    tokio::task::spawn_blocking(parse)
        .await
        .map_err(|error| Failure::Internal(error.to_string()))
}

/// The scripts of texts that were parsed together: what one makes, the next knows.
pub(in crate::engine) fn scripts(texts: &[&str]) -> Vec<Script> {
    let mut scripts = crate::sql::parse_all(texts);
    crate::sql::relate(&mut scripts);
    scripts
}

fn explained(source: String, analyze: Analyze) -> Explained {
    let script = crate::sql::parse(&source);
    let explaining = |analyze| Reading::explaining(script.only()?, analyze);
    let measured = match analyze {
        Analyze::Never => None,
        Analyze::Always | Analyze::WhereItReads => explaining(true),
    };
    let (reading, analyzed) = match (measured, analyze) {
        (Some(measured), _) => (Some(measured), true),
        (None, Analyze::Always) => (None, false),
        (None, _) => (explaining(false), false),
    };
    Explained {
        source,
        script,
        reading,
        analyzed,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn long_sql_is_parsed_after_long_sql_and_short_sql_beside_it() {
        let turns = Turns::new();
        let first = turns.turn(MAX_LONG * 2).await.unwrap();
        assert!(turns.turn(SHORT + 1).now_or_never().is_none());
        let short: Vec<_> = (0..8)
            .map(|_| turns.turn(SHORT).now_or_never().flatten().unwrap())
            .collect();
        assert!(turns.turn(1).now_or_never().is_none());
        drop((first, short));
        for bytes in [SHORT + 1, SHORT, 0] {
            assert!(turns.turn(bytes).now_or_never().flatten().is_some(), "{bytes}");
        }
    }

    #[test]
    fn statement_that_writes_is_explained_and_not_run() {
        let of = |text: &str, analyze| explained(text.to_owned(), analyze);
        assert!(of("SELECT 1", Analyze::Always).analyzed);
        assert!(of("SELECT 1", Analyze::WhereItReads).analyzed);
        assert!(!of("SELECT 1", Analyze::Never).analyzed);
        let planned = of("DELETE FROM t", Analyze::WhereItReads);
        assert!(planned.reading.is_some() && !planned.analyzed);
        assert!(of("DELETE FROM t", Analyze::Always).reading.is_none());
        assert!(of("SELECT 1; SELECT 2", Analyze::Never).reading.is_none());
        assert!(of("VACUUM t", Analyze::Never).reading.is_none());
    }
}
