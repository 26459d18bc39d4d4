//! One account and everything around it that a homeserver would hold: phones, paper with recovery codes, a clock, a committed value.

use std::{collections::BTreeMap, time::Duration};

use matrix_2fa_core::{
    Account, Context, Event, Params, Policy, Proof, RecoveryCode, RecoverySet, SealedSeed, Seed, Timestamp, TotpCode,
    Transition,
    account::{
        BeginRefused, Confirmation, NewAuthenticator, OpenedSeed, PendingAuthenticator, ReserveOutcome, SettleOutcome,
        TotpOutcome,
    },
    event::Origin,
    recovery::{CODE_BYTES, CODES, HashParams},
    secret::RecoveryDigest,
    throttle::{ClientTag, TOTP},
    totp::{SKEW, code_at},
};

/// The access token that begins and confirms enrollments.
pub const TOKEN: [u8; 32] = [7; 32];
/// Nothing special about it: somewhere in the middle of a time step.
pub const START: Timestamp = Timestamp::from_millis(1_750_000_012_345);
/// One step of every authenticator that enrollment makes.
pub const STEP: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct World {
    pub account: Account,
    pub now: Timestamp,
    pub client: ClientTag,
    pub policy: Policy,
    pub events: Vec<Event>,
    seeds: BTreeMap<String, Seed>,
    made: u8,
    sets: u8,
    hashes: u64,
}

impl World {
    pub fn new() -> Self {
        Self {
            account: Account::default(),
            now: START,
            client: ClientTag(1),
            policy: Policy::OptIn,
            events: Vec::new(),
            seeds: BTreeMap::new(),
            made: 0,
            sets: 0,
            hashes: 0,
        }
    }

    /// A world whose account has `n` authenticators and recovery codes, a step after the last confirmation.
    pub fn enrolled(n: usize) -> Self {
        let mut world = Self::new();
        for _ in 0..n {
            world.enroll();
        }
        world
    }

    pub fn context(&self) -> Context {
        Context {
            user: "@alice:example.org".to_owned(),
            now: self.now,
            origin: Origin::default(),
            client: self.client,
            proof: Proof::SecondFactor,
            budget: TOTP,
        }
    }

    /// What a store does: the next value and its events count together. A transition that changes nothing may not audit anything.
    pub fn commit<O>(&mut self, transition: Transition<O>) -> O {
        if let Some(account) = transition.account {
            self.account = account;
        } else {
            assert_eq!(transition.events, [], "an event without a commit is lost");
        }
        self.events.extend(transition.events);
        transition.outcome
    }

    pub fn wait(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    // --- phones ---

    pub fn seed(&self, id: &str) -> Seed {
        self.seeds.get(id).cloned().expect("an authenticator of this world")
    }

    pub fn opened(&self) -> Vec<OpenedSeed> {
        self.seeds.iter().map(|(id, seed)| OpenedSeed { id: id.clone(), seed: seed.clone() }).collect()
    }

    pub fn id(&self, place: usize) -> String {
        self.account.authenticators()[place].id.clone()
    }

    /// What the phone of authenticator `place` shows at `at`.
    pub fn code_at(&self, place: usize, at: Timestamp) -> TotpCode {
        code_at(Params::default(), &self.seed(&self.id(place)), at).expect("default parameters")
    }

    pub fn code(&self, place: usize) -> TotpCode {
        self.code_at(place, self.now)
    }

    /// A code that no authenticator, confirmed or pending, shows in the window.
    pub fn wrong_code(&self) -> TotpCode {
        let shown: Vec<String> = self.seeds.values().flat_map(|seed| window(seed, self.now)).collect();
        let wrong = (0..1_000_000).map(|n| format!("{n:06}")).find(|code| !shown.contains(code));
        TotpCode::parse(&wrong.expect("a window shows a few codes only")).expect("six digits")
    }

    // --- enrollment ---

    pub fn begin(&mut self) -> Result<PendingAuthenticator, BeginRefused> {
        self.made = self.made.wrapping_add(1);
        self.begin_with_seed(Seed::from_bytes((0..20u8).map(|i| i.wrapping_mul(31) ^ self.made).collect()))
    }

    /// What the engine would make next.
    pub fn new_authenticator(&self) -> NewAuthenticator {
        let id = format!("a{}", self.seeds.len());
        let seed = SealedSeed { key_id: "k".to_owned(), nonce: vec![0; 12], ciphertext: vec![0; 36] };
        NewAuthenticator { id, name: "phone".to_owned(), seed, bound_to: TOKEN }
    }

    pub fn begin_with_seed(&mut self, seed: Seed) -> Result<PendingAuthenticator, BeginRefused> {
        let new = self.new_authenticator();
        self.seeds.insert(new.id.clone(), seed);
        let transition = self.account.begin_enrollment(&self.context(), self.policy, new);
        self.commit(transition)
    }

    pub fn confirm_with(&mut self, id: &str, token: &[u8; 32], code: Option<&TotpCode>) -> Confirmation {
        let seed = OpenedSeed { id: id.to_owned(), seed: self.seed(id) };
        let set = self.new_set();
        let transition = self.account.confirm(&self.context(), token, &seed, code, Some(set));
        self.commit(transition)
    }

    /// Enrolls, confirms with the code of now, and moves on by two steps so that fresh codes exist.
    pub fn enroll(&mut self) -> String {
        let pending = self.begin().expect("allowed");
        self.confirm_now(&pending.id)
    }

    pub fn enroll_with_seed(&mut self, seed: Seed) -> String {
        let pending = self.begin_with_seed(seed).expect("allowed");
        self.confirm_now(&pending.id)
    }

    fn confirm_now(&mut self, id: &str) -> String {
        let code = code_at(Params::default(), &self.seed(id), self.now).expect("default parameters");
        let confirmed = self.confirm_with(id, &TOKEN, Some(&code));
        assert!(matches!(confirmed, Confirmation::Confirmed { .. }), "{confirmed:?}");
        self.wait(2 * STEP);
        id.to_owned()
    }

    // --- verification ---

    pub fn verify(&mut self, code: &TotpCode) -> TotpOutcome {
        self.verify_raw(Some(code))
    }

    pub fn verify_raw(&mut self, code: Option<&TotpCode>) -> TotpOutcome {
        let transition = self.account.verify_totp(&self.context(), code, &self.opened());
        self.commit(transition)
    }

    pub fn fail(&mut self) -> TotpOutcome {
        self.verify(&self.wrong_code())
    }

    /// Fails as soon as each wait is over. Stops when the account is locked. Returns how many were evaluated.
    pub fn fail_until_locked(&mut self) -> usize {
        let mut evaluated = 0;
        while !self.account.is_locked() {
            assert!(evaluated <= 100, "nothing locks");
            match self.fail() {
                TotpOutcome::Wrong => evaluated += 1,
                TotpOutcome::Wait(until) => self.now = until,
                other => unreachable!("{other:?}"),
            }
        }
        evaluated
    }

    // --- recovery ---

    /// A set that knows [`paper`]'s codes of its own number.
    pub fn new_set(&mut self) -> RecoverySet {
        self.sets = self.sets.wrapping_add(1);
        let salt = [self.sets; 16];
        let digests = (0..CODES).map(|place| slow_hash(&salt, &paper(&salt, place))).collect();
        RecoverySet::new(salt, HashParams::default(), self.now, digests)
    }

    pub fn salt(&self) -> [u8; 16] {
        self.account.recovery().expect("recovery codes").salt
    }

    /// The code at `place` on the paper of the present set.
    pub fn recovery_code(&self, place: usize) -> RecoveryCode {
        paper(&self.salt(), place)
    }

    pub fn reserve(&mut self) -> (u64, ReserveOutcome) {
        self.hashes += 1;
        let transition = self.account.reserve_recovery(&self.context(), self.hashes);
        (self.hashes, self.commit(transition))
    }

    pub fn settle(&mut self, reservation: u64, salt: &[u8; 16], code: &RecoveryCode) -> SettleOutcome {
        let digest = slow_hash(salt, code);
        let transition = self.account.settle_recovery(&self.context(), reservation, salt, &digest);
        self.commit(transition)
    }

    /// The whole try: reserve, hash, settle.
    pub fn recover(&mut self, code: &RecoveryCode) -> Result<SettleOutcome, ReserveOutcome> {
        match self.reserve() {
            (id, ReserveOutcome::Reserved) => {
                let salt = self.salt();
                Ok(self.settle(id, &salt, code))
            }
            (_, refused) => Err(refused),
        }
    }
}

/// Every code that a seed shows in the accepted window.
fn window(seed: &Seed, now: Timestamp) -> Vec<String> {
    (0..=2 * SKEW)
        .filter_map(|i| {
            let step = (now.as_secs() / 30 + i).checked_sub(SKEW)?;
            plain(seed, step)
        })
        .collect()
}

/// The characters that a phone with this seed shows in a step: asked of the library by step, as the account never does.
pub fn plain(seed: &Seed, step: u64) -> Option<String> {
    totp_rs::Builder::new()
        .with_secret(seed.expose().to_vec())
        .build()
        .ok()
        .map(|totp| totp.generate(step * 30).to_string())
}

/// The code at `place` of the paper that belongs to a salt.
pub fn paper(salt: &[u8; 16], place: usize) -> RecoveryCode {
    let mut bytes = [0x5a; CODE_BYTES];
    bytes[0] = salt[0];
    bytes[1] = u8::try_from(place).expect("ten places");
    RecoveryCode::from_random(bytes)
}

/// A code that is on no paper.
pub fn stray_code() -> RecoveryCode {
    RecoveryCode::from_random([0xff; CODE_BYTES])
}

/// Stands for the engine's Argon2id, which this crate never sees: a function of salt and code, injective for these tests.
pub fn slow_hash(salt: &[u8; 16], code: &RecoveryCode) -> RecoveryDigest {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(code.expose());
    digest[16..].copy_from_slice(salt);
    RecoveryDigest::from_bytes(digest)
}
