//! Whose rights a store may be reached with. A dispatch chooses neither: not by what it brings, and not by leaving it out.

use super::{Guard, Refusal, Zone};
use crate::nomad::Nomad;

/// Which credentials may be used, and where they may come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct CredentialPolicy {
    /// Under Nomad.
    is_task: bool,
    /// `--allow-node-identity`
    node_identity: bool,
    /// `--allow-gcp-creds`
    gcp_creds: bool,
}

impl CredentialPolicy {
    #[must_use]
    pub fn new(nomad: &Nomad, node_identity: bool, gcp_creds: bool) -> Self {
        Self {
            is_task: nomad.is_task(),
            node_identity,
            gcp_creds,
        }
    }

    /// Whether the identity of the machine may be used: its cloud's metadata server, and what its user logged in with.
    #[must_use]
    pub fn allows_node_identity(&self) -> bool {
        !self.is_task || self.node_identity
    }

    /// # Errors
    /// When it may not be used.
    pub fn check_node_identity(&self, what: &str) -> Result<(), Refusal> {
        if self.allows_node_identity() {
            return Ok(());
        }
        Err(node_identity(what.to_owned()))
    }

    /// Credentials that a dispatch brings.
    ///
    /// # Errors
    /// When no operator allows them.
    pub fn check_gcp_creds(&self) -> Result<(), Refusal> {
        if self.gcp_creds {
            return Ok(());
        }
        Err(Refusal::used(
            "the dispatch's gcp_creds".to_owned(),
            "the operator gives the credentials, and whoever dispatches does not, unless the operator allows it".to_owned(),
            "Use an identity or --credentials instead (docs/nomad.md), or let the operator allow the key gcp_creds with --allow-gcp-creds (variable allow_gcp_creds of the job)".to_owned(),
        ))
    }

    /// What all requests of a store and of its token servers are held to.
    #[must_use]
    pub fn guard(&self) -> Option<Guard> {
        (!self.allows_node_identity()).then(|| Guard::new(Zone::LinkLocal))
    }

    /// Says of a request to a store or token server that it would go to such an address.
    #[must_use]
    pub fn refused_request(address: &str) -> Refusal {
        node_identity(format!("the node's own identity ({address})"))
    }
}

fn node_identity(what: String) -> Refusal {
    Refusal::used(
        what,
        "no other credentials were given, and under Nomad everyone who may dispatch would act with the node's rights".to_owned(),
        "Give credentials (docs/nomad.md), or let the operator allow it with --allow-node-identity (variable allow_node_identity of the job)".to_owned(),
    )
}
