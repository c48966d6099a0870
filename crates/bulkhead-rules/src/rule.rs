//! What a rule is.

use bulkhead_diagnostics::{Diagnostic, RuleDescription, Severity};

use crate::context::Context;

/// Looks at a fleet and adds what it finds.
pub type Check = fn(&Context<'_>, &mut Vec<Diagnostic>);

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Machines: their names, keys and roles.
    Machines,
    /// Boot environments that are unlocked from afar.
    Unlock,
    /// Secrets and who can read them.
    Secrets,
    /// Networks that keep workspaces and services apart.
    Network,
    /// Workspaces.
    Workspaces,
    /// Service containers behind a VPN.
    Vpn,
    /// Module trees, and what is not known of them.
    Modules,
    /// Files that can't be read as what they are.
    Files,
    /// Suppression comments.
    Allows,
}

impl Area {
    /// The name, in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Machines => "machines",
            Area::Unlock => "unlock",
            Area::Secrets => "secrets",
            Area::Network => "network",
            Area::Workspaces => "workspaces",
            Area::Vpn => "vpn",
            Area::Modules => "modules",
            Area::Files => "files",
            Area::Allows => "allows",
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name: kebab-case and stable. Reads well after "allow".
    pub name: &'static str,
    /// What it is about.
    pub area: Area,
    /// How much its findings matter unless they say otherwise.
    pub severity: Severity,
    /// What it finds, in one line.
    pub summary: &'static str,
    /// Markdown: what it finds, why it matters, how to fix it, an example, limits, and its `data` for machines.
    pub docs: &'static str,
    /// The rule itself; `None` where its findings come from loading the fleet or from suppression.
    pub check: Option<Check>,
}

impl Rule {
    /// What [`bulkhead_diagnostics::render`] wants to know of a rule.
    pub fn description(&self) -> RuleDescription<'static> {
        RuleDescription { name: self.name, summary: self.summary, help: self.docs, url: None, severity: self.severity }
    }
}
