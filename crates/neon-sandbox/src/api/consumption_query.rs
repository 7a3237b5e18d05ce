//! What is asked about consumption: the query string, where lists are repeated keys or joined by commas.

use serde::Deserialize;

use crate::{
    call::{Call, check_id, parse_moment},
    error::ApiError,
    pages,
    state::usage_sum::Span,
};

/// The most ids of one query.
const MAX_IDS: usize = 100;

/// How long a timeframe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Granularity {
    Hourly,
    Daily,
    Monthly,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Whole timeframes.
    pub(crate) span: Span,
    pub(crate) granularity: Granularity,
    pub(crate) org_id: Option<String>,
    pub(crate) project_ids: Vec<String>,
    pub(crate) branch_ids: Vec<String>,
    pub(crate) metrics: Vec<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: usize,
}

impl Asked {
    /// Reads the query string.
    pub(crate) fn read(call: &Call, metrics: &[&str], default_limit: usize, most: usize) -> Result<Self, ApiError> {
        let query = Query(call.query()?);
        let granularity = query.granularity()?;
        let from = parse_moment("from", query.required("from")?)?;
        let to = parse_moment("to", query.required("to")?)?;
        if from >= to {
            return Err(ApiError::bad_request("from must lie before to"));
        }
        let span = Span {
            from: granularity.start(from),
            until: to,
        };
        let reach = granularity.reaches_back_to(call.now);
        if span.from < granularity.start(reach) {
            return Err(ApiError::out_of_range(format!(
                "from lies before {reach}, which is as far back as this granularity reaches"
            )));
        }
        if !matches!(query.optional("include_v1_metrics"), None | Some("true" | "false")) {
            return Err(ApiError::bad_request("include_v1_metrics is true or false"));
        }
        let asked = Self {
            span,
            granularity,
            org_id: query.optional("org_id").map(str::to_owned),
            project_ids: query.ids("project_ids")?,
            branch_ids: query.ids("branch_ids")?,
            metrics: query.list("metrics"),
            cursor: query.optional("cursor").map(str::to_owned),
            limit: pages::limit(query.number("limit")?, default_limit, most)?,
        };
        if let Some(unknown) = asked.metrics.iter().find(|metric| !metrics.contains(&metric.as_str())) {
            return Err(ApiError::bad_request(format!(
                "unknown metric {unknown:?}; there are {}",
                metrics.join(", ")
            )));
        }
        Ok(asked)
    }

    pub(crate) fn require_org_id(&self) -> Result<(), ApiError> {
        match &self.org_id {
            Some(id) => check_id("org_id", id),
            None => Err(ApiError::bad_request("org_id is required")),
        }
    }

    pub(crate) fn require_metrics(&self) -> Result<(), ApiError> {
        if self.metrics.is_empty() {
            Err(ApiError::bad_request("metrics is required"))
        } else {
            Ok(())
        }
    }

    pub(crate) fn wants_project(&self, id: &str) -> bool {
        self.project_ids.is_empty() || self.project_ids.iter().any(|wanted| wanted == id)
    }

    pub(crate) fn wants_branch(&self, id: &str) -> bool {
        self.branch_ids.is_empty() || self.branch_ids.iter().any(|wanted| wanted == id)
    }
}

/// The pairs of a query string.
struct Query(Vec<(String, String)>);

impl Query {
    fn optional(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name)
            .ok_or_else(|| ApiError::bad_request(format!("{name} is required")))
    }

    fn granularity(&self) -> Result<Granularity, ApiError> {
        serde_json::from_value(self.required("granularity")?.into())
            .map_err(|_| ApiError::bad_request("granularity must be hourly, daily or monthly"))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.optional(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| ApiError::bad_request(format!("{name} must be a whole number")))
            })
            .transpose()
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn ids(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let ids = self.list(name);
        if ids.len() > MAX_IDS {
            return Err(ApiError::bad_request(format!("{name} takes at most {MAX_IDS} ids")));
        }
        ids.iter().try_for_each(|id| check_id(name, id))?;
        Ok(ids)
    }
}
