//! The conformance suite: black box, over HTTP, against a server that it starts itself or against `CONFORMANCE_BASE_URL`.
//!
//! * [`harness`] starts servers, speaks HTTP, makes codes with an independent authenticator, and checks every answer against its schema.
//!   Its module doc is the manual.
//! * [`routes`] mirrors the URLs: one endpoint a file.
//! * [`uia`] is the interactive-auth dance: order, binding, polls, lifetime.
//! * [`codes`] is what a code may do: one use (races and sudden death included), windows, guessing, recovery.
//! * [`replicas`] is two servers over one PostgreSQL database: races, guessing, clocks, and the database going away.
//! * [`limits`] is what one address and the whole server may try; [`logs`] reads a server's log.
//! * [`bad_input`] is everything that nobody should send; [`clients`] runs real Matrix clients; [`command`] is the command line;
//!   [`operators`] is keys, backups and what a restore forgets; [`readme`] is the walk of the README;
//!   [`edges`] is the map of the crates.
//! * [`crash`] kills servers at random moments, and shows that it would find five faults.
//! * [`gateway`] is `matrix-2fa gateway` before a real Synapse: logins, guarded operations, other doors, and what a plain user sees of it.
//! * [`gateway_stub`] is the same before upstreams that no homeserver would be: raw bytes, mangled logins, the net, streams, kills.
//! * [`pages`] is the hosted pages, rule by rule; [`browser`] drives them in a real chromium.
//! * [`transcripts`] plays `spec/vectors/uia-transcripts.json`, request by request.
//!
//! A test that stands for a requirement carries its number: `r05_code_stays_spent_after_kill_9`. `spec/security.md` is the index.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod bad_input;
mod browser;
mod clients;
mod codes;
mod command;
mod crash;
mod edges;
mod gateway;
mod gateway_stub;
mod harness;
mod limits;
mod logs;
mod operators;
mod pages;
mod readme;
mod replicas;
mod routes;
mod transcripts;
mod uia;
