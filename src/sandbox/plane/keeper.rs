//! Stopping servers that nobody holds any more: by ourselves, and after our death by the keeper.
//!
//! The keeper is a small shell process that waits on a pipe from us: when we die, however that happens, the pipe closes, and it
//! stops every server that runs on our folders.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

/// Stops what runs below the folders that it is given, when its input ends; a line of it before that says that nothing does.
/// It looks several times: a server that was just being started writes its file a little later. A data directory's `postmaster.pid` starts with the number of the process; SIGQUIT stops it at once. The number may be
/// another process's by now, which the command line tells.
const KEEPER: &str = r#"
read -r line && exit 0
for round in 1 2 3 4; do
  for folder in "$@"; do
    for file in "$folder"/*/postmaster.pid "$folder"/*/*/postmaster.pid "$folder"/*/*/data/postmaster.pid; do
      [ -f "$file" ] || continue
      read -r process < "$file" || continue
      line=$( (tr '\0' ' ' < "/proc/$process/cmdline" || ps -o command= -p "$process") 2>/dev/null)
      case "$line" in *postgres*"$folder"*) kill -QUIT "$process" 2>/dev/null ;; esac
    done
  done
  sleep 0.3
done
"#;

/// The process that stops servers when we can't.
#[derive(Debug)]
pub(super) struct Keeper {
    process: Child,
    input: ChildStdin,
}

impl Keeper {
    /// Starts one for these folders.
    pub(super) fn start(folders: &[&Path]) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", KEEPER, "neon-mcp-sandbox-keeper"])
            .args(folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C goes to a terminal's whole group, and the keeper must outlive us.
            command.process_group(0);
        }
        let mut process = command.spawn()?;
        let input = process
            .stdin
            .take()
            .ok_or_else(|| io::Error::other("the keeper has no input"))?;
        Ok(Self { process, input })
    }

    /// Tells it that nothing is left to stop, and waits until it has gone.
    pub(super) fn dismiss(mut self) {
        let _ = self.input.write_all(b"done\n");
        drop(self.input);
        let _ = self.process.wait();
    }
}

/// Stops every server whose data directory is below a folder, and waits until it is gone. Returns how many there were.
pub(super) fn stop_below(folder: &Path) -> usize {
    let mut stopped = 0;
    for data in data_directories(folder) {
        stopped += usize::from(stop_server(&data));
    }
    stopped
}

fn data_directories(folder: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let mut found = Vec::new();
    for first in below(folder) {
        for second in below(&first).into_iter().chain([first]) {
            for candidate in [second.join("data"), second] {
                if candidate.join("postmaster.pid").is_file() && !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
    }
    found
}

/// Stops the server of a data directory at once, if it still runs.
fn stop_server(data: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process, test_kill_process};
        let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
            return false;
        };
        let Some(pid) = text
            .lines()
            .next()
            .and_then(|line| line.trim().parse().ok())
            .and_then(Pid::from_raw)
        else {
            return false;
        };
        // The number may be another process's by now: the file names the data directory, and so does the process.
        if !runs_on(pid.as_raw_nonzero().get(), data) || kill_process(pid, Signal::QUIT).is_err() {
            return false;
        }
        for _ in 0..500 {
            if test_kill_process(pid).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
    #[cfg(not(unix))]
    {
        let _ = data;
        false
    }
}

/// Whether a process is a server on this data directory, as far as the system tells.
#[cfg(unix)]
fn runs_on(process: i32, data: &Path) -> bool {
    match fs::read(format!("/proc/{process}/cmdline")) {
        Ok(line) => {
            let line = String::from_utf8_lossy(&line);
            line.contains("postgres") && line.contains(&*data.to_string_lossy())
        }
        // No /proc: macOS and others.
        Err(_) => Command::new("ps")
            .args(["-o", "command=", "-p", &process.to_string()])
            .output()
            .is_ok_and(|output| {
                let line = String::from_utf8_lossy(&output.stdout);
                line.contains("postgres") && line.contains(&*data.to_string_lossy())
            }),
    }
}
