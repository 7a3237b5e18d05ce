//! What a comparison found, for the maintainer who follows Neon.

use std::collections::BTreeMap;
use std::fmt;

/// What a finding is about: the order is the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Operations as a whole.
    Operations,
    /// Method and path.
    Address,
    /// Arguments that aren't there, or aren't here.
    Arguments,
    /// What an argument may be.
    Values,
    /// What must be given.
    Required,
    /// Parts of an answer that a declaration names.
    Answers,
    /// Secrets in an answer.
    Secrets,
    /// Entries of `tools/drift.json` that explain nothing.
    Intentions,
}

impl Subject {
    fn title(self) -> &'static str {
        match self {
            Self::Operations => "Operations",
            Self::Address => "Methods, paths and forms",
            Self::Arguments => "Arguments",
            Self::Values => "What arguments may be",
            Self::Required => "What must be given",
            Self::Answers => "Parts of answers",
            Self::Secrets => "Secrets in answers",
            Self::Intentions => "Entries of tools/drift.json that explain nothing",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// The tool, or the operation where no tool stands for it.
    pub of: String,
    /// Where: `query:/name`, `body:/pointer`, `path:/name`, `answer:/pointer`, or empty.
    pub at: String,
    /// What differs.
    pub says: String,
}

/// What was found, and how much was compared.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The differences that nothing explains.
    pub findings: Vec<Finding>,
    /// Operations in the file.
    pub operations: usize,
    /// Of those, the ones that tools stand for.
    pub claimed: usize,
    /// Of those, the ones that are left out with a reason.
    pub left_out: usize,
    /// Operations that tools stand for, newer than the file.
    pub newer: Vec<(String, String)>,
    /// Differences that are meant.
    pub intended: usize,
    /// Places of requests that were compared.
    pub places: usize,
    /// Parts of answers that were looked for.
    pub parts: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<Subject, BTreeMap<&str, Vec<&Finding>>> = BTreeMap::new();
        for finding in &self.findings {
            let group = groups.entry(finding.subject).or_default();
            group.entry(&finding.of).or_default().push(finding);
        }
        for (subject, group) in groups {
            writeln!(formatter, "{}", subject.title())?;
            for (of, findings) in group {
                writeln!(formatter, "  {of}")?;
                for finding in findings {
                    match finding.at.as_str() {
                        "" => writeln!(formatter, "    {}", finding.says)?,
                        at => writeln!(formatter, "    {at}: {}", finding.says)?,
                    }
                }
            }
            writeln!(formatter)?;
        }
        let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (operation, source) in &self.newer {
            sources.entry(source).or_default().push(operation);
        }
        for (source, operations) in sources {
            writeln!(
                formatter,
                "Newer than the file, from {source}: {}",
                operations.join(", ")
            )?;
        }
        write!(
            formatter,
            "{} operations in the file: {} claimed, {} left out with a reason; {} newer than it. {} places of requests and {} \
             parts of answers compared: {} differences are meant, {} are not.",
            self.operations,
            self.claimed,
            self.left_out,
            self.newer.len(),
            self.places,
            self.parts,
            self.intended,
            self.findings.len()
        )
    }
}
