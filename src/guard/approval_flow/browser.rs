//! What the approval page has browsers keep: sealed, so that nothing is kept here and every replica takes it.

use std::sync::PoisonError;

use super::ApprovalFlow;
use super::page::PageSeal;

impl ApprovalFlow {
    /// The page's own address, where this process serves one.
    #[must_use]
    pub fn page_origin(&self) -> Option<String> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.as_ref().map(|page| page.origin.clone())
    }

    /// Something that a browser keeps: nobody else reads or changes it.
    #[must_use]
    pub fn page_sealed(&self, seal: PageSeal, plain: &[u8]) -> Option<String> {
        self.sealer.encrypt("approval page", seal.name(), plain)
    }

    /// What a browser kept, unchanged.
    #[must_use]
    pub fn page_unsealed(&self, seal: PageSeal, sealed: &str) -> Option<Vec<u8>> {
        self.sealer.decrypt("approval page", seal.name(), sealed)
    }

    /// What a form about a code holds that was given to that sign-in.
    #[must_use]
    pub fn page_form_tag(&self, sign_in: &str, code: &str) -> String {
        self.sealer.tag("approval page form", &[sign_in, code])
    }

    /// Whether a form is one that was given to that sign-in for that code.
    #[must_use]
    pub fn is_page_form_tag(&self, sign_in: &str, code: &str, tag: &str) -> bool {
        self.sealer.is_tag("approval page form", &[sign_in, code], tag)
    }

    /// The groups that the policy names among those who approve.
    #[must_use]
    pub fn named_groups(&self) -> Vec<String> {
        self.rules.approvers.groups()
    }
}
