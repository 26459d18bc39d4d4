//! One suite of cases for every backend. Each case is a function that takes an empty store; [`store_tests!`](crate::store_tests) lists
//! each of them once:
//!
//! ```ignore
//! fn open() -> (Arc<dyn Store>, TempDir) { .. }    // what must outlive the store comes second
//! matrix_2fa_store::store_tests!(open);
//! ```

#![cfg(feature = "suite")]
#![expect(clippy::unwrap_used, reason = "these are tests, compiled for tests only")]
#![expect(missing_docs, reason = "the name of a case says what it checks")]

mod atomic;
mod events;
mod export;
mod races;
mod records;

pub use atomic::*;
pub use events::*;
pub use export::*;
pub use races::*;
pub use records::*;

use std::time::Duration;

use matrix_2fa_core::{
    Account, Context, Event, EventKind, Policy, Proof, SealedSeed, Timestamp,
    account::NewAuthenticator,
    event::Origin,
    throttle::{ClientTag, TOTP},
};

use crate::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, Record, RecordChange, Store};

/// Makes one `#[tokio::test]` of every case. `$open` is called without arguments and gives `(Arc<dyn Store>, guard)`.
#[macro_export]
macro_rules! store_tests {
    ($open:expr) => {
        $crate::store_tests! { $open;
            an_empty_store_has_nothing
            a_committed_account_is_loaded
            accounts_of_similar_users_are_apart
            users_are_listed_page_by_page
            a_stale_account_version_changes_nothing
            a_stale_record_version_changes_nothing
            account_events_and_records_are_one_step
            an_empty_commit_is_done
            what_a_record_change_expects_is_checked
            a_deleted_record_starts_again
            a_record_made_again_is_not_taken_for_the_old_one
            a_record_replaced_by_another_life_is_not_taken_for_the_old_one
            changes_of_one_key_in_one_commit_run_in_order
            records_keep_everything_they_are_given
            keys_may_have_any_characters
            kinds_are_not_mixed
            the_index_by_user_follows_every_change
            the_index_by_user_knows_users_apart
            keys_may_begin_with_their_user
            sweeping_takes_the_oldest_first
            sweeping_stops_exactly_at_now
            a_record_put_again_is_not_swept_by_its_old_expiry
            sweeping_cleans_the_index_by_user
            records_may_begin_and_cease_to_expire
            a_record_that_was_used_up_does_not_come_back
            a_record_made_again_outlives_the_traces_of_the_old_one
            many_records_of_one_user
            records_are_listed_page_by_page
            events_come_by_user_and_time
            events_of_one_millisecond_stay_in_order
            events_are_ordered_by_time_even_if_the_clock_was_set_back
            the_newest_of_many_events_are_found
            every_event_of_a_commit_is_kept
            of_equal_commits_exactly_one_is_done
            of_equal_record_creations_exactly_one_is_done
            no_increment_is_lost
            commits_of_different_users_are_all_done
            a_scan_never_sees_half_a_commit
            sweeping_and_renewing_do_not_cross
        }
    };
    ($open:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _guard) = ($open)();
                $crate::suite::$case(store).await;
            }
        )*
    };
}

/// The cases of [`Store::export`], for backends that have it; like [`store_tests!`](crate::store_tests).
#[macro_export]
macro_rules! export_tests {
    ($open:expr) => {
        $crate::store_tests! { $open;
            an_export_brought_into_another_store_is_the_same
            an_export_is_of_one_moment
            an_export_ends_with_the_error_of_its_taker
        }
    };
}

/// Ids that would meet if keys were put together carelessly.
const SIMILAR_USERS: [&str; 12] =
    ["@a:b", "@a:bc", "@a:b:c", "@a", "@a:b\u{1}", "@a:b/c", "@a:b c", "@A:b", "@ä:b", "@a:b\u{10ffff}", "", "a"];
const SESSION: Kind = Kind("session");
const SESSIONS: Kind = Kind("sessions");

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// An account that can be told from others by `name`.
fn account(name: &str) -> Account {
    let cx = Context {
        user: "@a:b".to_owned(),
        now: at(1),
        origin: Origin::default(),
        client: ClientTag(0),
        proof: Proof::FirstFactor,
        budget: TOTP,
    };
    let new = NewAuthenticator {
        id: "id".to_owned(),
        name: name.to_owned(),
        seed: SealedSeed { key_id: "key".to_owned(), nonce: vec![1; 12], ciphertext: vec![2; 36] },
        bound_to: [3; 32],
    };
    Account::default().begin_enrollment(&cx, Policy::OptIn, new).account.unwrap()
}

fn change(user: &str, expected: u64, name: &str) -> AccountChange {
    AccountChange { user: user.to_owned(), expected, account: account(name) }
}

fn event(user: &str, ms: u64, id: &str) -> Event {
    let kind = EventKind::EnrollmentStarted { id: id.to_owned() };
    Event { at: at(ms), user: user.to_owned(), origin: Origin::default(), kind }
}

fn id(event: &Event) -> &str {
    match &event.kind {
        EventKind::EnrollmentStarted { id } => id,
        other => unreachable!("{other:?} was never written"),
    }
}

fn record(bytes: &str, user: Option<&str>, expires_at: Option<u64>) -> NewRecord {
    NewRecord { bytes: bytes.into(), user: user.map(str::to_owned), expires_at: expires_at.map(at) }
}

fn put(key: &str, next: NewRecord) -> RecordChange {
    RecordChange::put(SESSION, key, Expected::Any, next)
}

fn records(changes: impl IntoIterator<Item = RecordChange>) -> Commit {
    Commit { records: changes.into_iter().collect(), ..Commit::default() }
}

async fn done(store: &dyn Store, commit: Commit) {
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
}

async fn conflict(store: &dyn Store, commit: Commit) {
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Conflict);
}

async fn found(store: &dyn Store, key: &str) -> Option<Record> {
    store.record(SESSION, key).await.unwrap()
}

async fn version(store: &dyn Store, key: &str) -> Option<u64> {
    found(store, key).await.map(|record| record.version)
}

/// The keys that the index has for a user.
async fn keys_of(store: &dyn Store, kind: Kind, user: &str) -> Vec<String> {
    store.records_of(kind, user).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

async fn event_ids(store: &dyn Store, user: &str, since: u64, limit: usize) -> Vec<String> {
    store.events(user, at(since), limit).await.unwrap().iter().map(|event| id(event).to_owned()).collect()
}

/// What a case that races gives up after: a lost wake-up must fail, not hang.
const PATIENCE: Duration = Duration::from_secs(120);
