//! The model: what the world saw, and what must therefore be answered. It shares no code with the account.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use matrix_2fa_core::{
    Account, EventKind, Policy, Stage, TotpCode,
    account::{Confirmation, ReserveOutcome, SettleOutcome, TotpOutcome},
    throttle::{ClientTag, Decision, TOTP},
};

use super::Act;
use crate::world::{TOKEN, World, paper, plain, stray_code};

/// What the world saw.
#[derive(Default)]
pub struct Model {
    /// The highest step ever accepted of each authenticator, its confirmation included.
    burnt: BTreeMap<String, u64>,
    /// Recovery codes spent: the set's salt and the place.
    spent: BTreeSet<([u8; 16], usize)>,
    pending_fails: u32,
}

impl Model {
    pub fn play(&mut self, world: &mut World, act: &Act) {
        match *act {
            Act::Wait(ms) | Act::JumpAhead(ms) => world.wait(Duration::from_millis(ms)),
            Act::JumpBack(ms) => world.now = world.now.minus(Duration::from_millis(ms)),
            Act::Client(tag) => world.client = ClientTag(tag),
            Act::Policy(policy) => world.policy = policy,
            Act::Code { place, offset } => self.code(world, place, offset),
            Act::WrongCode => self.wrong(world),
            Act::WrongCodes(n) => self.wrong_in_a_row(world, n),
            Act::NoCode => {
                let before = world.account.clone();
                let outcome = world.verify_raw(None);
                assert_ne!(outcome, TotpOutcome::Verified);
                assert_eq!(world.account, before, "not evaluated, not charged");
            }
            Act::Recover(place) => self.recover(world, place),
            Act::RecoverWrong => {
                let outcome = world.recover(&stray_code());
                assert!(matches!(outcome, Ok(SettleOutcome::Wrong) | Err(_)), "{outcome:?}");
            }
            Act::ReserveAndDie => {
                world.reserve();
            }
            Act::ReserveAndAbandon => {
                let before = world.account.recovery_throttle().run();
                if let (id, ReserveOutcome::Reserved) = world.reserve() {
                    let transition = world.account.abandon_recovery(id);
                    world.commit(transition);
                    assert_eq!(world.account.recovery_throttle().run(), before);
                }
            }
            Act::Begin { twin } => self.begin(world, twin),
            Act::Confirm { right, token } => self.confirm(world, right, token),
            Act::Remove(place) => {
                let Some(authenticator) = world.account.authenticators().get(place) else { return };
                let transition = world.account.remove(&world.context(), world.policy, &authenticator.id);
                if world.commit(transition).is_err() {
                    assert!(world.policy == Policy::Required && world.account.authenticators().len() == 1);
                }
            }
            Act::Disable => {
                let enrolled = world.account.is_enrolled();
                let transition = world.account.disable(&world.context(), world.policy);
                let done = world.commit(transition).is_ok();
                assert_eq!(done, enrolled && world.policy != Policy::Required);
            }
            Act::DropRecovery => {
                let transition = world.account.drop_recovery(&world.context());
                let _none_to_drop = world.commit(transition);
            }
            Act::Regenerate => {
                let set = world.new_set();
                let transition = world.account.regenerate(&world.context(), set);
                assert_eq!(world.commit(transition).is_ok(), world.account.is_enrolled());
            }
            Act::Unlock => {
                let transition = world.account.unlock(&world.context());
                world.commit(transition);
            }
            Act::Reset => {
                let transition = world.account.reset(&world.context());
                world.commit(transition);
            }
        }
    }

    /// Authenticators that show `code` somewhere in the window, each with the highest such step.
    fn shown_by(world: &World, code: &str) -> Vec<(String, u64)> {
        let active = world.account.authenticators().iter().filter(|a| a.locked_at.is_none());
        let present = world.now.as_secs() / 30;
        active
            .filter_map(|authenticator| {
                let seed = world.seed(&authenticator.id);
                let steps = present.saturating_sub(1)..=present + 1;
                let highest = steps.rev().find(|step| plain(&seed, *step).as_deref() == Some(code))?;
                Some((authenticator.id.clone(), highest))
            })
            .collect()
    }

    fn code(&mut self, world: &mut World, place: usize, offset: i64) {
        let Some(authenticator) = world.account.authenticators().get(place) else { return };
        let Some(step) = (world.now.as_secs() / 30).checked_add_signed(offset) else { return };
        let code = plain(&world.seed(&authenticator.id), step).expect("default parameters");
        let shown = Self::shown_by(world, &code);
        let fresh = shown.iter().any(|(id, step)| self.burnt.get(id).is_none_or(|burnt| step > burnt));
        let before = world.account.clone();
        let may = world.account.totp_throttle().decide(&TOTP, world.now, world.client);
        match world.verify(&TotpCode::parse(&code).expect("six digits")) {
            TotpOutcome::Verified => {
                assert!(fresh, "an accepted step, or one below it, was accepted again");
                assert_eq!(may, Decision::Allow);
                assert_eq!(world.account.totp_throttle().run(), 0);
                for (id, step) in shown {
                    let burnt = self.burnt.entry(id).or_insert(step);
                    *burnt = step.max(*burnt);
                }
            }
            TotpOutcome::Replayed => {
                assert!(!fresh && !shown.is_empty());
                assert_eq!(world.account.totp_throttle(), before.totp_throttle(), "a replay is not a guess");
            }
            TotpOutcome::Wrong => {
                assert!(shown.is_empty(), "a right code was refused without need");
                Self::charged(&before, world);
            }
            TotpOutcome::Wait(_) => {
                assert_ne!(may, Decision::Allow);
                assert_eq!(world.account, before, "not consumed, not charged");
            }
            TotpOutcome::Locked => {
                assert!(before.authenticators().iter().all(|a| a.locked_at.is_some()));
                assert_eq!(world.account, before);
            }
            TotpOutcome::NotEnrolled => unreachable!("it has an authenticator"),
        }
    }

    fn wrong(&mut self, world: &mut World) {
        let code = world.wrong_code();
        let before = world.account.clone();
        match world.verify(&code) {
            TotpOutcome::Wrong => Self::charged(&before, world),
            TotpOutcome::Wait(until) => {
                assert!(until > world.now);
                assert_eq!(world.account, before);
            }
            TotpOutcome::Locked | TotpOutcome::NotEnrolled => assert_eq!(world.account, before),
            other => unreachable!("{other:?}"),
        }
    }

    fn wrong_in_a_row(&mut self, world: &mut World, n: u8) {
        for _ in 0..n {
            if let Decision::Wait(until) = world.account.totp_throttle().decide(&TOTP, world.now, world.client) {
                world.now = until;
            }
            self.wrong(world);
        }
    }

    /// The same value that answers "wrong" carries the charge, the audit, and the lock if it was one too many.
    fn charged(before: &Account, world: &World) {
        let (old, new) = (before.totp_throttle(), world.account.totp_throttle());
        assert_eq!(new.run(), old.run() + 1);
        let failed = world.events.iter().rev().find(|event| matches!(event.kind, EventKind::FactorFailed { .. }));
        let kind = EventKind::FactorFailed { stage: Stage::Totp, run: new.run() };
        assert_eq!(failed.map(|event| (&event.kind, event.at)), Some((&kind, world.now)));

        let wait = match new.run() {
            0..5 => Duration::ZERO,
            run => Duration::from_secs((30u64 << (run - 5).min(20)).min(3600)),
        };
        let until = world.now.plus(wait);
        let expected = if wait.is_zero() { Decision::Allow } else { Decision::Wait(until) };
        assert_eq!(new.decide(&TOTP, world.now, world.client), expected);

        let active = before.authenticators().iter().filter(|a| a.locked_at.is_none()).count();
        let limit = 100 / active;
        let over = new.run() as usize >= limit || new.recent() >= limit;
        assert_eq!(
            world.account.is_locked(),
            over,
            "locked at {limit}: {} in a row, {} in 30 days",
            new.run(),
            new.recent()
        );
    }

    fn recover(&mut self, world: &mut World, place: usize) {
        let Some(set) = world.account.recovery() else { return };
        let salt = set.salt;
        let before = world.account.clone();
        match world.recover(&paper(&salt, place)) {
            Ok(SettleOutcome::Verified { remaining }) => {
                assert!(self.spent.insert((salt, place)), "a recovery code was accepted twice");
                assert_eq!(remaining + 1, before.recovery_remaining());
                assert_eq!(world.account.recovery_throttle().run(), 0);
            }
            Ok(SettleOutcome::Replayed) => assert!(self.spent.contains(&(salt, place))),
            Ok(other) => unreachable!("{other:?}"),
            Err(ReserveOutcome::NotEnrolled) => assert_eq!(before.recovery_remaining(), 0),
            Err(_) => assert_eq!(world.account, before, "not consumed, not charged"),
        }
        assert_eq!(world.account.authenticators(), before.authenticators());
        assert_eq!(world.account.totp_throttle(), before.totp_throttle(), "the two budgets never mix");
    }

    pub fn begin(&mut self, world: &mut World, twin: bool) {
        let before = world.account.clone();
        let begun = match before.authenticators().first() {
            Some(first) if twin => world.begin_with_seed(world.seed(&first.id)),
            _ => world.begin(),
        };
        if begun.is_ok() {
            assert_ne!(world.policy, Policy::Disallowed);
            self.pending_fails = 0;
        }
        assert_eq!(world.account.authenticators(), before.authenticators());
        assert_eq!(world.account.recovery(), before.recovery());
        assert_eq!(world.account.totp_throttle(), before.totp_throttle());
    }

    pub fn confirm(&mut self, world: &mut World, right: bool, token: bool) {
        let Some(pending) = world.account.pending(world.now).cloned() else { return };
        let seed = world.seed(&pending.id);
        let present = world.now.as_secs() / 30;
        let code = if right {
            TotpCode::parse(&plain(&seed, present).expect("default parameters")).expect("six digits")
        } else {
            world.wrong_code()
        };
        let before = world.account.clone();
        let outcome = world.confirm_with(&pending.id, if token { &TOKEN } else { &[0; 32] }, Some(&code));
        match outcome {
            Confirmation::Confirmed { first, .. } => {
                assert!(right && token);
                assert_eq!(first, !before.is_enrolled());
                let same = |step: &u64| plain(&seed, *step) == plain(&seed, present);
                let highest = (present..=present + 1).rfind(same).expect("it was accepted");
                self.burnt.insert(pending.id, highest);
                if !first {
                    assert_eq!(world.account.recovery(), before.recovery());
                }
            }
            Confirmation::Wrong { discarded } => {
                assert!(!right && token);
                self.pending_fails += 1;
                assert_eq!(discarded, self.pending_fails == 5);
                assert_eq!(world.account.pending(world.now).is_none(), discarded);
            }
            Confirmation::Unknown => {
                assert!(!token);
                assert_eq!(world.account, before);
            }
        }
        if before.is_locked() && !world.account.is_locked() {
            assert_eq!((world.account.totp_throttle().run(), world.account.totp_throttle().recent()), (0, 0));
        } else {
            assert_eq!(world.account.totp_throttle(), before.totp_throttle(), "a budget of its own");
        }
    }
}
