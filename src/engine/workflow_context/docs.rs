//! Neon's documentation, for a workflow.

use super::WorkflowContext;
use crate::docs::{Docs, DocsError, Entry, Slug};
use crate::engine::Service;
use crate::engine::error::Failure;

impl<'c> WorkflowContext<'c, '_> {
    /// The documentation: the index, or the text of a page.
    pub(crate) async fn docs_index(&self) -> Result<Vec<Entry>, Failure> {
        let docs = self.docs()?;
        docs.index(&self.call.context)
            .await
            .map_err(|error| self.undocumented(error))
    }

    /// The text of a page of the documentation.
    pub(crate) async fn docs_page(&self, slug: &Slug) -> Result<String, Failure> {
        let docs = self.docs()?;
        docs.page(slug, &self.call.context)
            .await
            .map_err(|error| self.undocumented(error))
    }

    /// The documentation's host.
    pub(crate) fn docs(&self) -> Result<&'c Docs, Failure> {
        self.call
            .docs
            .ok_or_else(|| Failure::Internal("the documentation is switched off".to_owned()))
    }

    pub(super) fn undocumented(&self, error: DocsError) -> Failure {
        Failure::Docs {
            error,
            sandbox: self.call.service == Service::Sandbox,
        }
    }
}
