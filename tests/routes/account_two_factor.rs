//! The endpoints of the proposal.

mod authenticators;
mod confirm;
mod disable;
mod enable;
mod recovery;
mod required;
mod status;
mod totp;
