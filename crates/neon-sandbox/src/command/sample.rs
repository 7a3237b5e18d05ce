//! A little data in the project that a sandbox has ready.

use anyhow::Context as _;
use tokio_postgres::{Config, NoTls};
use url::Url;

/// Two tables, as the project's owner.
const SAMPLE: &str = include_str!("sample.sql");

/// Runs it in a database.
pub(super) async fn fill(database_url: &str) -> anyhow::Result<()> {
    let url = Url::parse(database_url).context("the project's address can't be read")?;
    let (client, connection) = config(&url)
        .connect(NoTls)
        .await
        .context("the project's database can't be reached")?;
    // It ends with the client.
    let connection = tokio::spawn(connection);
    let filled = client
        .batch_execute(SAMPLE)
        .await
        .context("the project's data can't be written");
    drop(client);
    let _ = connection.await;
    filled
}

/// Where a database is, and as whom. What else stands in the address is for other clients: on loopback nothing is encrypted.
fn config(url: &Url) -> Config {
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut config = Config::new();
    config
        .host(url.host_str().unwrap_or_default())
        .port(url.port().unwrap_or(5432))
        .user(plain(url.username()))
        .password(plain(url.password().unwrap_or_default()))
        .dbname(plain(url.path().trim_start_matches('/')))
        .application_name("neon-mcp sandbox");
    config
}
