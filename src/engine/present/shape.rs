//! From Neon's answer to what the agent gets: masked, reduced to what is used next, cut at an item's edge.

use serde_json::{Map, Value, json};

use crate::catalog::{Keep, Tool, type_of_field};
use crate::engine::Service;
use crate::engine::check::time::Reference;
use crate::engine::present::list::List;
use crate::engine::present::untrusted::Fence;
use crate::engine::present::{done, figures};
use crate::engine::wait::Waited;
use crate::engine::workflow_output::WorkflowOutput;
use crate::guard;

/// Where a call ran: the argument, and where an answer says it that made the thing.
const PLACES: [(&str, &str); 2] = [("project_id", "/project/id"), ("branch_id", "/branch/id")];

/// In which organization the things of a list are, where the call names it.
const ORGANIZATION: &str = "org_id";

/// Room for a note and a cursor that a cut adds to a result, in bytes.
pub(in crate::engine) const CUT_ROOM: usize = 800;

/// What a result is made of.
pub(in crate::engine) struct Shaping<'a> {
    pub(in crate::engine) service: Service,
    pub(in crate::engine) tool: &'a Tool,
    pub(in crate::engine) arguments: &'a Map<String, Value>,
    /// The same as the caller wrote them.
    pub(in crate::engine) said: &'a Map<String, Value>,
    /// What durations in the arguments count from.
    pub(in crate::engine) times: Reference,
    pub(in crate::engine) most_bytes: usize,
    /// What stands around texts of others.
    pub(in crate::engine) fence: &'a Fence,
}

/// What a result says beside Neon's answer.
#[derive(Debug, Default)]
pub(in crate::engine) struct Extras {
    /// Who approved, where somebody had to.
    pub(in crate::engine) approved_by: Option<&'static str>,
    /// Who approved it, where that is another than the caller.
    pub(in crate::engine) approver: Option<String>,
    /// The copy that was made first.
    pub(in crate::engine) safety_copy: Option<Value>,
    /// The way back.
    pub(in crate::engine) undo: Option<Value>,
    /// What is so now.
    pub(in crate::engine) state: Option<Value>,
    /// What was changed, as a sentence.
    pub(in crate::engine) changes: Option<String>,
    /// Whose password the result holds.
    pub(in crate::engine) password_of: Option<Value>,
}

impl Shaping<'_> {
    /// The result of a call whose answer is one thing.
    pub(in crate::engine) fn single(&self, mut answer: Option<Value>, waited: Option<Waited>, extras: Extras) -> Value {
        let mut notes = Vec::new();
        // Only what Neon itself left empty is "done": an answer of which nothing is kept says that the call ran.
        let empty = answer
            .as_ref()
            .is_none_or(|answer| answer.is_null() || answer.as_object().is_some_and(Map::is_empty));
        let output = &self.tool.declaration.output;
        let whole = answer.clone().unwrap_or_default();
        let fill = |template: &String| done::filled(template, self.arguments, &whole, self.fence);
        if let Some(answer) = &mut answer {
            if waited.as_ref().is_some_and(|waited| waited.done) {
                forget_states(answer);
            }
            self.reduce(answer, true);
            if let (true, Some(fields)) = (self.is_reduced(), answer.as_object_mut()) {
                self.forget_owners(fields.values_mut());
            }
            self.enclose(answer);
            notes.extend(crate::engine::present::dotenv::rewrite(
                self.tool,
                self.arguments,
                answer,
            ));
        }
        let done = output.done.as_ref().map(|done| done.of(self.arguments));
        let said = match empty {
            true => output
                .gone
                .as_ref()
                .or(done.as_ref())
                .map_or_else(|| "Done.".to_owned(), fill),
            false => done.as_ref().map(fill).unwrap_or_default(),
        };
        let mut envelope = self.envelope(&whole, answer.as_ref());
        if !said.is_empty() {
            let said: Vec<String> = [said].into_iter().chain(extras.changes).collect();
            envelope.insert("done".into(), said.join(" ").into());
        }
        if let Some(mut answer) = answer.filter(|_| !empty) {
            if let Some(object) = answer.as_object_mut() {
                let also = output.also.iter();
                object.extend(also.map(|(name, template)| (name.clone(), fill(template).into())));
            }
            envelope.insert("result".into(), answer);
        }
        envelope.extend(extras.state.map(|state| ("state".to_owned(), state)));
        if let Some(of) = extras.password_of {
            envelope.insert("password_of".into(), of);
            notes.push("run_sql needs no password: give this to nobody who doesn't need it.".to_owned());
        }
        self.add_work(&mut envelope, &mut notes, waited);
        envelope.extend(extras.approved_by.map(|by| ("approved_by".to_owned(), by.into())));
        envelope.extend(extras.approver.map(|who| ("approver".to_owned(), who.into())));
        envelope.extend(extras.safety_copy.map(|mut copy| {
            self.fence.enclose_copy(&mut copy);
            ("safety_copy".to_owned(), copy)
        }));
        envelope.extend(extras.undo.map(|mut undo| {
            guard::mask(&mut undo, &[], &[]);
            self.fence.enclose_undo(&mut undo);
            ("undo".to_owned(), undo)
        }));
        let mut value = finish(envelope, notes);
        let cuts = cut(&mut value, self.most_bytes, self.fence);
        if !cuts.is_empty()
            && let Some(object) = value.as_object_mut()
        {
            let note = format!(
                "The result was larger than {} bytes and was cut: {}.",
                self.most_bytes,
                cuts.join("; ")
            );
            let notes = object.entry("notes").or_insert_with(|| json!([]));
            if let Some(notes) = notes.as_array_mut() {
                notes.push(note.into());
            }
        }
        value
    }

    /// The result of a workflow.
    pub(in crate::engine) fn workflow(
        &self,
        ended: WorkflowOutput,
        (approved_by, approver): (Option<&'static str>, Option<String>),
        safety_copy: Option<Value>,
    ) -> Value {
        let WorkflowOutput {
            mut result,
            mut notes,
            undo,
            ours,
            failed,
            ..
        } = ended;
        let mut envelope = self.envelope(&Value::Null, Some(&result));
        let output = &self.tool.declaration.output;
        if let (Some(said), false) = (&output.done, failed) {
            let said = done::filled(&said.of(self.arguments), self.arguments, &result, self.fence);
            envelope.insert("done".into(), said.into());
        }
        guard::mask(&mut result, &output.mask, &output.reveal);
        self.fence.enclose_answer(&mut result, &[], &output.reveal, &|text| {
            ours.iter().any(|own| own == text)
        });
        match result {
            Value::Object(fields) if output.flat => envelope.extend(fields),
            result => {
                envelope.insert("result".into(), result);
            }
        }
        if self.tool.declaration.safety.hands_over_a_secret(self.arguments) {
            notes.push("This result holds a secret: don't repeat it where others can read it.".into());
        }
        envelope.extend(approved_by.map(|by| ("approved_by".to_owned(), by.into())));
        envelope.extend(approver.map(|who| ("approver".to_owned(), who.into())));
        envelope.extend(safety_copy.map(|copy| ("safety_copy".to_owned(), copy)));
        envelope.extend(undo.map(|mut undo| {
            guard::mask(&mut undo, &[], &[]);
            self.fence
                .enclose_undo_but(&mut undo, &|text| ours.iter().any(|own| own == text));
            ("undo".to_owned(), undo)
        }));
        if !notes.is_empty() {
            envelope.insert("notes".into(), json!(notes));
        }
        let mut value = Value::Object(envelope);
        let cuts = cut(&mut value, self.most_bytes, self.fence);
        if let (false, Some(object)) = (cuts.is_empty(), value.as_object_mut()) {
            object.insert("cut".into(), json!(cuts));
        }
        value
    }

    /// The result of a call whose answer is a list.
    pub(in crate::engine) fn list(&self, list: List) -> Value {
        let List {
            mut answer,
            positions,
            next,
            total,
            lines,
            absent,
            pointer,
        } = list;
        if absent {
            return self.single(Some(answer), None, Extras::default());
        }
        let mut envelope = self.envelope(&answer, None);
        self.reduce(&mut answer, !lines);
        // A text is fenced as one, not line by line.
        if !lines {
            self.enclose(&mut answer);
        }
        let wrap = self.tool.declaration.output.wrap.as_deref();
        let mut items = match answer.pointer_mut(&pointer).map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        if self.is_reduced() {
            self.forget_owners(items.iter_mut());
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                let organization = item.get(ORGANIZATION).and_then(Value::as_str);
                if organization.is_some_and(|id| self.is_said(ORGANIZATION, id)) {
                    item.shift_remove(ORGANIZATION);
                }
                // One of them is: the others needn't say that they aren't.
                item.retain(|name, value| !(matches!(name.as_str(), "default" | "is_default") && *value == false));
            }
        }
        if lines {
            // What stands beside the text is somebody's, too.
            self.enclose(&mut answer);
        }
        // The cursor that Neon gave is part of ours.
        if let Some(object) = answer.as_object_mut() {
            object.shift_remove("pagination");
            object.shift_remove("next_cursor");
            if self
                .tool
                .declaration
                .output
                .pages
                .as_ref()
                .is_some_and(|pages| pages.next.is_some())
            {
                object.shift_remove("is_truncated");
            }
        }
        let size = |value: &Value| serde_json::to_string(value).map_or(0, |text| text.len());
        let mut notes = Vec::new();
        if size(&answer) > self.most_bytes / 2 {
            // The lists beside the items have no cursor of their own.
            notes.extend(
                cut(&mut answer, self.most_bytes / 2, self.fence)
                    .into_iter()
                    .map(|cut| format!("Cut: {cut}. A smaller limit shows them all.")),
            );
        }
        let room = self
            .most_bytes
            .saturating_sub(size(&answer) + size(&Value::Object(envelope.clone())) + CUT_ROOM + self.fence.bytes());
        let mut used = 0;
        let fits = items
            .iter()
            .take_while(|item| {
                used += size(item) + 1;
                used <= room
            })
            .count();
        let mut kept: Vec<Value> = items;
        let mut next = next;
        if fits < kept.len() {
            // One item that is too large by itself is cut inside, or the list could never go on.
            let count = fits.max(1);
            next = positions.get(count).cloned().or(next);
            notes.push(format!(
                "Cut after {count} of the items read: more than {} bytes. Call again with next_cursor for the rest.",
                self.most_bytes
            ));
            kept.truncate(count);
            if fits == 0
                && let Some(only) = kept.first_mut()
            {
                notes.extend(cut(only, room, self.fence));
            }
        }
        let mut page = Map::new();
        // Where all of them are here, one number says both.
        if total != Some(kept.len()) {
            page.insert("returned".into(), kept.len().into());
        }
        if let Some(total) = total {
            page.insert("total".into(), total.into());
        }
        if let Some(next) = &next {
            page.insert("next_cursor".into(), self.times.mark(next.encode()).into());
        }
        let content = if lines {
            let text: String = kept.iter().filter_map(Value::as_str).collect();
            Value::String(self.fence.quote(&text))
        } else {
            Value::Array(kept)
        };
        match (wrap, answer.pointer_mut(&pointer)) {
            (Some(name), _) => answer = json!({name: content}),
            (None, Some(place)) => *place = content,
            (None, None) => {}
        }
        envelope.insert("result".into(), answer);
        envelope.insert("page".into(), Value::Object(page));
        finish(envelope, notes)
    }

    /// Where the call ran, as far as neither the caller wrote that id nor what it is shown of the answer has it.
    pub(in crate::engine) fn envelope(&self, answer: &Value, shown: Option<&Value>) -> Map<String, Value> {
        let mut envelope = Map::new();
        self.service.stamp(&mut envelope);
        for (name, pointer) in PLACES {
            let given = self.arguments.get(name);
            let Some(id) = given.or_else(|| answer.pointer(pointer)).and_then(Value::as_str) else {
                continue;
            };
            let own = format!("/{name}");
            let is_shown = [pointer, &own].iter().any(|place| {
                let shown = shown.and_then(|shown| shown.pointer(place));
                shown.and_then(Value::as_str) == Some(id)
            });
            if !self.is_said(name, id) && !is_shown {
                envelope.insert(name.into(), self.fence.quote(id).into());
            }
        }
        envelope
    }

    /// Whether the caller wrote this id itself.
    fn is_said(&self, argument: &str, id: &str) -> bool {
        self.said.get(argument).and_then(Value::as_str) == Some(id)
    }

    /// Whether an agent gets a part of the answer: `detail: full` gives all of it, as Neon has it.
    fn is_reduced(&self) -> bool {
        self.arguments.get("detail").and_then(Value::as_str) != Some("full")
    }

    /// Drops from things what they belong to, where the call is about that: the caller wrote it, or it stands once above them.
    fn forget_owners<'v>(&self, things: impl Iterator<Item = &'v mut Value>) {
        for thing in things.filter_map(Value::as_object_mut) {
            for (name, _) in PLACES {
                let given = self.arguments.get(name).and_then(Value::as_str);
                if given.is_some() && thing.get(name).and_then(Value::as_str) == given {
                    thing.shift_remove(name);
                }
            }
        }
    }

    /// Masks, and keeps what is used next.
    fn reduce(&self, answer: &mut Value, project: bool) {
        let output = &self.tool.declaration.output;
        guard::mask(answer, &output.mask, &output.reveal);
        if output.keep.is_some() {
            forget_nulls(answer);
        }
        let full = !self.is_reduced();
        if let (Some(place), Some(pages), false) = (&output.figures, &output.pages, full) {
            if let Some(items) = answer.pointer_mut(&pages.items) {
                figures::as_rows(items, place);
            }
        } else if let (Some(keep), false, true) = (&output.keep, full, project) {
            *answer = kept(answer, keep).unwrap_or_else(|| json!({}));
        } else if let (Some(object), false) = (answer.as_object_mut(), full) {
            // The operations are reported by themselves.
            if self.tool.declaration.output.waits {
                object.shift_remove("operations");
            }
        }
        if !full {
            shorten_times(answer);
            forget_sameness(answer);
            if output.keep.is_some() {
                forget_nothings(answer);
            }
        }
    }

    /// Fences what of an answer could say something.
    fn enclose(&self, answer: &mut Value) {
        let output = &self.tool.declaration.output;
        self.fence
            .enclose_answer(answer, &output.fixed, &output.reveal, &|_| false);
    }

    fn add_work(&self, envelope: &mut Map<String, Value>, notes: &mut Vec<String>, waited: Option<Waited>) {
        if let Some(waited) = waited {
            // Neon's own words about a failure may quote a secret.
            notes.extend(waited.note.map(|note| guard::mask_text(&note)));
            let mut operations = Value::Array(waited.operations);
            guard::mask(&mut operations, &[], &[]);
            self.fence.enclose(&mut operations);
            if operations.as_array().is_some_and(|operations| !operations.is_empty()) {
                envelope.insert("operations".into(), operations);
            }
        }
        if self.tool.declaration.safety.hands_over_a_secret(self.arguments) {
            notes.push("This result holds a secret: don't repeat it where others can read it.".into());
        }
    }
}

/// The id of Neon's request isn't told: it is in the log of calls, and in errors, where somebody may ask Neon about it.
pub(in crate::engine) fn finish(mut envelope: Map<String, Value>, notes: Vec<String>) -> Value {
    if !notes.is_empty() {
        envelope.insert("notes".into(), json!(notes));
    }
    Value::Object(envelope)
}

/// The part of a value that is kept. Lists are looked through.
fn kept(value: &Value, keep: &Keep) -> Option<Value> {
    if let Value::Array(items) = value {
        return Some(
            items
                .iter()
                .map(|item| kept(item, keep).unwrap_or(Value::Null))
                .collect(),
        );
    }
    match keep {
        Keep::All(_) => Some(value.clone()),
        Keep::Fields(fields) => {
            let object = value.as_object()?;
            let part = fields
                .iter()
                .filter_map(|field| Some((field.clone(), object.get(field)?.clone())));
            Some(Value::Object(part.collect()))
        }
        Keep::Tree(tree) => {
            let object = value.as_object()?;
            let part = object
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), kept(value, tree.get(field)?)?)));
            Some(Value::Object(part.collect()))
        }
    }
}

/// Drops the nulls of fields that are never null by Neon's own word: a client that checks results would refuse the whole.
fn forget_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, value| !value.is_null() || type_of_field(name).is_none());
            object.values_mut().for_each(forget_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_nulls),
        _ => {}
    }
}

/// Drops when a thing was changed last that was never changed.
fn forget_sameness(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("updated_at").is_some() && object.get("updated_at") == object.get("created_at") {
                object.shift_remove("updated_at");
            }
            object.values_mut().for_each(forget_sameness);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_sameness),
        _ => {}
    }
}

/// Drops what says nothing: nulls, and objects with nothing in them.
fn forget_nothings(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(forget_nothings);
            object.retain(|_, value| !value.is_null() && !value.as_object().is_some_and(Map::is_empty));
        }
        Value::Array(items) => items.iter_mut().for_each(forget_nothings),
        _ => {}
    }
}

/// Times that nobody reads to the thousandth of a second. Others are places in a branch's history or in a log, and stay exact.
fn is_rough_time(name: &str) -> bool {
    ["_at", "_until", "last_active"].iter().any(|end| name.ends_with(end))
}

/// Writes such times to the second.
fn shorten_times(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(text) if is_rough_time(name) => {
                        if let Some(short) = to_the_second(text) {
                            *text = short;
                        }
                    }
                    other => shorten_times(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_times),
        _ => {}
    }
}

/// A time without the fraction of its second; nothing where it has none, or is no time.
fn to_the_second(text: &str) -> Option<String> {
    const SECONDS: usize = "2026-01-31T10:00:00".len();
    chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let (time, rest) = text.split_at_checked(SECONDS)?;
    let offset = rest.strip_prefix('.')?.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(format!("{time}{offset}"))
}

/// Drops what an answer said about states before its operations ran: they have ended since.
fn forget_states(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.shift_remove("current_state");
            object.shift_remove("pending_state");
            object.values_mut().for_each(forget_states);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_states),
        _ => {}
    }
}

/// Cuts the longest texts and lists until the value fits, and says what was cut.
fn cut(value: &mut Value, most: usize, fence: &Fence) -> Vec<String> {
    let mut cuts = Vec::new();
    let most = most.saturating_sub(CUT_ROOM);
    for _ in 0..8 {
        let size = serde_json::to_string(value).map_or(0, |text| text.len());
        if size <= most {
            break;
        }
        let mut largest = (0, String::new());
        find_largest(value, &mut String::new(), &mut largest);
        let (weight, pointer) = largest;
        let Some(place) = value.pointer_mut(&pointer) else {
            break;
        };
        let keep = weight.saturating_sub(size - most);
        match place {
            Value::String(text) => {
                // Escapes make the JSON longer than the text: keep in proportion.
                let end = (text.len() as u128 * keep as u128 / weight.max(1) as u128) as usize;
                let whole = text.len();
                let end = fence.shorten(text, end);
                cuts.push(format!("{pointer} after {end} of {whole} bytes"));
            }
            Value::Array(items) => {
                let whole = items.len();
                let mut used = 0;
                let fits = items
                    .iter()
                    .take_while(|item| {
                        used += serde_json::to_string(item).map_or(0, |text| text.len()) + 1;
                        used < keep
                    })
                    .count();
                cuts.push(format!("{pointer} after {fits} of {whole} items"));
                items.truncate(fits);
            }
            _ => break,
        }
    }
    cuts
}

/// The text or list with the longest JSON that holds no longer part of its own kind: what a cut takes from.
fn find_largest(value: &Value, path: &mut String, largest: &mut (usize, String)) {
    let size = || serde_json::to_string(value).map_or(0, |text| text.len());
    match value {
        Value::String(_) | Value::Array(_) => {
            let size = size();
            if size > largest.0 {
                *largest = (size, path.clone());
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                let length = path.len();
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                find_largest(value, path, largest);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_of_lists_and_objects() {
        let value = json!({"branches": [{"id": 1, "x": 2}, {"id": 3}], "extra": {"a": {"b": 1, "c": 2}}, "gone": 1});
        let keep: Keep = serde_json::from_value(json!({"branches": ["id"], "extra": {"a": ["c"]}})).unwrap();
        assert_eq!(
            kept(&value, &keep),
            Some(json!({"branches": [{"id": 1}, {"id": 3}], "extra": {"a": {"c": 2}}}))
        );
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let mut value = json!({
            "branch": {"id": "br-a", "expires_at": null, "recovery": {}, "list": [], "protected": false},
            "annotation": {"value": {"of": {}}}
        });
        forget_nothings(&mut value);
        assert_eq!(value, json!({"branch": {"id": "br-a", "list": [], "protected": false}}));
        let mut value = json!([
            {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
            {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"},
            {"updated_at": "2026-01-02T00:00:00Z"}
        ]);
        forget_sameness(&mut value);
        assert_eq!(
            value,
            json!([
                {"created_at": "2026-01-01T00:00:00Z"},
                {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"},
                {"updated_at": "2026-01-02T00:00:00Z"}
            ])
        );
    }

    #[test]
    fn time_is_told_to_the_second_where_nobody_goes_by_less() {
        let exact = "2026-01-31T10:00:00.545770540Z";
        let mut value = json!({
            "created_at": exact, "items": [{"last_active": "2026-01-31T10:00:00.5+02:00", "recoverable_until": exact}],
            // A place in a branch's history, which the next call may name; a name; and what is no time.
            "parent_timestamp": exact, "name": exact, "joined_at": "2026-01-31 10:00:00.5", "deleted_at": "2026-01-31T10:00:00Z",
        });
        shorten_times(&mut value);
        assert_eq!(
            value,
            json!({
                "created_at": "2026-01-31T10:00:00Z",
                "items": [{"last_active": "2026-01-31T10:00:00+02:00", "recoverable_until": "2026-01-31T10:00:00Z"}],
                "parent_timestamp": exact, "name": exact, "joined_at": "2026-01-31 10:00:00.5", "deleted_at": "2026-01-31T10:00:00Z",
            })
        );
    }

    #[test]
    fn a_value_that_is_too_large_is_cut_and_says_where() {
        let mut value = json!({"sql": "é".repeat(5_000), "id": "kept"});
        let cuts = cut(&mut value, 2_000, &Fence::default());
        assert!(serde_json::to_string(&value).unwrap().len() <= 2_000);
        assert_eq!(value["id"], "kept");
        assert_eq!(cuts.len(), 1, "{cuts:?}");
        let mut value = json!({"items": vec!["x".repeat(90); 100]});
        cut(&mut value, 3_000, &Fence::default());
        assert!(serde_json::to_string(&value).unwrap().len() <= 3_000);
        assert!(value["items"].as_array().unwrap().len() > 20);
    }
}
