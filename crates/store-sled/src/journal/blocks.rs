//! Which blocks of the journal still matter.

use std::collections::BTreeMap;

/// What a block weighs beside its bytes: it is a key, and opening the store reads it.
const BLOCK: usize = 8 * 1024;

#[derive(Debug, Default)]
pub struct Blocks {
    states: BTreeMap<u64, State>,
    weight: usize,
    /// More than this is too much.
    heavy: usize,
    /// Blocks that may have become spent.
    doubtful: Vec<u64>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// Present records that lie in it, and records of older blocks that are still there which it ends.
    reasons: usize,
    /// Younger blocks, once for each record of this one that they end.
    ended_by: Vec<u64>,
}

impl Blocks {
    pub fn new(heavy: usize) -> Self {
        Self { heavy, ..Self::default() }
    }

    pub fn add(&mut self, block: u64, bytes: usize) {
        self.weight += bytes + BLOCK;
        self.states.insert(block, State { bytes, ..State::default() });
        self.doubtful.push(block);
    }

    /// A record lies in this block.
    pub fn keep(&mut self, block: u64) {
        if let Some(state) = self.states.get_mut(&block) {
            state.reasons += 1;
        }
    }

    /// A record of block `old` is ended or put anew by an item of block `by`.
    pub fn supersede(&mut self, old: u64, by: u64) {
        if old != by {
            self.keep(by);
            if let Some(state) = self.states.get_mut(&old) {
                state.ended_by.push(by);
            }
        }
        self.release(old);
    }

    fn release(&mut self, block: u64) {
        if let Some(state) = self.states.get_mut(&block) {
            state.reasons = state.reasons.saturating_sub(1);
            if state.reasons == 0 {
                self.doubtful.push(block);
            }
        }
    }

    pub fn overdue(&self) -> Option<u64> {
        self.states.first_key_value().filter(|_| self.weight > self.heavy).map(|(block, _)| *block)
    }

    pub fn take_spent(&mut self) -> Vec<u64> {
        let mut spent = Vec::new();
        while let Some(block) = self.doubtful.pop() {
            if self.states.get(&block).is_none_or(|state| state.reasons > 0) {
                continue;
            }
            let Some(state) = self.states.remove(&block) else { continue };
            self.weight -= state.bytes + BLOCK;
            state.ended_by.into_iter().for_each(|by| self.release(by));
            spent.push(block);
        }
        spent
    }
}
