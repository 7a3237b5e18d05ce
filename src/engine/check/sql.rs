//! The SQL of a call, parsed once: assessing, placing, showing and sending take these statements, and parse no text again.

use crate::engine::error::Failure;
use crate::sql::{Reading, Script};

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
    let parse = move || {
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
    use super::*;

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
