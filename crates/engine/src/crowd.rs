//! Live sessions of one user are bounded, and those of one client more tightly: who knows a password must not fill the store with them, nor
//! push out what the owner opened elsewhere.

use matrix_2fa_core::{Timestamp, throttle::ClientTag};

/// Live sessions of one user.
const PER_USER: usize = 16;

/// Of which one client address may hold so many.
const PER_CLIENT: usize = 4;

/// A live session.
pub(crate) struct Held {
    pub(crate) since: Timestamp,
    pub(crate) key: String,
    /// The default is a client whose address is not known: those share the room of the user only.
    pub(crate) client: ClientTag,
}

/// The keys of those that must go so that one more of `opening` can come: the oldest of the same client if it has its share, else the oldest
/// of the client that has most.
pub(crate) fn leaving(mut live: Vec<Held>, opening: ClientTag) -> Vec<String> {
    live.sort_by(|one, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
    let known = opening != ClientTag::default();
    let held_by = |client| live.iter().filter(|held| held.client == client).count();
    let (greediest, limit) = if known && held_by(opening) >= PER_CLIENT {
        (opening, PER_CLIENT)
    } else if live.len() >= PER_USER {
        // Of several the one that was here first: the last of equals is what `max_by_key` gives.
        match live.iter().rev().map(|held| held.client).max_by_key(|client| held_by(*client)) {
            Some(greediest) => (greediest, PER_USER),
            None => return Vec::new(),
        }
    } else {
        return Vec::new();
    };
    // As many as are too many, though it should never be more than one: opening is done in turn.
    let present = if limit == PER_CLIENT { held_by(greediest) } else { live.len() };
    let too_many = present.saturating_sub(limit) + 1;
    live.into_iter().filter(|held| held.client == greediest).take(too_many).map(|held| held.key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(sessions: &[(u64, u32)]) -> Vec<Held> {
        let one = |(at, client): &(u64, u32)| Held {
            since: Timestamp::from_millis(*at),
            key: at.to_string(),
            client: ClientTag(*client),
        };
        sessions.iter().map(one).collect()
    }

    #[test]
    fn the_oldest_of_the_same_client_makes_room() {
        let few = held(&[(3, 7), (1, 7), (2, 9), (4, 7)]);
        assert!(leaving(few, ClientTag(7)).is_empty());
        let full = [(3, 7), (1, 7), (2, 9), (4, 7), (5, 7)];
        assert_eq!(leaving(held(&full), ClientTag(7)), ["1"]);
        assert!(leaving(held(&full), ClientTag(9)).is_empty());
    }

    #[test]
    fn of_many_clients_the_greediest_makes_room_and_of_equals_the_first() {
        let mut crowd: Vec<(u64, u32)> = (10..26).map(|at| (at, 100 + at as u32)).collect();
        assert_eq!(leaving(held(&crowd), ClientTag(1)), ["10"]);
        crowd.pop();
        crowd.push((30, 115));
        assert_eq!(leaving(held(&crowd), ClientTag(1)), ["15"], "it holds two");
    }

    #[test]
    fn unknown_addresses_share_the_room_of_the_user() {
        let crowd: Vec<(u64, u32)> = (0..16).map(|at| (at, 0)).collect();
        assert!(leaving(held(&crowd[..15]), ClientTag(0)).is_empty());
        assert_eq!(leaving(held(&crowd), ClientTag(0)), ["0"]);
    }
}
