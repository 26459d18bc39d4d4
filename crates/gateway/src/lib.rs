//! The gateway: second factors for any homeserver, unmodified. It stands between the TLS proxy and the homeserver (the *upstream*), answers
//! what belongs to second factors itself with `matrix-2fa` embedded as any homeserver would, guards every door to a token, and passes on
//! the rest as it is.
//!
//! How it hangs together: `front.rs` judges every request by its path (`paths.rs`, `doors.rs`) · [`app`] has what is answered here
//! (`router.rs`); the rest is passed on (`proxy.rs`), some of it watched (`net.rs`) · [`UpstreamHomeserver`] implements the module's
//! [`Homeserver`](matrix_2fa::homeserver::Homeserver) over HTTP in `host.rs` · `login.rs` is `POST /login`, `guard.rs` every operation with
//! interactive auth, `upstream_auth.rs` the upstream's own · `amend.rs` the answers that say a little more · `policy.rs` bars who must enroll
//! first · `upstream.rs` is the client underneath.
//!
//! Two rules hold everywhere. Nothing of a guarded operation goes upstream before our stages are done, and then only bodies that we built. A
//! token of the upstream's is kept nowhere: it reaches the client that earned it, or it is logged out at once.

mod amend;
mod calls;
mod doors;
mod findings;
mod front;
mod guard;
mod health;
mod host;
mod login;
mod names;
mod net;
mod paths;
mod policy;
mod proxy;
mod router;
mod scope;
mod sealed;
mod settings;
mod token;
mod upstream;
mod upstream_auth;
mod users;

pub use doors::Opened;
pub use host::{Found, UpstreamHomeserver};
pub use router::app;
pub use settings::{AdminToken, GatewayError, GatewaySettings};
