//! Lists: pages are read until there is enough, and a cursor is handed over that works.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::catalog::{Pages, Place, SelectedTool};
use crate::engine::check::bind::put;
use crate::engine::check::organizations;
use crate::engine::context::CallContext;
use crate::engine::dispatch;
use crate::engine::error::{ArgumentProblem, Failure};
use crate::guard::AllowedCall;
use crate::neon::pages::Walk;
use crate::neon::{Changed, CursorPlace, OrganizationId, PageLimit, Paging, ProjectId, Request};

/// How many items a list gives when the caller doesn't say.
const LIST_LIMIT: usize = 50;

/// The most pages of one call: an upstream that gives endless short pages ends here.
const MAX_PAGES: usize = 40;

/// More items than a list or a text that Neon gives at once holds.
const MAX_PAGE: usize = 10_000_000;

/// Where a list goes on: in which of Neon's pages, and how far into it. What `next_cursor` holds, as
/// `LIST.ITEMS.ORGANIZATION.PAGE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Position {
    /// Of which list: a digest of the tool and its arguments, so that a cursor isn't taken to another tool, project or search.
    of: String,
    /// The organization whose items they are, in a list that goes over several.
    organization: Option<OrganizationId>,
    /// Neon's cursor of the page; nothing for the first.
    page: Option<String>,
    /// How many items of that page are done.
    skip: usize,
}

/// What stands before a page that isn't written as it is.
const ENCODED: char = '!';

impl Position {
    fn start(of: &str) -> Self {
        Self {
            of: of.to_owned(),
            ..Self::default()
        }
    }

    /// The text that the agent sends back.
    pub(in crate::engine) fn encode(&self) -> String {
        let organization = self
            .organization
            .as_ref()
            .map(OrganizationId::as_str)
            .unwrap_or_default();
        let page = match &self.page {
            None => String::new(),
            Some(page) if is_token(page) => format!(".{page}"),
            Some(page) => format!(".{ENCODED}{}", URL_SAFE_NO_PAD.encode(page)),
        };
        format!("{}.{}.{organization}{page}", self.of, self.skip)
    }

    fn decode(of: &str, text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (its, skip, organization) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let page = match parts.next() {
            None => None,
            Some(page) => match page.strip_prefix(ENCODED) {
                None if !is_token(page) => return None,
                None => Some(page.to_owned()),
                Some(encoded) => Some(String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?),
            },
        };
        let organization = match organization {
            "" => None,
            id => Some(OrganizationId::parse(id).ok()?),
        };
        let clean = page.as_ref().is_none_or(|page| !page.chars().any(char::is_control));
        // No page of Neon's is that long: such a place was never handed over.
        let near = skip <= MAX_PAGE;
        (near && its == of && clean).then(|| Self {
            of: its.to_owned(),
            organization,
            page,
            skip,
        })
    }
}

/// Whether a cursor of Neon's can stand in ours as it is: most are ids or base64.
fn is_token(page: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'+' | b'/' | b'=');
    !page.is_empty() && page.bytes().all(is_plain)
}

/// The items of a list, with where each stands, so that a result can be cut anywhere and be gone on from there.
#[derive(Debug)]
pub(in crate::engine) struct List {
    /// Neon's answer around the list: the last page, with all the items in it.
    pub(in crate::engine) answer: Value,
    /// Where each item stands.
    pub(in crate::engine) positions: Vec<Position>,
    /// Where the list goes on after the last item; nothing at its end.
    pub(in crate::engine) next: Option<Position>,
    /// How many items there are in all, when the whole list was seen.
    pub(in crate::engine) total: Option<usize>,
    /// The items are lines of a text.
    pub(in crate::engine) lines: bool,
    /// There was neither list nor text: the answer is of another kind, whole.
    pub(in crate::engine) absent: bool,
    /// JSON pointer to the items in the answer.
    pub(in crate::engine) pointer: String,
}

/// Reads a list.
pub(in crate::engine) async fn read(
    call: &CallContext<'_>,
    selected: &SelectedTool,
    pages: &Pages,
    arguments: &Map<String, Value>,
    allowed: &AllowedCall,
    request: Request,
) -> Result<List, Failure> {
    let tool = selected.tool.name();
    let of = digest(tool, arguments);
    let wanted = arguments
        .get("limit")
        .and_then(Value::as_u64)
        .and_then(|limit| usize::try_from(limit).ok());
    // Neon lists the projects of one organization at a time to a personal key.
    let over = if organizations::are_wanted(&selected.tool, arguments) {
        organizations::to_look_in(call).await?
    } else {
        vec![None]
    };
    if over.is_empty() {
        call.guards.policy.check_organization(None)?;
    }
    let is_known = |at: &Position| over.is_empty() || over.contains(&at.organization);
    let mut at = match arguments.get("cursor").and_then(Value::as_str) {
        None => Position {
            organization: over.first().cloned().flatten(),
            ..Position::start(&of)
        },
        Some(text) => Position::decode(&of, text).filter(is_known).ok_or_else(|| {
            Failure::Arguments(vec![ArgumentProblem {
                argument: "cursor".into(),
                message: format!(
                    "is not a next_cursor of {tool} with these arguments: leave it out to begin at the start"
                ),
            }])
        })?,
    };
    let walking = |page: Option<&str>| paging(pages).map(|paging| Walk::new(paging, page).with_beside(&pages.beside));
    let mut walk = walking(at.page.as_deref());
    let from_start = at.page.is_none() && at.skip == 0 && over.first().is_none_or(|first| *first == at.organization);
    let mut items: Vec<Value> = Vec::new();
    let mut positions = Vec::new();
    let mut last = None;
    let mut beside = Beside::new(pages);
    for _ in 0..MAX_PAGES.saturating_add(over.len()) {
        let limit = wanted.unwrap_or(LIST_LIMIT);
        let size = pages.max.map(|max| {
            limit
                .saturating_sub(items.len())
                .saturating_add(at.skip)
                .clamp(1, max as usize)
        });
        let mut page = page(&request, pages, &at, size)?;
        if let Some(organization) = &at.organization {
            page = page.with_query_replaced("org_id", organization.as_str());
        }
        let answer = call.client.send(dispatch::page(allowed, page)?, &call.context).await?;
        let mut body = answer.body.unwrap_or_default();
        let other = other_items(pages, &body);
        let pages = other.as_ref().unwrap_or(pages);
        let has_items = body.pointer(&pages.items).is_some_and(Value::is_array);
        let next_page = match &mut walk {
            Some(walk) if has_items => walk.after(&body, size).map_err(|error| Failure::Answer {
                message: format!("Neon's list can't be followed: {error}."),
                changed: Changed::No,
            })?,
            _ => None,
        };
        if !pages.items.is_empty() && body.pointer(&pages.items).is_none() {
            // A dump in another format has no text to cut; a list that Neon pages always has its items.
            if pages.next.is_some() || !from_start {
                return Err(Failure::Answer {
                    message: format!("Neon's answer has no list at `{}`.", pages.items),
                    changed: Changed::No,
                });
            }
            return Ok(List {
                answer: body,
                positions,
                next: None,
                total: None,
                lines: false,
                absent: true,
                pointer: pages.items.clone(),
            });
        }
        // A page that was cut gave its neighbours before.
        let neighbours = beside.take(&mut body, at.skip == 0);
        let (page_items, lines) = take_items(&mut body, pages)?;
        let limit = if lines { wanted.unwrap_or(usize::MAX) } else { limit };
        let count = page_items.len();
        for (index, item) in page_items.into_iter().enumerate().skip(at.skip) {
            if items.len() == limit {
                let next = Position { skip: index, ..at };
                let body = beside.put(body);
                return Ok(finish(body, pages, items, positions, Some(next), None, lines));
            }
            if !is_admitted(call, pages, &item) {
                continue;
            }
            positions.push(Position {
                skip: index,
                ..at.clone()
            });
            items.push(item);
        }
        match next_page {
            Some(cursor) if count > 0 || neighbours > 0 => {
                at = Position {
                    page: Some(cursor),
                    skip: 0,
                    ..at
                };
                if items.len() + beside.count() >= limit {
                    let body = beside.put(body);
                    return Ok(finish(body, pages, items, positions, Some(at), None, lines));
                }
                last = Some(body);
            }
            _ if following(&over, &at.organization).is_some() => {
                at = Position {
                    organization: following(&over, &at.organization),
                    ..Position::start(&of)
                };
                walk = walking(None);
                if items.len() + beside.count() >= limit {
                    let body = beside.put(body);
                    return Ok(finish(body, pages, items, positions, Some(at), None, lines));
                }
                last = Some(body);
            }
            _ => {
                let total = from_start.then_some(items.len());
                let body = beside.put(body);
                return Ok(finish(body, pages, items, positions, None, total, lines));
            }
        }
    }
    // Short pages: what was read is handed over, and the list goes on from there.
    if let (Some(body), false) = (last, items.is_empty() && beside.count() == 0) {
        let body = beside.put(body);
        return Ok(finish(body, pages, items, positions, Some(at), None, false));
    }
    Err(Failure::Answer {
        message: format!("Neon gave {MAX_PAGES} pages without an item or an end to this list."),
        changed: Changed::No,
    })
}

/// The organization after this one, in a list that goes over several.
fn following(over: &[Option<OrganizationId>], organization: &Option<OrganizationId>) -> Option<OrganizationId> {
    let mut rest = over.iter().skip_while(|one| *one != organization);
    rest.next();
    rest.next().cloned().flatten()
}

/// The lists beside the items, put together over the pages.
struct Beside(Vec<(String, Vec<Value>)>);

impl Beside {
    fn new(pages: &Pages) -> Self {
        Self(pages.beside.iter().map(|field| (field.clone(), Vec::new())).collect())
    }

    /// Takes them out of a page, and says how many there were. They count only where the page is `new`.
    fn take(&mut self, body: &mut Value, new: bool) -> usize {
        let mut count = 0;
        for (field, list) in &mut self.0 {
            if let Some(Value::Array(values)) = body.get_mut(field.as_str()).map(Value::take) {
                count += values.len();
                list.extend(values.into_iter().filter(|_| new));
            }
        }
        count
    }

    fn count(&self) -> usize {
        self.0.iter().map(|(_, list)| list.len()).sum()
    }

    /// Puts them into the last page, where each page had its own.
    fn put(self, mut body: Value) -> Value {
        for (field, list) in self.0 {
            if let Some(place) = body.get_mut(&field) {
                *place = Value::Array(list);
            }
        }
        body
    }
}

#[allow(clippy::too_many_arguments)]
fn finish(
    mut body: Value,
    pages: &Pages,
    items: Vec<Value>,
    positions: Vec<Position>,
    next: Option<Position>,
    total: Option<usize>,
    lines: bool,
) -> List {
    if let Some(place) = body.pointer_mut(&pages.items) {
        *place = Value::Array(items);
    }
    List {
        answer: body,
        positions,
        next,
        total,
        lines,
        absent: false,
        pointer: pages.items.clone(),
    }
}

/// Where the items are in an answer of the other format.
fn other_items(pages: &Pages, body: &Value) -> Option<Pages> {
    let other = pages.other_items.as_ref()?;
    let is_other = body.pointer(&pages.items).is_none() && body.pointer(other).is_some_and(Value::is_array);
    is_other.then(|| Pages {
        items: other.clone(),
        ..pages.clone()
    })
}

/// Whether the policy lets calls see the item: of lists of projects, those that it admits.
fn is_admitted(call: &CallContext<'_>, pages: &Pages, item: &Value) -> bool {
    let id = ["id", "project_id"].iter().find_map(|key| item.get(key)?.as_str());
    let id = id.and_then(|id| ProjectId::parse(id).ok());
    pages.items != "/projects" || call.guards.policy.admits_project(id.as_ref())
}

/// The request for one page.
fn page(request: &Request, pages: &Pages, at: &Position, size: Option<usize>) -> Result<Request, Failure> {
    let mut body = request.body().cloned();
    let mut page = request.clone();
    if let (Some(place), Some(size)) = (&pages.limit, size) {
        page = put(page, &mut body, place, &Value::from(size)).map_err(Failure::Internal)?;
    }
    if let (Some(place), Some(cursor)) = (&pages.cursor, &at.page) {
        page = put(page, &mut body, place, &Value::from(cursor.as_str())).map_err(Failure::Internal)?;
    }
    Ok(match body {
        Some(body) => page.with_body(body),
        None => page,
    })
}

/// What tells lists apart: the tool and its arguments, without those that only say how much of it is wanted.
fn digest(tool: &str, arguments: &Map<String, Value>) -> String {
    let mut told: Vec<(&String, &Value)> = arguments
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor" | "detail"))
        .collect();
    told.sort_by_key(|(name, _)| *name);
    // A slip is to be noticed, nobody is kept out by it: the standard hasher without a key will do.
    let mut hasher = DefaultHasher::new();
    (tool, serde_json::to_string(&told).unwrap_or_default()).hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// How Neon pages this list, where it does.
fn paging(pages: &Pages) -> Option<Paging> {
    let name = |place: &Place| match place {
        Place::Body(pointer) => Some(pointer.trim_start_matches('/').to_owned()),
        Place::Query(name) | Place::QueryComma(name) => Some(name.clone()),
        Place::Local => None,
    };
    let cursor = pages.cursor.as_ref()?;
    let cursor = match (cursor, name(cursor)?) {
        (Place::Body(_), field) => CursorPlace::Body(field),
        (_, parameter) => CursorPlace::Query(parameter),
    };
    let limit = pages.limit.as_ref().and_then(name).zip(pages.max);
    Some(Paging {
        items: pages.items.clone(),
        next: pages.next.clone()?,
        cursor,
        limit: limit.map(|(name, max)| PageLimit {
            name,
            max,
            full_pages: pages.full_pages,
        }),
    })
}

/// Takes the items out of an answer: those of a list, or the lines of a text.
fn take_items(body: &mut Value, pages: &Pages) -> Result<(Vec<Value>, bool), Failure> {
    match body.pointer_mut(&pages.items).map(Value::take) {
        Some(Value::Array(items)) => Ok((items, false)),
        Some(Value::String(text)) => Ok((text.split_inclusive('\n').map(Value::from).collect(), true)),
        Some(Value::Null) | None => Ok((Vec::new(), false)),
        Some(_) => Err(Failure::Answer {
            message: format!("Neon's answer has no list at `{}`.", pages.items),
            changed: Changed::No,
        }),
    }
}
