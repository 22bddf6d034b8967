//! Trials trained again for the networks they end at, which no outcome holds.

use std::sync::atomic::AtomicBool;

use seedsweep_common::outcome::{Outcome, StopReason};

use super::{Prepared, TrainError};
use crate::minima::canonical::Canonical;

impl Prepared {
    /// As [`Prepared::train`], with the canonical form of the network that the outcome's sketches are of; `None` where
    /// training diverged or there is no such form.
    pub fn train_to_canonical(
        &self,
        restart: u32,
        cancelled: &AtomicBool,
    ) -> Result<(Outcome, Option<Canonical>), TrainError> {
        let own_data = self.own_data(restart)?;
        let trained = self.descend_on(own_data.as_ref(), restart, cancelled)?;
        let dataset = own_data.as_ref().unwrap_or(&self.dataset);
        let (outcome, theta) = self.finish(dataset, restart, trained, cancelled)?;
        let canonical = (outcome.stop_reason != StopReason::Diverged)
            .then(|| Canonical::new(&self.network, self.experiment.train.loss, &theta));
        Ok((outcome, canonical.flatten()))
    }
}
