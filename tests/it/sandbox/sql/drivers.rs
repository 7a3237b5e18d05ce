//! Serves the protocol for drivers in other languages (tests/drivers/run).

use std::io::Write as _;

use tokio::io::AsyncReadExt as _;

use super::Sql;

/// Prints where it serves, one a line, until its standard input ends.
#[tokio::test]
#[ignore = "serves until its standard input ends; tests/drivers/run starts it"]
async fn serve_for_drivers() {
    let sql = Sql::start().await;
    // The test harness leaves its own line unfinished.
    let place = format!("\nSQL_ENDPOINT={}\nDATABASE_URL={}\nREADY=1\n", sql.url, sql.uri);
    std::io::stdout().write_all(place.as_bytes()).unwrap();
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await.unwrap();
}
