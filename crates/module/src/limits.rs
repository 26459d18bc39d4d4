//! The limit for each client address: how many passwords, codes and logins one place may try. It is asked before anything slow or durable
//! is done, says nothing about accounts, and is never the only defence: wrong codes are counted in the account (P6.1). Beside it each user
//! has a limit for what costs them no second factor and leaves an event for ever ([`Lasting`]): whoever cannot be told apart by address, or
//! has many, fills no disk with it.
//!
//! The table of addresses has a bound. An address whose tries have all come back is forgotten, and one try comes back in a second or so,
//! so what is kept is what was tried lately.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{RateLimiter, clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};
use matrix_2fa_core::Clock;

use crate::{ApiError, TwoFactor};

/// Addresses that are told apart. Past that they are counted in [`CROWDS`] groups.
const ADDRESSES: usize = 100_000;

/// Groups of addresses, when there are too many to tell apart.
const CROWDS: u64 = 4096;

/// The table is tidied once in so many tries, and so never holds more than this beyond what is recent.
const TIDY: u32 = 1024;

/// What a user may do of one kind at once, and how many more in a minute.
const LASTING_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
const LASTING_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN;

/// What leaves an event each time, and asks for no second factor each time. Each is counted for itself: a stolen token that renames without
/// end keeps nobody from adding an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lasting {
    Name,
    Enrollment,
}

/// What one client address may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimit {
    /// Tries at once. A login costs one for each reading of the password field and one for the code. 0: no limit.
    pub burst: u32,
    /// Tries that come back in a minute.
    pub per_minute: u32,
    /// Count loopback addresses like others. Otherwise a loopback peer is taken for a proxy that hides who its clients are: a limit for
    /// all of them together would let any one of them keep everybody out.
    pub count_loopback: bool,
}

impl Default for AddressLimit {
    /// An office behind one address logs in 20 people a minute for hours, and a hundred who arrive together within five minutes; a
    /// guesser behind it gets 86,400 passwords a day.
    fn default() -> Self {
        Self { burst: 60, per_minute: 60, count_loopback: false }
    }
}

/// Whose tries are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Address(IpAddr),
    Crowd(u64),
    Opening(IpAddr),
    OpeningCrowd(u64),
    User(Lasting, String),
}

/// Counter: requests of addresses that had tried too much, answered 429.
pub const LIMITED: &str = "matrix_2fa_address_limited_total";

/// governor's view of our clock: the one that nobody sets.
#[derive(Clone)]
struct Elapsed(Arc<dyn Clock>);

impl clock::Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter = RateLimiter<Place, HashMapStateStore<Place>, Elapsed, NoOpMiddleware<Duration>>;

/// The tries of all addresses.
pub(crate) struct Addresses {
    /// None: no limit.
    limiter: Option<Limiter>,
    clock: Elapsed,
    count_loopback: bool,
    capacity: usize,
    until_tidy: AtomicU32,
    crowds: RandomState,
    /// What users did of what lasts.
    lasting: Limiter,
}

impl Addresses {
    pub(crate) fn new(limit: AddressLimit, clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(limit, clock, ADDRESSES)
    }

    fn with_capacity(limit: AddressLimit, clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let clock = Elapsed(clock);
        let per_minute = NonZeroU32::new(limit.per_minute).unwrap_or(NonZeroU32::MIN);
        let quota = |burst| governor::Quota::per_minute(per_minute).allow_burst(burst);
        Self {
            limiter: NonZeroU32::new(limit.burst).map(|n| RateLimiter::hashmap_with_clock(quota(n), clock.clone())),
            lasting: RateLimiter::hashmap_with_clock(
                governor::Quota::per_minute(LASTING_PER_MINUTE).allow_burst(LASTING_AT_ONCE),
                clock.clone(),
            ),
            clock,
            count_loopback: limit.count_loopback,
            capacity,
            until_tidy: AtomicU32::new(TIDY),
            crowds: RandomState::new(),
        }
    }

    /// Counts `tries` of this client, or says how long to wait. A client whose address is not known is not limited here.
    fn admit(&self, client: Option<IpAddr>, tries: NonZeroU32) -> Result<(), Duration> {
        self.count(client, tries, Place::Address, Place::Crowd)
    }

    /// The same for pages that are opened, each place as many as it has tries: somebody else's page may open them in somebody's browser.
    fn admit_opening(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        self.count(client, NonZeroU32::MIN, Place::Opening, Place::OpeningCrowd)
    }

    fn count(
        &self,
        client: Option<IpAddr>,
        tries: NonZeroU32,
        address: fn(IpAddr) -> Place,
        crowd: fn(u64) -> Place,
    ) -> Result<(), Duration> {
        let (Some(limiter), Some(network)) = (&self.limiter, client.and_then(|ip| self.network(ip))) else {
            return Ok(());
        };
        self.tidy();
        let place = if limiter.len() < self.capacity {
            address(network)
        } else {
            crowd(self.crowds.hash_one(network) % CROWDS)
        };
        match limiter.check_key_n(&place, tries) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                metrics::counter!(LIMITED).increment(1);
                Err(not_until.wait_time_from(clock::Clock::now(&self.clock)))
            }
            // A burst below what one request needs admits one request whenever it is whole.
            Err(_burst_too_small) => {
                limiter.check_key(&place).map_err(|not_until| not_until.wait_time_from(clock::Clock::now(&self.clock)))
            }
        }
    }

    /// Counts something that lasts. Users are known to the host and have given a token or a password, so their number needs no other bound.
    fn admit_lasting(&self, what: Lasting, user: &str) -> Result<(), Duration> {
        self.tidy();
        let counted = self.lasting.check_key(&Place::User(what, user.to_owned()));
        counted.map_err(|not_until| not_until.wait_time_from(clock::Clock::now(&self.clock)))
    }

    fn tidy(&self) {
        if self.until_tidy.fetch_sub(1, Ordering::Relaxed) <= 1 {
            self.until_tidy.store(TIDY, Ordering::Relaxed);
            for limiter in self.limiter.iter().chain([&self.lasting]) {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }

    /// What counts as one client: an IPv4 address, or the IPv6 /64 that one subscriber has to choose from.
    fn network(&self, ip: IpAddr) -> Option<IpAddr> {
        let ip = ip.to_canonical();
        match ip {
            _ if ip.is_loopback() && !self.count_loopback => None,
            IpAddr::V4(_) => Some(ip),
            IpAddr::V6(ip) => Some(IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into())),
        }
    }
}

impl TwoFactor {
    /// Counts one try of this client, or answers 429. Call it first at every door that checks a password, evaluates a code, or keeps
    /// something for somebody who is not known yet: before the hash, before the store, and before anything is known about the user. The
    /// module's own endpoints and [`TwoFactor::authorize`] do.
    pub fn admit(&self, client: Option<IpAddr>) -> Result<(), ApiError> {
        self.admit_tries(client, NonZeroU32::MIN)
    }

    pub(crate) fn admit_tries(&self, client: Option<IpAddr>, tries: NonZeroU32) -> Result<(), ApiError> {
        self.addresses.admit(client, tries).map_err(too_many)
    }

    /// Counts a page that a stranger opens, which keeps a session: not with the tries, or a page that one person has open elsewhere would keep
    /// everybody behind their address from logging in.
    pub(crate) fn admit_opening(&self, client: Option<IpAddr>) -> Result<(), ApiError> {
        self.addresses.admit_opening(client).map_err(too_many)
    }

    /// Counts what `user` does without a second factor and what leaves an event for ever, or answers 429.
    pub(crate) fn admit_lasting(&self, what: Lasting, user: &str, client: Option<IpAddr>) -> Result<(), ApiError> {
        self.admit(client)?;
        self.addresses.admit_lasting(what, user).map_err(|wait| {
            ApiError::limited(wait + Duration::from_millis(1), "You did this too often. Wait and try again.")
        })
    }
}

fn too_many(wait: Duration) -> ApiError {
    // A fraction of a millisecond rounded down would be an invitation to come back too early.
    ApiError::limited(wait + Duration::from_millis(1), "Too many tries from your network. Wait and try again.")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use matrix_2fa_core::{MockClock, Timestamp};

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn limit(burst: u32) -> AddressLimit {
        AddressLimit { burst, per_minute: 60, count_loopback: false }
    }

    fn addresses(burst: u32, capacity: usize) -> (Addresses, MockClock) {
        let clock = MockClock::new(Timestamp::from_millis(1_800_000_000_000));
        (Addresses::with_capacity(limit(burst), Arc::new(clock.clone()), capacity), clock)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_burst_then_one_for_each_second() {
        let (addresses, clock) = addresses(3, 10);
        let at_once = || (0..10).filter(|_| addresses.admit(ip("192.0.2.1"), ONE).is_ok()).count();
        assert_eq!(at_once(), 3);
        assert_eq!(addresses.admit(ip("192.0.2.1"), ONE), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(2));
        assert_eq!(at_once(), 2);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(at_once(), 3);
    }

    #[test]
    fn r22_a_user_does_not_fill_the_audit_and_is_kept_from_nothing_else() {
        let (addresses, clock) = addresses(3, 10);
        let at_once = |what, user| (0..100).filter(|_| addresses.admit_lasting(what, user).is_ok()).count();
        assert_eq!(at_once(Lasting::Name, "@a:b"), 30);
        assert_eq!((at_once(Lasting::Enrollment, "@a:b"), at_once(Lasting::Name, "@c:d")), (30, 30));
        clock.advance(Duration::from_secs(120));
        assert_eq!(at_once(Lasting::Name, "@a:b"), 2);
        clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(at_once(Lasting::Name, "@a:b"), 30);
    }

    /// A limiter on the wall clock would keep everybody out for as long as the clock was set back.
    #[test]
    fn a_clock_that_is_set_changes_nothing() {
        let (addresses, clock) = addresses(1, 10);
        assert!(addresses.admit(ip("192.0.2.1"), ONE).is_ok());
        clock.jump(Timestamp::from_millis(0));
        assert_eq!(addresses.admit(ip("192.0.2.1"), ONE), Err(Duration::from_secs(1)));
        clock.jump(Timestamp::from_millis(1_900_000_000_000));
        assert_eq!(addresses.admit(ip("192.0.2.1"), ONE), Err(Duration::from_secs(1)));
    }

    #[test]
    fn r21_an_ipv6_64_is_one_client_and_so_is_a_mapped_address() {
        let (addresses, _clock) = addresses(1, 10);
        assert!(addresses.admit(ip("2001:db8:1:2::1"), ONE).is_ok());
        assert!(addresses.admit(ip("2001:db8:1:2:ffff:ffff:ffff:ffff"), ONE).is_err());
        assert!(addresses.admit(ip("2001:db8:1:3::1"), ONE).is_ok());
        assert!(addresses.admit(ip("192.0.2.1"), ONE).is_ok());
        assert!(addresses.admit(ip("::ffff:192.0.2.1"), ONE).is_err());
    }

    #[test]
    fn whom_nobody_knows_is_not_limited() {
        let (addresses, _clock) = addresses(1, 10);
        for client in [None, ip("127.0.0.1"), ip("::1"), ip("::ffff:127.0.0.1")] {
            assert!((0..5).all(|_| addresses.admit(client, ONE).is_ok()), "{client:?}");
        }
        let clock = Arc::new(MockClock::new(Timestamp::default()));
        let counted = Addresses::new(AddressLimit { count_loopback: true, ..limit(1) }, clock.clone());
        assert_eq!((0..5).filter(|_| counted.admit(ip("127.0.0.1"), ONE).is_ok()).count(), 1);
        let off = Addresses::new(limit(0), clock);
        assert!((0..5).all(|_| off.admit(ip("192.0.2.1"), ONE).is_ok()));
    }

    #[test]
    fn a_request_that_needs_more_than_the_burst_is_still_let_through_sometimes() {
        let (addresses, clock) = addresses(1, 10);
        let two = NonZeroU32::new(2).expect("not zero");
        assert!(addresses.admit(ip("192.0.2.1"), two).is_ok());
        assert!(addresses.admit(ip("192.0.2.1"), two).is_err());
        clock.advance(Duration::from_secs(1));
        assert!(addresses.admit(ip("192.0.2.1"), two).is_ok());
    }

    /// Somebody with more addresses than the table has room for fills neither the memory nor gets round the limit.
    #[test]
    fn the_table_has_a_bound_and_the_limit_holds_past_it() {
        const FLOOD: u32 = 50_000;
        let (addresses, clock) = addresses(2, 1000);
        let flood = || (0..FLOOD).filter(|n| addresses.admit(Some(Ipv4Addr::from_bits(*n).into()), ONE).is_ok());
        let admitted = flood().count();
        assert!(admitted <= 1000 * 2 + usize::try_from(CROWDS).expect("fits") * 2, "{admitted}");
        let kept = addresses.limiter.as_ref().expect("a limit").len();
        assert!(kept <= 1000 + usize::try_from(CROWDS).expect("fits"), "{kept}");
        clock.advance(Duration::from_secs(60));
        for _ in 0..=TIDY {
            let _ = addresses.admit(ip("192.0.2.1"), ONE);
        }
        let kept = addresses.limiter.as_ref().expect("a limit").len();
        assert!(kept <= 2, "what is not recent was forgotten: {kept}");
    }
}
