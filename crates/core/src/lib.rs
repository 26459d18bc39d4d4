//! The pure heart of matrix-2fa: one account's second-factor state is one value, [`Account`], and everything that can happen to it is a
//! pure function of `(account, input, now)`.
//!
//! No I/O, no async, no clock, no random numbers: time arrives as a [`Timestamp`], randomness as bytes. What a caller must do is small:
//! load the value, call one transition, and compare-and-swap the result together with its events *before* it answers anybody
//! (`matrix-2fa-engine` does exactly that).
//!
//! Rooms: [`account`] the transitions · [`totp`] codes and time steps · [`recovery`] recovery codes · [`issued`] those of administrators · [`throttle`] the two budgets ·
//! [`odds`] what they are worth · [`drift`] whether the clock is right ·
//! [`policy`] who must have a factor · [`stage`] and [`flow`] the names on the wire · [`session`] one interactive-auth session ·
//! [`event`] what is audited · [`secret`] and [`time`] the types that keep secrets and clocks honest.

pub mod account;
pub mod drift;
pub mod event;
pub mod flow;
pub mod issued;
pub mod odds;
pub mod otpauth;
pub mod policy;
pub mod recovery;
pub mod secret;
pub mod session;
pub mod stage;
pub mod throttle;
pub mod time;
pub mod totp;

pub use account::{Account, Authenticator, Context, Proof, Transition};
pub use event::{Event, EventKind};
pub use flow::Flow;
pub use issued::IssuedCode;
pub use policy::{Policy, Rules, Standing};
pub use recovery::{RecoveryCode, RecoverySet};
pub use secret::{SealedSeed, Seed};
pub use session::{AuthSession, Operation};
pub use stage::{Stage, StagePrefix};
pub use time::{Clock, MockClock, Timestamp};
pub use totp::{Params, TimeStep, TotpCode};
