//! What `matrix-2fa-core` promises, asked through its public transitions alone.
//!
//! * [`world`] one account with its phones, its clock and its ledger of what was committed; every other file plays with it.
//! * [`random_walk`] random sequences of everything that can happen, under a clock that also jumps back; an independent model watches.
//! * [`totp`], [`throttle`], [`enrollment`], [`recovery`], [`change`], [`session`], [`upkeep`], [`race`], [`policy`], [`issued`] one requirement a test, with its number.
//! * [`vectors`] the files of `spec/vectors`, through the same code path as a login.
//! * [`index`] that `spec/security.md` tells the truth.
//! * [`secrets`] what `Debug` and the audit show.
//!
//! A test is named after the requirement that it proves (`r02_...`); `spec/security.md` is the index.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod change;
mod enrollment;
mod index;
mod issued;
mod policy;
mod race;
mod random_walk;
mod recovery;
mod secrets;
mod session;
mod throttle;
mod totp;
mod upkeep;
mod vectors;
mod world;
