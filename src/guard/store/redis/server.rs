//! Redis for the tests of the store: a server of their own on a free port, found on this machine or named.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::RedisStore;
use super::options::RedisOptions;
use crate::guard::Sealer;
use crate::guard::store::StoreAddress;

/// A Redis server that ends with the value.
pub(in crate::guard) struct TestRedis {
    url: String,
    child: Option<(Child, tempfile::TempDir)>,
    port: u16,
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The server's program, where there is one.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["valkey-server", "redis-server"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

impl TestRedis {
    /// A server; nothing where this machine has none, which in CI is a failure.
    pub(in crate::guard) fn start() -> Option<Self> {
        if let Some(url) = std::env::var("NEON_MCP_TEST_REDIS").ok().filter(|url| !url.is_empty()) {
            return Some(Self {
                url,
                child: None,
                port: 0,
            });
        }
        let Some(program) = program() else {
            assert!(
                std::env::var("CI").is_err(),
                "neither valkey-server nor redis-server is on this machine: apt-get install redis-server"
            );
            eprintln!("not tested over Redis: neither valkey-server nor redis-server is on this machine");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = Self::spawn(&program, &folder, port);
        Some(Self {
            url: format!("redis://127.0.0.1:{port}/0"),
            child: Some((child, folder)),
            port,
        })
    }

    fn spawn(program: &std::path::Path, folder: &tempfile::TempDir, port: u16) -> Child {
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    }

    /// Kills the server. False where it isn't ours.
    pub(in crate::guard) fn kill(&mut self) -> bool {
        let Some((child, _)) = &mut self.child else {
            return false;
        };
        child.kill().unwrap();
        child.wait().unwrap();
        true
    }

    /// Starts it again, with what it had or with nothing.
    pub(in crate::guard) fn revive(&mut self, empty: bool) {
        let Some((child, folder)) = &mut self.child else { return };
        if empty {
            let _ = std::fs::remove_dir_all(folder.path().join("appendonlydir"));
        }
        *child = Self::spawn(&program().unwrap(), folder, self.port);
    }

    /// What this replica sees of the store, under a prefix of the test's own.
    pub(in crate::guard) fn replica(&self, prefix: &str, key: u8, settles: Duration) -> RedisStore {
        Self::replica_at(&self.url, prefix, key, settles)
    }

    /// The same for a user of the store's own.
    pub(in crate::guard) fn replica_as(&self, user: &str, prefix: &str, key: u8, settles: Duration) -> RedisStore {
        Self::replica_at(
            &self.url.replacen("redis://", &format!("redis://{user}@"), 1),
            prefix,
            key,
            settles,
        )
    }

    fn replica_at(url: &str, prefix: &str, key: u8, settles: Duration) -> RedisStore {
        let Ok(StoreAddress::Redis(address)) = StoreAddress::parse(url) else {
            panic!("{url}");
        };
        let mut options = RedisOptions::new(address);
        options.prefix = prefix.to_owned();
        options.settles = settles;
        RedisStore::open(options, Sealer::shared(&[key; 32]).unwrap()).unwrap()
    }

    /// Everything that the store holds, as text.
    pub(in crate::guard) fn dump(&self) -> String {
        let mut connection = redis::Client::open(self.url.as_str())
            .unwrap()
            .get_connection()
            .unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let mut text = String::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
            let value: redis::Value = match kind.as_str() {
                "hash" => redis::cmd("HGETALL").arg(&key).query(&mut connection).unwrap(),
                "zset" => redis::cmd("ZRANGE")
                    .arg(&key)
                    .arg(0)
                    .arg(-1)
                    .query(&mut connection)
                    .unwrap(),
                _ => redis::cmd("GET").arg(&key).query(&mut connection).unwrap(),
            };
            assert!(left > 0, "{key} never expires");
            text.push_str(&format!("{key} {value:?}\n"));
        }
        text
    }

    /// Runs a command on the server, as somebody would who may write there.
    pub(in crate::guard) fn command(&self, words: &[&str]) -> redis::Value {
        let mut connection = redis::Client::open(self.url.as_str())
            .unwrap()
            .get_connection()
            .unwrap();
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        command.query(&mut connection).unwrap()
    }
}
