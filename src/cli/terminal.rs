//! Asking the human at the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::oneshot;

use super::fold::{folded, width};
use super::spinner::Spinner;
use crate::engine::Ask;
use crate::guard::{APPROVE_FIELD, Channel, NAME_FIELD, Question, Reply, TypedName};
use crate::neon::text::{escaped, one_line};

/// How often an answer that is neither yes nor no is asked for again.
const MAX_TRIES: usize = 3;

/// What a human typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// An approval, where no name must be typed.
    Approved,
    /// A name, where one must be typed.
    Name(String),
    /// No.
    No,
    /// Nothing that is an answer.
    Nothing,
}

/// Where a human is: what is written stands on their screen, and what is read was typed by them.
pub(super) struct Terminal {
    input: Box<dyn BufRead + Send>,
    output: Box<dyn Write + Send>,
    /// How wide it is, where it says so.
    width: Option<usize>,
}

impl Terminal {
    /// The terminal of this process: of standard input and standard error where both are one, else the one that any of the standard
    /// streams is. A process without any, such as an agent's shell starts it, has none, though there may be one behind that agent.
    pub(super) fn open() -> Option<Self> {
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            return Some(Self {
                input: Box::new(BufReader::new(std::io::stdin())),
                output: Box::new(std::io::stderr()),
                width: width(std::io::stderr()),
            });
        }
        let file = device()?;
        Some(Self {
            input: Box::new(BufReader::new(file.try_clone().ok()?)),
            width: width(&file),
            output: Box::new(file),
        })
    }

    /// Shows a text, whole: each of its lines folded where it doesn't fit. What steers a terminal is escaped once more: the text may
    /// have lain in a file.
    pub(super) fn show(&mut self, text: &str) {
        for line in shown(text, self.width) {
            let _ = writeln!(self.output, "{line}");
        }
    }

    /// Writes a line of ours.
    pub(super) fn say(&mut self, text: &str) {
        for line in folded(text, self.width, "", "") {
            let _ = writeln!(self.output, "{line}");
        }
    }

    /// Asks for the name of what is lost, or for yes or no.
    pub(super) fn ask(&mut self, name: Option<&TypedName>) -> Typed {
        for _ in 0..MAX_TRIES {
            let question = match name {
                Some(name) => format!(
                    "Type {} (the name of the {}) to approve, or no to reject: ",
                    one_line(&name.name, 200),
                    one_line(&name.what, 60)
                ),
                None => "Type yes to approve, or no to reject: ".to_owned(),
            };
            let _ = write!(self.output, "{question}");
            let _ = self.output.flush();
            let mut line = String::new();
            match self.input.read_line(&mut line) {
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
                (None, "y" | "yes") => return Typed::Approved,
                (None, _) => {}
            }
        }
        let _ = writeln!(self.output);
        Typed::Nothing
    }
}

/// A plan in the lines that stand on a screen of that width, each escaped.
pub(super) fn shown(text: &str, width: Option<usize>) -> Vec<String> {
    let clean = text.split('\n').map(escaped);
    clean.flat_map(|line| folded(&line, width, "  ", "      ")).collect()
}

/// The terminal that one of the standard streams is, though others lead elsewhere: `neon-mcp call … 2>log >result.json`. One that this
/// process is in the background of isn't there for it: a read would stop the process.
#[cfg(unix)]
fn device() -> Option<File> {
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::FileTypeExt as _;
    let (stdin, stderr, stdout) = (std::io::stdin(), std::io::stderr(), std::io::stdout());
    let streams = [stdin.as_fd(), stderr.as_fd(), stdout.as_fd()];
    let stream = streams.into_iter().find(|stream| stream.is_terminal())?;
    // What isn't the terminal of our session, as a test's isn't, has no foreground for us, and stops nobody.
    if rustix::termios::tcgetpgrp(stream).is_ok_and(|foreground| foreground != rustix::process::getpgrp()) {
        return None;
    }
    let name = rustix::termios::ttyname(stream, Vec::new()).ok()?;
    let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
    let file = File::options().read(true).write(true).open(path).ok()?;
    let device = |file: &File| {
        file.metadata()
            .is_ok_and(|metadata| metadata.file_type().is_char_device())
    };
    (device(&file) && file.is_terminal()).then_some(file)
}

#[cfg(not(unix))]
fn device() -> Option<File> {
    None
}

/// Puts the questions of a call to the human at the terminal.
#[derive(Debug)]
pub(super) struct AtTheTerminal(pub(super) Arc<Spinner>);

impl Ask for AtTheTerminal {
    fn channel(&self) -> Channel {
        Channel::Terminal
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Reply> {
        let (answer, answered) = oneshot::channel();
        let (text, name) = (question.text.clone(), question.type_name.clone());
        self.0.pause();
        // A thread of its own, which nothing waits for: a read of the terminal can't be called off.
        std::thread::spawn(move || {
            let typed = Terminal::open().map_or(Typed::Nothing, |mut terminal| {
                terminal.show(&text);
                terminal.ask(name.as_ref())
            });
            let _ = answer.send(typed);
        });
        async move {
            let reply = wait(answered, question.waits).await;
            self.0.resume();
            reply
        }
        .boxed()
    }
}

async fn wait(answered: oneshot::Receiver<Typed>, limit: Duration) -> Reply {
    match tokio::time::timeout(limit, answered).await {
        Err(_) => {
            if let Some(mut terminal) = Terminal::open() {
                terminal.say("");
            }
            Reply::Silence
        }
        Ok(Err(_) | Ok(Typed::Nothing)) => Reply::Cancelled,
        Ok(Ok(Typed::No)) => Reply::Rejected,
        Ok(Ok(Typed::Approved)) => Reply::Accepted(json!({ APPROVE_FIELD: true })),
        Ok(Ok(Typed::Name(name))) => Reply::Accepted(json!({ NAME_FIELD: name })),
    }
}
