//! `neon-mcp ready`: whether a server over HTTP can be given work. The image has no shell and no curl, so a container asks by this.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use http::header::HOST;
use url::Url;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What stands before the path of a socket.
const UNIX: &str = "unix:";

/// What is asked of a socket: a name must stand there, and a server on a socket answers to this one.
const ON_A_SOCKET: &str = "http://localhost/readyz";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to ask: a URL, or `unix:/PATH` for the socket of --listen
    #[arg(long, default_value = "http://127.0.0.1:7373/readyz", value_name = "URL")]
    url: Target,
    /// Under which name: with --public-url the server answers to that host alone, e.g. mcp.example.com [default: the URL's]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

/// What is asked.
#[derive(Debug, Clone)]
enum Target {
    Url(Url),
    Socket(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return Url::parse(text).map(Self::Url).map_err(|error| error.to_string());
        };
        let path = PathBuf::from(path);
        match path.is_absolute() && cfg!(unix) {
            true => Ok(Self::Socket(path)),
            false if cfg!(unix) => {
                Err("write the whole path of the socket, e.g. unix:/run/neon-mcp/http.sock".to_owned())
            }
            false => Err("sockets in the file system are for Unix: write a URL".to_owned()),
        }
    }
}

/// Exits with 1 when the server isn't ready.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // A second installation in the same process fails, and the first one serves just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE);
    let url = match arguments.url {
        Target::Url(url) => url,
        Target::Socket(path) => {
            #[cfg(unix)]
            {
                builder = builder.unix_socket(path);
            }
            #[cfg(not(unix))]
            let _ = path;
            Url::parse(ON_A_SOCKET)?
        }
    };
    let mut request = builder.build()?.get(url);
    if let Some(host) = arguments.host {
        request = request.header(HOST, host);
    }
    let answer = request
        .send()
        .await
        .context("it doesn't answer: start it with `neon-mcp http`, or name where it is with --url")?;
    match answer.status() {
        status if status.is_success() => Ok(ExitCode::SUCCESS),
        status => anyhow::bail!("it isn't ready: it answers {}", status.as_u16()),
    }
}
