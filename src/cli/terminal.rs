//! Asking the human at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::oneshot;

use crate::engine::Ask;
use crate::guard::{CONFIRM_FIELD, Channel, NAME_FIELD, Question, Reply, TypedName};
use crate::neon::text::{escaped, one_line};

/// How often an answer that is neither yes nor no is asked for again.
const MAX_TRIES: usize = 3;

/// What a human typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// Yes, where a plain yes will do.
    Yes,
    /// A name, where one must be typed.
    Name(String),
    /// No.
    No,
    /// Nothing that is an answer.
    Nothing,
}

/// Whether a human can be asked: input and the place where questions are shown are a terminal.
pub(super) fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows a plan, whole. What steers a terminal is escaped once more: the text may have lain in a file.
pub(super) fn show(text: &str) {
    for line in text.split('\n') {
        eprintln!("  {}", escaped(line));
    }
}

/// Asks for the name of what is lost, or for a plain yes.
pub(super) fn ask(name: Option<&TypedName>) -> Typed {
    for _ in 0..MAX_TRIES {
        match name {
            Some(name) => eprint!(
                "Type the name of the {} to approve, or no to refuse: ",
                one_line(&name.what, 60)
            ),
            None => eprint!("Type yes to approve, or no to refuse: "),
        }
        let _ = std::io::stderr().flush();
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let typed = line.trim();
        match (name, typed.to_lowercase().as_str()) {
            (_, "") => {}
            // A thing that is called `no` is approved by its name; everything else is refused by that word.
            (Some(name), _) if name.matches(typed) => return Typed::Name(typed.to_owned()),
            (_, "n" | "no") => return Typed::No,
            (Some(_), _) => return Typed::Name(typed.to_owned()),
            (None, "y" | "yes") => return Typed::Yes,
            (None, _) => {}
        }
    }
    eprintln!();
    Typed::Nothing
}

/// Puts the questions of a call to the human at the terminal.
#[derive(Debug)]
pub(super) struct AtTheTerminal;

impl Ask for AtTheTerminal {
    fn channel(&self) -> Channel {
        Channel::Terminal
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Reply> {
        let (answer, answered) = oneshot::channel();
        let (text, name) = (question.text.clone(), question.type_name.clone());
        // A thread of its own, which nothing waits for: a read of the terminal can't be called off.
        std::thread::spawn(move || {
            show(&text);
            let _ = answer.send(ask(name.as_ref()));
        });
        wait(answered, question.waits).boxed()
    }
}

async fn wait(answered: oneshot::Receiver<Typed>, limit: Duration) -> Reply {
    match tokio::time::timeout(limit, answered).await {
        Err(_) => {
            eprintln!();
            Reply::Silence
        }
        Ok(Err(_) | Ok(Typed::Nothing)) => Reply::Cancelled,
        Ok(Ok(Typed::No)) => Reply::Rejected,
        Ok(Ok(Typed::Yes)) => Reply::Accepted(json!({ CONFIRM_FIELD: true })),
        Ok(Ok(Typed::Name(name))) => Reply::Accepted(json!({ NAME_FIELD: name })),
    }
}
