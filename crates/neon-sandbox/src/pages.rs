//! Pages of a list, and the cursors between them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SortOrder {
    Asc,
    Desc,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// An item with what it is sorted by. Ids break ties, so that no item is lost between two pages.
#[derive(Debug)]
pub(crate) struct Sorted<T> {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) item: T,
}

/// The place of the last item of a page, in the list that it belongs to.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    list: String,
    key: String,
    id: String,
}

/// Sorts a list and takes the page behind the cursor.
///
/// # Errors
///
/// 400 for a cursor of another list, or none of ours.
pub(crate) fn page<T>(
    list: &str,
    mut items: Vec<Sorted<T>>,
    order: SortOrder,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<T>, ApiError> {
    items.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
    if order == SortOrder::Desc {
        items.reverse();
    }
    if let Some(cursor) = cursor {
        let last = Cursor::read(list, cursor)?;
        items.retain(|item| {
            let place = (&item.key, &item.id).cmp(&(&last.key, &last.id));
            match order {
                SortOrder::Asc => place.is_gt(),
                SortOrder::Desc => place.is_lt(),
            }
        });
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| {
        Cursor {
            list: list.to_owned(),
            key: last.key.clone(),
            id: last.id.clone(),
        }
        .write()
    });
    Ok(Page {
        items: items.into_iter().map(|sorted| sorted.item).collect(),
        next,
    })
}

/// The limit of a page, within its bounds.
///
/// # Errors
///
/// 400 when it is outside.
pub(crate) fn limit(asked: Option<i64>, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    usize::try_from(asked)
        .ok()
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| ApiError::bad_request(format!("limit must lie between 1 and {most}")))
}

impl Cursor {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(list: &str, text: &str) -> Result<Self, ApiError> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
            .filter(|cursor| cursor.list == list)
            .ok_or_else(|| ApiError::bad_request("the cursor doesn't belong to this list"))
    }
}
