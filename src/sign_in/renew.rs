//! Renewing a sign-in, alone among all processes.

use chrono::Utc;

use super::error::SignInError;
use super::file::Place;
use super::find::Reach;
use super::session::{Held, Session};
use super::tokens::Tokens;
use crate::guard::OwnKey;

/// Renews the sign-in of a file and keeps it there. Where another process did so since `seen` was read, that is taken.
///
/// It must not be cut off between the answer and the file: whoever waits for it may be, so it runs in a task of its own.
pub(super) async fn renew(place: Place, reach: Reach, seen: Session, key: OwnKey) -> Result<Session, SignInError> {
    let gone = |why: &str| SignInError::Unusable {
        path: place.path.clone(),
        why: why.to_owned(),
    };
    let _held = place.lock().await?;
    let held = place.read()?.ok_or_else(|| gone("it is gone"))?;
    reach.takes(&place, &held)?;
    let current = match held {
        Held::Session(session) => session,
        Held::ApiKey(_) => return Err(gone("there is a key in its place now")),
    };
    current.keep_out(&key);
    let access = |session: &Session| session.access().map(|token| token.expose().to_owned());
    if access(&current) != access(&seen) && current.is_good(Utc::now()) {
        return Ok(current);
    }
    let refresh = current
        .refresh()
        .ok_or_else(|| gone("its token has expired, and there is none to renew it"))?;
    place.can_be_replaced()?;
    let issuer = &reach.issuer;
    let wire = issuer.wire(key.clone())?;
    let metadata = issuer.discover(&wire).await?;
    let tokens = Tokens::of_refresh(&wire, issuer, &metadata, &refresh).await?;
    let renewed = current.renewed(&tokens, Utc::now());
    renewed.keep_out(&key);
    place.replace(&renewed)?;
    tracing::debug!("the sign-in was renewed");
    Ok(renewed)
}
