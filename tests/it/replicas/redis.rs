//! A Redis or Valkey server of a test's own, and nginx: found on this machine, or the test says that it didn't run.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program of this machine by one of these names; in CI it must be there.
pub(super) fn program_of(names: &[&str], package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(
            std::env::var("CI").is_err(),
            "none of {names:?} is here: apt-get install {package}"
        );
        eprintln!("not tested: none of {names:?} is on this machine (apt-get install {package})");
    }
    found
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until something listens there.
pub(super) fn listens(port: u16) {
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that ends with the value.
pub(super) struct Ends(pub(super) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with a password, which keeps what it has in a file.
pub(super) struct Redis {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    server: Ends,
}

/// The password, which no output may show.
pub(super) const PASSWORD: &str = "canary-password-0123";

impl Redis {
    pub(super) fn start() -> Option<Self> {
        let program = program_of(&["valkey-server", "redis-server"], "redis-server")?;
        let folder = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let server = Self::spawn(&program, folder.path(), port);
        Some(Self {
            program,
            folder,
            port,
            server,
        })
    }

    fn spawn(program: &Path, folder: &Path, port: u16) -> Ends {
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--requirepass", PASSWORD, "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        listens(port);
        Ends(child)
    }

    /// One that speaks TLS alone, and the certificate authority to which its certificate goes back.
    pub(super) fn encrypted() -> Option<(Self, PathBuf)> {
        let program = program_of(&["valkey-server", "redis-server"], "redis-server")?;
        let folder = tempfile::tempdir().expect("a directory");
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("redis.crt"), folder.path().join("redis.key"));
        std::fs::write(&certificate, cert.pem()).expect("written");
        std::fs::write(&key, signing_key.serialize_pem()).expect("written");
        let port = free_port();
        let child = Command::new(&program)
            .args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1"])
            .args([
                "--tls-auth-clients",
                "no",
                "--save",
                "",
                "--requirepass",
                PASSWORD,
                "--dir",
            ])
            .arg(folder.path())
            .arg("--tls-cert-file")
            .arg(&certificate)
            .arg("--tls-key-file")
            .arg(&key)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let server = Ends(child);
        listens(port);
        let redis = Self {
            program,
            folder,
            port,
            server,
        };
        Some((redis, certificate))
    }

    /// Where it is, over TLS.
    pub(super) fn encrypted_url(&self) -> String {
        format!("rediss://:{PASSWORD}@localhost:{}/0", self.port)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/2", self.port)
    }

    pub(super) fn kill(&mut self) {
        self.server.0.kill().expect("killed");
        self.server.0.wait().expect("ended");
    }

    /// Starts it again, with what it had or with nothing.
    pub(super) fn revive(&mut self, empty: bool) {
        if empty {
            std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).expect("removed");
        }
        self.server = Self::spawn(&self.program, self.folder.path(), self.port);
    }
}
