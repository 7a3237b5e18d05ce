//! A program at a terminal: a pseudo-terminal whose other end the test types on.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Which standard streams of a program are the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Input and errors, while its output is collected.
    InputAndErrors,
    /// Input alone: `… 2>/dev/null | …`.
    Input,
    /// Output alone: `… </dev/null 2>/dev/null`.
    Output,
    /// All three, as a shell starts it.
    All,
}

/// A program some of whose standard streams are a terminal.
pub struct AtTerminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reading: std::thread::JoinHandle<()>,
}

impl AtTerminal {
    /// Starts it. Its standard output is collected for [`Self::end`].
    pub fn start(command: Command) -> Self {
        Self::with(command, Streams::InputAndErrors, None)
    }

    /// The same, with these streams on the terminal, of that many columns where that is said.
    pub fn with(mut command: Command, streams: Streams, columns: Option<u16>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let open = || {
            let path = name.to_str().expect("a path");
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .expect("the terminal")
        };
        if let Some(columns) = columns {
            let mut size = rustix::termios::tcgetwinsize(&master).expect("a size");
            (size.ws_col, size.ws_row) = (columns, 50);
            rustix::termios::tcsetwinsize(&master, size).expect("sized");
        }
        let on_terminal = || Stdio::from(OwnedFd::from(open()));
        command.stdin(on_terminal());
        match streams {
            Streams::InputAndErrors => command.stderr(on_terminal()).stdout(Stdio::piped()),
            Streams::Input => command.stderr(Stdio::null()).stdout(Stdio::piped()),
            Streams::Output => command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(on_terminal()),
            Streams::All => command.stderr(on_terminal()).stdout(on_terminal()),
        };
        let child = command.spawn().expect("starts");
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().expect("a second handle");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = screen.clone();
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // A terminal whose program has ended gives an error.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                seen.lock().expect("a lock").extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            child,
            keyboard,
            screen,
            reading,
        }
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        text(&self.screen)
    }

    /// Waits until a text stands on the screen, `times` times.
    pub fn wait_for(&self, text: &str, times: usize) {
        let since = Instant::now();
        while self.screen().matches(text).count() < times {
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "no `{text}` on the screen:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").expect("typed");
    }

    /// Ends the input (Ctrl-D).
    pub fn end_input(&mut self) {
        self.keyboard.write_all(&[4]).expect("typed");
    }

    /// Waits for its end: exit code, what it printed, the screen.
    pub fn end(mut self) -> (i32, String, String) {
        let mut printed = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut printed).expect("text");
        }
        let status = self.child.wait().expect("ends");
        // The terminal of a program that has ended gives an error when all is read.
        self.reading.join().expect("a reader");
        (status.code().expect("a code"), printed, text(&self.screen))
    }
}

fn text(screen: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&screen.lock().expect("a lock")).into_owned()
}
