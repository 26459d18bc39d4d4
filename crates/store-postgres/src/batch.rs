//! Many commits as one transaction of a few statements.
//!
//! Every statement changes only rows that are as expected, and returns which those were. If all are, the batch is committed. If not, the
//! commits that lost are known: nothing of the batch happens, they are conflicts, and the rest is tried again without them.

mod statements;

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{Object, Transaction};
use futures_util::future::try_join_all;
use matrix_2fa_store::Expected;
use tokio_postgres::{Error, Statement};

use crate::prepared::{NetChange, NetPut, Prepared, PreparedAccount, PreparedEvent};

/// The place of a commit in its batch.
pub type Place = usize;

/// A batch, by statement. Rows of one statement are sorted by key, so that no two batches wait for each other.
#[derive(Default)]
pub struct Batch<'a> {
    accounts: Vec<(&'a PreparedAccount, Place)>,
    /// With `None`: a user who only has an event, and may never have had an account.
    new_users: BTreeMap<&'a str, Option<(&'a PreparedAccount, Place)>>,
    deleted: Vec<(&'a NetChange, Place)>,
    replaced: Vec<Put<'a>>,
    /// Where nothing must be.
    made: Vec<Put<'a>>,
    /// Whatever is there.
    put: Vec<Put<'a>>,
    /// Where a commit expects nothing and leaves nothing: they are made, which proves it, and deleted again.
    vacant: Vec<(&'a NetChange, Place)>,
    events: Vec<&'a PreparedEvent>,
    /// How many rows must be as each commit expects.
    conditions: Vec<usize>,
}

struct Put<'a> {
    change: &'a NetChange,
    /// `None` for a vacant place.
    put: Option<&'a NetPut>,
    /// The version that it must have now; 0 if there must be none, -1 if it does not matter.
    expected: i64,
    place: Place,
}

const ANY: i64 = -1;

impl<'a> Batch<'a> {
    /// `commits` have no key in common.
    pub fn new(commits: &[&'a Prepared]) -> Self {
        let mut batch = Self { conditions: vec![0; commits.len()], ..Self::default() };
        for (place, commit) in commits.iter().enumerate() {
            batch.add(place, commit);
        }
        batch.accounts.sort_unstable_by_key(|(account, _)| &account.user);
        batch.deleted.sort_unstable_by_key(|(change, _)| (change.kind, &change.key));
        batch.vacant.sort_unstable_by_key(|(change, _)| (change.kind, &change.key));
        batch.replaced.sort_unstable_by_key(|put| (put.change.kind, &put.change.key));
        batch.made.sort_unstable_by_key(|put| (put.change.kind, &put.change.key));
        batch.put.sort_unstable_by_key(|put| (put.change.kind, &put.change.key));
        batch
    }

    fn add(&mut self, place: Place, commit: &'a Prepared) {
        if let Some(account) = &commit.account {
            self.demand(place);
            if account.expected == 0 {
                self.new_users.insert(&account.user, Some((account, place)));
            } else {
                self.accounts.push((account, place));
            }
        }
        for event in &commit.events {
            if commit.account.as_ref().is_none_or(|account| account.user != event.user) {
                self.new_users.entry(&event.user).or_insert(None);
            }
            self.events.push(event);
        }
        for change in &commit.records {
            self.add_record(place, change);
        }
    }

    fn add_record(&mut self, place: Place, change: &'a NetChange) {
        let expected = match change.expected {
            Expected::Any => ANY,
            Expected::Absent => 0,
            Expected::Version(version) => i64::try_from(version).unwrap_or(i64::MAX),
        };
        if expected != ANY {
            self.demand(place);
        }
        match &change.next {
            None if expected == 0 => {
                self.made.push(Put { change, put: None, expected, place });
                self.vacant.push((change, place));
            }
            None => self.deleted.push((change, place)),
            Some(put) if put.afresh && expected != 0 => {
                self.deleted.push((change, place));
                self.put.push(Put { change, put: Some(put), expected: ANY, place });
            }
            Some(put) if expected > 0 => self.replaced.push(Put { change, put: Some(put), expected, place }),
            Some(put) if expected == 0 => self.made.push(Put { change, put: Some(put), expected, place }),
            Some(put) => self.put.push(Put { change, put: Some(put), expected, place }),
        }
    }

    fn demand(&mut self, place: Place) {
        if let Some(conditions) = self.conditions.get_mut(place) {
            *conditions += 1;
        }
    }

    /// Sends everything at once, as `number` of this lane, and returns which commits lost. The transaction is still open.
    pub async fn write(
        &self,
        transaction: &Transaction<'_>,
        prepared: &Prepares,
        lane: &str,
        number: i64,
    ) -> Result<Vec<Place>, Error> {
        // They run on the server in the order in which they are first polled, and that is this one.
        let met = try_join_all(self.statements(transaction, prepared, lane, number)).await?;
        let mut open = self.conditions.clone();
        for place in met.into_iter().flatten() {
            if let Some(open) = open.get_mut(place) {
                *open = open.saturating_sub(1);
            }
        }
        Ok(open.into_iter().enumerate().filter(|(_, open)| *open > 0).map(|(place, _)| place).collect())
    }

    /// Which commit each key of `made` belongs to.
    fn makers(&self) -> HashMap<(&str, &str), Place> {
        self.made.iter().map(|put| ((put.change.kind, put.change.key.as_str()), put.place)).collect()
    }
}

/// The statements of one connection, prepared before the transaction so that nothing delays their order.
pub struct Prepares(HashMap<&'static str, Statement>);

impl Prepares {
    pub async fn new(connection: &Object, batch: &Batch<'_>) -> Result<Self, Error> {
        let mut prepared = HashMap::new();
        for sql in batch.needed() {
            prepared.insert(sql, connection.prepare_cached(sql).await?);
        }
        Ok(Self(prepared))
    }
}
