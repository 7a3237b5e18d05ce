//! What runs a compute.

use serde::Deserialize;

/// What runs the computes, when nothing else is asked for.
pub(crate) const DEFAULT_PROVISIONER: &str = "k8s-neonvm";

/// What runs a compute.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Provisioner {
    #[serde(rename = "k8s-pod")]
    Pod,
    #[serde(rename = "k8s-neonvm")]
    Vm,
}

impl Provisioner {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pod => "k8s-pod",
            Self::Vm => DEFAULT_PROVISIONER,
        }
    }
}
