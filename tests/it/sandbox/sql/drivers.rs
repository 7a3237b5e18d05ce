//! Serves the protocol for drivers in other languages (tests/drivers/run).

use tokio::io::AsyncReadExt as _;

use super::Sql;

/// Prints where it serves, fit for `source`, until its standard input ends.
#[tokio::test]
#[ignore = "serves until its standard input ends; tests/drivers/run starts it"]
async fn serve_for_drivers() {
    let sql = Sql::start().await;
    println!("\nSQL_ENDPOINT='{}'\nDATABASE_URL='{}'\nREADY=1", sql.url, sql.uri);
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await.unwrap();
}
