//! Stopping servers that nobody holds any more: by ourselves, and after our death by the keeper.
//!
//! The keeper is a small shell process that waits on a pipe from us: when we die, however that happens, the pipe closes, and it
//! stops every server that runs on our folders.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    time::{Duration, Instant},
};

use local_files::leftover;
use local_postgres::Owner;

/// The file of a data directory that says which process runs on it.
const PID_FILE: &str = "postmaster.pid";

/// Stops what runs below the folders that it is given, when its input ends; a line of it before that says that nothing does.
/// It looks several times: a server that was just being started writes its file a little later.
///
/// It decides as [`stop_below`] does, with what a shell has: the file is a regular one, and no larger than such a file is; its
/// first line is the number of a process; and that process is PostgreSQL's server on exactly this folder. Where `/proc` tells
/// which program runs and where, that must agree.
const KEEPER: &str = r#"
read -r line && exit 0
for round in 1 2 3 4; do
  find "$@" -maxdepth 4 -type f -name postmaster.pid -size -9 -exec /bin/sh -c '
    for file; do
      folder=${file%/postmaster.pid}
      process=$(head -n 1 "$file" | tr -d " \r")
      case "$process" in "" | 0* | 1 | *[!0-9]* | ???????????*) continue ;; esac
      if [ -r "/proc/$process/cmdline" ]; then
        program=$(tr "\0" "\n" < "/proc/$process/cmdline" | head -n 1)
        on=$(tr "\0" "\n" < "/proc/$process/cmdline" | sed -n "/^-D\$/{n;p;q;}")
        exe=$(readlink "/proc/$process/exe")
        case "$exe" in "" | */postgres | */.postgres* | */postgres" (deleted)") ;; *) continue ;; esac
        [ "$on" = "$folder" ] || continue
      else
        line=$(ps -o command= -p "$process")
        program=${line%% -D *}
        case "$line" in *" -D $folder "*) ;; *) continue ;; esac
      fi
      case "$program" in */postgres | postgres) kill -QUIT "$process" ;; esac
    done
  ' sh {} +
  sleep 0.3
done 2>/dev/null
"#;

/// The largest `postmaster.pid` that is read, in bytes: it has eight short lines, one of them a path.
pub(super) const MAX_PID_FILE_BYTES: u64 = 8 * 1024;

/// The largest command line that is read, in bytes: twice that of a server with every setting that it is given.
const MAX_COMMAND_BYTES: u64 = 64 * 1024;

/// How far below a folder a data directory can be: `data/timelines/ID/data`, and one more.
const DEEPEST: usize = 5;

/// How long a process has to end that was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process that stops servers when we can't.
#[derive(Debug)]
pub(super) struct Watchdog {
    process: Child,
    input: ChildStdin,
}

impl Watchdog {
    /// Starts one for these folders.
    pub(super) fn start(folders: &[&Path]) -> io::Result<Self> {
        // It outlives us, and needs no key for what it does.
        let mut command = local_postgres::plain("sh");
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

/// Stops every server of a sandbox whose data directory is below a folder, and waits until it is gone. Returns how many there
/// were. With `sockets`, those alone whose sockets are in that folder.
pub(super) fn stop_below(folder: &Path, owner: Option<Owner>, sockets: Option<&Path>) -> usize {
    let told: Vec<Running> = data_directories(folder)
        .into_iter()
        .filter_map(|data| Running::on(&data, owner, sockets))
        .filter(Running::stop)
        .collect();
    let began = Instant::now();
    while told.iter().any(Running::runs) && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    told.len()
}

/// The folders below one that say which process runs on them. No link is followed.
fn data_directories(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        if leftover::is_file(&folder.join(PID_FILE)) {
            found.push(folder);
            continue;
        }
        // What is in a data directory is PostgreSQL's.
        if depth == DEEPEST || leftover::is_file(&folder.join("PG_VERSION")) {
            continue;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(folders.map(|entry| (entry.path(), depth + 1)));
    }
    found
}

/// The number in the first line of a `postmaster.pid`. That of a program which works without a server, such as `initdb`, is
/// negative there, and would mean a group of processes to `kill`; `1` is the system's own.
fn process_number(file: &[u8]) -> Option<i32> {
    let line = file.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let digits = !line.is_empty() && line.len() <= 10 && line.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(line).ok()?.parse().ok()).flatten()?;
    (number > 1).then_some(number)
}

/// A server that runs on a data directory.
#[cfg(unix)]
struct Running {
    process: rustix::process::Pid,
    /// Where the system has such a thing: the process itself, whose number could be another one's at any moment.
    #[cfg(target_os = "linux")]
    itself: Option<rustix::fd::OwnedFd>,
}

#[cfg(unix)]
impl Running {
    /// The server that runs on this data directory, as its file and the system say.
    fn on(data: &Path, owner: Option<Owner>, sockets: Option<&Path>) -> Option<Self> {
        use rustix::process::Pid;
        let file = leftover::read(&data.join(PID_FILE), MAX_PID_FILE_BYTES).ok()?;
        let process = Pid::from_raw(process_number(&file)?)?;
        #[cfg(target_os = "linux")]
        let itself = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok();
        is_server(process.as_raw_nonzero().get(), data, owner, sockets).then_some(Self {
            process,
            #[cfg(target_os = "linux")]
            itself,
        })
    }

    /// Tells it to stop at once; whether that reached it.
    fn stop(&self) -> bool {
        use rustix::process::{Signal, kill_process};
        #[cfg(target_os = "linux")]
        if let Some(itself) = &self.itself {
            return rustix::process::pidfd_send_signal(itself, Signal::QUIT).is_ok();
        }
        kill_process(self.process, Signal::QUIT).is_ok()
    }

    /// Whether it still runs. One that has ended and that nobody has asked about, a zombie, doesn't.
    fn runs(&self) -> bool {
        if rustix::process::test_kill_process(self.process).is_err() {
            return false;
        }
        let stat = format!("/proc/{}/stat", self.process.as_raw_nonzero());
        let Ok(stat) = fs::read(stat) else { return true };
        // The name of the program is in parentheses and may hold anything; the state follows.
        let state = stat.rsplit(|byte| *byte == b')').next().map(<[u8]>::trim_ascii_start);
        !matches!(state.and_then(<[u8]>::first), Some(b'Z' | b'X'))
    }
}

#[cfg(not(unix))]
struct Running;

#[cfg(not(unix))]
impl Running {
    fn on(_: &Path, _: Option<Owner>, _: Option<&Path>) -> Option<Self> {
        None
    }

    fn stop(&self) -> bool {
        false
    }

    fn runs(&self) -> bool {
        false
    }
}

/// Whether a process is PostgreSQL's server on this very data directory: it was started with it, and where the system tells
/// which program it is and where it works, that agrees.
#[cfg(unix)]
fn is_server(process: i32, data: &Path, owner: Option<Owner>, sockets: Option<&Path>) -> bool {
    use std::os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _};
    let proc = PathBuf::from(format!("/proc/{process}"));
    let Ok(metadata) = fs::metadata(&proc) else {
        // No /proc: macOS and others.
        let output = local_postgres::plain("ps")
            .args(["-o", "command=", "-p", &process.to_string()])
            .output();
        return output.is_ok_and(|output| {
            let line = String::from_utf8_lossy(&output.stdout);
            let sockets = sockets.map(|folder| format!(" -c unix_socket_directories={} ", folder.display()));
            line.split_once(" -D ").is_some_and(|(program, rest)| {
                is_postgres(program.as_bytes())
                    && rest.starts_with(&format!("{} ", data.display()))
                    && sockets.is_none_or(|sockets| rest.contains(&sockets))
            })
        });
    };
    if metadata.uid() != rustix::process::geteuid().as_raw() && owner.is_none_or(|owner| owner.uid != metadata.uid()) {
        return false;
    }
    let mut line = Vec::new();
    let read =
        fs::File::open(proc.join("cmdline")).and_then(|file| file.take(MAX_COMMAND_BYTES).read_to_end(&mut line));
    if read.is_err() {
        return false;
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let folder = words
        .iter()
        .position(|word| *word == b"-D")
        .and_then(|at| words.get(at + 1));
    let on_data = folder.is_some_and(|folder| same_folder(Path::new(OsStr::from_bytes(folder)), data));
    let its_sockets = sockets.is_none_or(|sockets| {
        let mut setting = b"unix_socket_directories=".to_vec();
        setting.extend_from_slice(sockets.as_os_str().as_bytes());
        words.contains(&setting.as_slice())
    });
    // Root may be refused these of another user's process, in a container.
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let program = match fs::read_link(proc.join("exe")) {
        Ok(program) => is_postgres(program.as_os_str().as_bytes()),
        Err(error) => refused(&error),
    };
    let there = match fs::metadata(proc.join("cwd")) {
        Ok(_) => same_folder(&proc.join("cwd"), data),
        Err(error) => refused(&error),
    };
    words.first().is_some_and(|word| is_postgres(word)) && on_data && its_sockets && program && there
}

/// Whether a program is PostgreSQL's server, by its path.
#[cfg(unix)]
fn is_postgres(program: &[u8]) -> bool {
    let program = program.strip_suffix(b" (deleted)").unwrap_or(program);
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    // Nix wraps it.
    matches!(name, b"postgres" | b".postgres-wrapped")
}

/// Whether two paths are one folder.
#[cfg(unix)]
fn same_folder(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_a_process_is_one_that_a_server_can_have() {
        for (text, number) in [
            ("4711\n/data\n", Some(4711)),
            ("4711", Some(4711)),
            (" 4711 \r\n", Some(4711)),
            ("2147483647\n", Some(i32::MAX)),
            ("-4711\n", None),
            ("0\n", None),
            ("1\n", None),
            ("-1\n", None),
            ("+4711\n", None),
            ("4711 4712\n", None),
            ("2147483648\n", None),
            ("99999999999999999999\n", None),
            ("self\n", None),
            ("../1\n", None),
            ("\n4711\n", None),
            ("", None),
            ("\0", None),
        ] {
            assert_eq!(process_number(text.as_bytes()), number, "{text:?}");
        }
        assert_eq!(process_number(b"\xff\xfe1\n"), None);
    }
}
