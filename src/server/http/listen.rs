//! Where a server listens: an address, or a socket in the file system that only this user reaches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use tokio::net::{TcpListener, TcpStream};

use super::socket_mode::SocketMode;

/// What stands before the path of a socket.
const UNIX: &str = "unix:";

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On an address; port 0 takes a free one.
    Address(SocketAddr),
    /// On a socket in the file system, which this user alone can open, and whoever the operator says.
    Unix(PathBuf),
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The operating system said no.
    #[error("can't listen on {address}: {source}{}", next(source))]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A socket in the file system can't be made.
    #[error("can't listen on unix:{path}: {reason}", path = .path.display())]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// What to do about it, where that can be said.
fn next(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "; stop what listens there, or give another address (port 0 takes a free one)",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 are for root: give a higher one",
        std::io::ErrorKind::AddrNotAvailable => "; the address is none of this machine's",
        _ => "",
    }
}

impl Listen {
    /// Whether only programs of this machine reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Its name in the names of files: letters, digits, dots and dashes.
    pub(super) fn file_name(&self) -> String {
        match self {
            Self::Address(address) => format!("{}-{}", address.ip(), address.port()).replace(':', "_"),
            Self::Unix(path) => {
                let kept = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
                let path: String = path.to_string_lossy().chars().map(kept).collect();
                format!("unix{path}")
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let path = PathBuf::from(path);
            return match path.is_absolute() && path.file_name().is_some() {
                true if cfg!(unix) => Ok(Self::Unix(path)),
                true => Err("sockets in the file system are for Unix: write an address and a port".to_owned()),
                false => Err("write the whole path of the socket, e.g. unix:/run/neon-mcp/http.sock".to_owned()),
            };
        }
        text.parse().map(Self::Address).map_err(|_| {
            "write an address and a port, e.g. 127.0.0.1:7373 or [::1]:7373 (port 0 takes a free one), or unix:/PATH"
                .to_owned()
        })
    }
}

/// What listens.
#[derive(Debug)]
pub(super) enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a socket, whose file is removed when this goes out of scope.
    #[cfg(unix)]
    Unix {
        listener: tokio::net::UnixListener,
        _file: unix::SocketFile,
    },
}

/// A connection that came.
#[derive(Debug)]
pub(super) enum Stream {
    /// From an address.
    Tcp(TcpStream),
    /// From a program of this machine, which has none.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

/// The address of whoever comes by a socket.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Listener {
    /// Listens, and says where.
    ///
    /// # Errors
    /// When the address is taken, or the socket can't be made where nobody else can change it.
    pub(super) async fn bind(listen: Listen, mode: SocketMode) -> Result<(Self, Listen), BindError> {
        match listen {
            Listen::Address(address) => {
                let listen = |source| BindError::Address { address, source };
                let listener = TcpListener::bind(address).await.map_err(listen)?;
                let address = listener.local_addr().map_err(listen)?;
                Ok((Self::Tcp(listener), Listen::Address(address)))
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (listener, _file) = unix::bind(&path, mode)?;
                Ok((Self::Unix { listener, _file }, Listen::Unix(path)))
            }
            #[cfg(not(unix))]
            Listen::Unix(path) => {
                let _ = mode;
                Err(BindError::Socket {
                    path,
                    reason: "this system has no such sockets".to_owned(),
                })
            }
        }
    }

    /// The next connection, and from where it comes.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub(super) async fn accept(&self) -> std::io::Result<(Stream, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Without this each event took 40 ms: the kernel held it back for an acknowledgement.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), peer.ip().to_canonical()))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), NO_ADDRESS))
            }
        }
    }
}

impl Listener {
    /// Listens no more, and gives the connections that the operating system made already: whoever has one may have sent its request.
    pub(super) fn rest(self) -> Vec<(Stream, IpAddr)> {
        let mut rest = Vec::new();
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return rest };
                while let Ok((stream, peer)) = listener.accept() {
                    let stream = match stream.set_nonblocking(true) {
                        Ok(()) => TcpStream::from_std(stream),
                        Err(error) => Err(error),
                    };
                    let peer = peer.ip().to_canonical();
                    rest.extend(stream.into_iter().map(|stream| (Stream::Tcp(stream), peer)));
                }
            }
            #[cfg(unix)]
            Self::Unix { listener, _file } => {
                let Ok(listener) = listener.into_std() else { return rest };
                while let Ok((stream, _)) = listener.accept() {
                    let stream = match stream.set_nonblocking(true) {
                        Ok(()) => tokio::net::UnixStream::from_std(stream),
                        Err(error) => Err(error),
                    };
                    rest.extend(stream.into_iter().map(|stream| (Stream::Unix(stream), NO_ADDRESS)));
                }
            }
        }
        rest
    }
}

impl Stream {
    /// Whether it came by a socket in the file system.
    pub(super) fn is_by_socket(&self) -> bool {
        !matches!(self, Self::Tcp(_))
    }

    /// Sends what fits at once, of what nobody waits for.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
        };
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, Permissions};
    use std::io::ErrorKind;
    use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};

    use local_files::in_a_shell;
    use tokio::net::UnixListener;

    use super::{BindError, SocketMode};

    /// What others than the owner may write.
    const BY_OTHERS: u32 = 0o022;

    /// The file of a socket.
    #[derive(Debug)]
    pub(in crate::server::http) struct SocketFile {
        path: PathBuf,
        /// Device and inode: another process may have put its own in the place.
        is: (u64, u64),
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.is) {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    /// Listens on a socket there.
    pub(super) fn bind(path: &Path, mode: SocketMode) -> Result<(UnixListener, SocketFile), BindError> {
        let no = |reason: String| BindError::Socket {
            path: path.to_owned(),
            reason,
        };
        let system = |error: std::io::Error| no(error.to_string());
        let folder = path.parent().ok_or_else(|| no("it is in no directory".to_owned()))?;
        own(folder, mode).map_err(no)?;
        make_room(path).map_err(no)?;
        // It is made where nobody else looks in, and comes to its place with its mode.
        let aside = tempfile::Builder::new()
            .prefix(".")
            .tempdir_in(folder)
            .map_err(system)?;
        let made = aside.path().join("s");
        let listener = UnixListener::bind(&made).map_err(system)?;
        fs::set_permissions(&made, Permissions::from_mode(mode.of_socket())).map_err(system)?;
        let found = fs::symlink_metadata(&made).map_err(system)?;
        fs::rename(&made, path).map_err(system)?;
        let file = SocketFile {
            path: path.to_owned(),
            is: (found.dev(), found.ino()),
        };
        Ok((listener, file))
    }

    /// Makes the directory, or sees to it that nobody else can put a socket of their own there.
    fn own(folder: &Path, mode: SocketMode) -> Result<(), String> {
        let found = match fs::metadata(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = DirBuilder::new()
                    .recursive(true)
                    .mode(mode.of_directory())
                    .create(folder);
                return made.map_err(|error| format!("{} can't be made: {error}", folder.display()));
            }
            found => found.map_err(|error| format!("{}: {error}", folder.display()))?,
        };
        let own = rustix::process::geteuid().as_raw();
        if found.uid() != own && found.uid() != 0 {
            return Err(format!(
                "its directory belongs to another user (uid {}): name one of your own",
                found.uid()
            ));
        }
        match found.mode() & BY_OTHERS {
            // Nor the directory itself, with what is in it.
            0 => crate::guard::check_trusted_directory(folder).map_err(|error| error.to_string()),
            _ => Err(format!(
                "others can write its directory, and put a socket of their own in its place: run `chmod go-w {}`, or name a directory that isn't there yet",
                in_a_shell(&folder.to_string_lossy())
            )),
        }
    }

    /// Sees to it that nobody listens there and nothing else is there. A socket that a dead process left is replaced.
    fn make_room(path: &Path) -> Result<(), String> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
            Ok(found) if found.file_type().is_socket() => {}
            Ok(_) => return Err("something is there that is no socket".to_owned()),
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
            Ok(_) => Err("another process listens there".to_owned()),
            Err(error) => Err(format!("another process may listen there: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_an_address_or_the_whole_path_of_a_socket() {
        assert_eq!(
            "127.0.0.1:7373".parse(),
            Ok(Listen::Address(([127, 0, 0, 1], 7373).into()))
        );
        for wrong in ["", "7373", "localhost:7373", "unix:", "unix:http.sock", "unix:/"] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
        for (text, is_local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().is_local(), is_local, "{text}");
        }
    }

    #[cfg(unix)]
    mod sockets {
        use std::fs;
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        use std::path::Path;

        use super::*;

        async fn bind(path: &Path) -> Result<(Listener, Listen), BindError> {
            Listener::bind(Listen::Unix(path.to_owned()), SocketMode::Owner).await
        }

        async fn why(path: &Path) -> String {
            let bound = bind(path).await;
            bound.err().map(|error| error.to_string()).unwrap_or_default()
        }

        fn mode(path: &Path) -> u32 {
            fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[tokio::test]
        async fn socket_is_its_owners_alone_and_gone_at_the_end() {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("own/http.sock");
            let bound = bind(&path).await.unwrap();
            assert_eq!((mode(&path), mode(&home.path().join("own"))), (0o600, 0o700));
            assert!(why(&path).await.contains("another process listens there"));
            drop(bound);
            assert!(!path.exists());
            let left: Vec<_> = fs::read_dir(home.path().join("own")).unwrap().collect();
            assert!(left.is_empty(), "{left:?}");
        }

        #[tokio::test]
        async fn socket_that_a_dead_process_left_is_replaced_and_nothing_else_is() {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("http.sock");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
            drop(bind(&path).await.unwrap());
            fs::write(&path, "a file").unwrap();
            assert!(why(&path).await.contains("no socket"));
            assert_eq!(fs::read(&path).unwrap(), b"a file");
        }

        #[tokio::test]
        async fn socket_is_not_made_where_others_can_put_theirs() {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("http.sock");
            for wrong in [0o777, 0o770, 0o1777] {
                fs::set_permissions(home.path(), fs::Permissions::from_mode(wrong)).unwrap();
                assert!(why(&path).await.contains("chmod go-w"), "{wrong:o}");
            }
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
            drop(bind(&path).await.unwrap());
            // Nor where they can move the directory that it is in.
            let within = home.path().join("within");
            fs::create_dir(&within).unwrap();
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
            assert!(why(&within.join("http.sock")).await.contains("chmod go-w"));
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o1777)).unwrap();
            drop(bind(&within.join("http.sock")).await.unwrap());
        }

        #[tokio::test]
        async fn socket_that_another_put_there_stays_at_the_end() {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("http.sock");
            let bound = bind(&path).await.unwrap();
            fs::remove_file(&path).unwrap();
            let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
            drop(bound);
            assert!(path.exists());
            drop(other);
        }
    }
}
