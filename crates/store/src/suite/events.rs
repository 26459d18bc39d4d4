//! The audit log.

use std::sync::Arc;

use super::*;

fn log(events: impl IntoIterator<Item = Event>) -> Commit {
    Commit { events: events.into_iter().collect(), ..Commit::default() }
}

pub async fn events_come_by_user_and_time(store: Arc<dyn Store>) {
    for user in SIMILAR_USERS {
        done(&*store, log([1, 255, 256, 70_000].map(|ms| event(user, ms, &format!("{user} {ms}"))))).await;
    }
    for user in SIMILAR_USERS {
        let all = [1, 255, 256, 70_000].map(|ms| format!("{user} {ms}"));
        let [_, b, c, d] = all.each_ref().map(String::as_str);
        assert_eq!(event_ids(&*store, user, 0, 10).await, all);
        assert_eq!(event_ids(&*store, user, 255, 10).await, [b, c, d]);
        assert_eq!(event_ids(&*store, user, 257, 10).await, [d]);
        assert_eq!(event_ids(&*store, user, 70_001, 10).await, [""; 0]);
        assert_eq!(event_ids(&*store, user, 0, 2).await, [c, d], "the newest ones");
        assert_eq!(event_ids(&*store, user, 0, 0).await, [""; 0]);
        assert_eq!(event_ids(&*store, user, 256, usize::MAX).await, [c, d]);
    }
    done(&*store, log([event("@a:b", u64::MAX, "the end of time")])).await;
    assert_eq!(event_ids(&*store, "@a:b", u64::MAX, 10).await, ["the end of time"]);
}

pub async fn events_of_one_millisecond_stay_in_order(store: Arc<dyn Store>) {
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    for chunk in ids.chunks(3) {
        done(&*store, log(chunk.iter().map(|id| event("@a:b", 5, id)))).await;
    }
    assert_eq!(event_ids(&*store, "@a:b", 5, 1000).await, ids);
    assert_eq!(event_ids(&*store, "@a:b", 5, 2).await, ["298", "299"]);
}

pub async fn events_are_ordered_by_time_even_if_the_clock_was_set_back(store: Arc<dyn Store>) {
    for (ms, id) in [(20, "third"), (10, "first"), (10, "second"), (30, "fourth")] {
        done(&*store, log([event("@a:b", ms, id)])).await;
    }
    assert_eq!(event_ids(&*store, "@a:b", 0, 10).await, ["first", "second", "third", "fourth"]);
    let newest = event_ids(&*store, "@a:b", 0, 2).await;
    assert!(newest == ["third", "fourth"] || newest == ["second", "fourth"], "by date or by commit: {newest:?}");
}

pub async fn the_newest_of_many_events_are_found(store: Arc<dyn Store>) {
    let ids: Vec<_> = (0..5000).map(|n| n.to_string()).collect();
    for (ms, chunk) in (10..).zip(ids.chunks(250)) {
        done(&*store, log(chunk.iter().map(|id| event("@a:b", ms, id)))).await;
        done(&*store, log([event("@c:d", ms, "other")])).await;
    }
    let last = |n| ids.split_at(ids.len() - n).1;
    assert_eq!(event_ids(&*store, "@a:b", 0, 30).await, last(30));
    assert_eq!(event_ids(&*store, "@a:b", 28, 300).await, last(300));
    assert_eq!(event_ids(&*store, "@a:b", 29, usize::MAX).await, last(250), "fewer than might be");
    assert_eq!(event_ids(&*store, "@a:b", 0, usize::MAX).await, ids);
}

pub async fn every_event_of_a_commit_is_kept(store: Arc<dyn Store>) {
    let same = || event("@a:b", 5, "same");
    done(&*store, log([same(), event("@c:d", 5, "other"), same()])).await;
    assert_eq!(store.events("@a:b", at(0), 10).await.unwrap(), [same(), same()]);
    assert_eq!(event_ids(&*store, "@c:d", 0, 10).await, ["other"]);
}
