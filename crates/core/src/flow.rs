//! Flows: ordered lists of stages, any one of which completes a session.

use serde::{Deserialize, Serialize};

use crate::stage::Stage;

/// An ordered list of stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flow(Vec<Stage>);

impl Flow {
    /// A flow of these stages in this order.
    pub fn new(stages: impl Into<Vec<Stage>>) -> Self {
        Self(stages.into())
    }

    /// The stages in order.
    pub fn stages(&self) -> &[Stage] {
        &self.0
    }

    /// The stage that comes after `completed`, if `completed` is an exact prefix of this flow.
    pub fn next(&self, completed: &[Stage]) -> Option<Stage> {
        let (done, rest) = self.0.split_at_checked(completed.len())?;
        (done == completed).then(|| rest.first().copied()).flatten()
    }

    /// Is this flow exactly completed?
    pub fn is_completed_by(&self, completed: &[Stage]) -> bool {
        self.0 == completed
    }
}

/// `first` alone, or `first` followed by each second factor: the flows for a user who has `factors`. Never empty.
pub fn flows_for(first: Stage, factors: &[Stage]) -> Vec<Flow> {
    if factors.is_empty() {
        return vec![Flow::new([first])];
    }
    factors.iter().map(|factor| Flow::new([first, *factor])).collect()
}
