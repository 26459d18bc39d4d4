//! The gateway: second factors for any homeserver, unmodified. It stands between the TLS proxy and the homeserver (the *upstream*), answers
//! what belongs to second factors itself with `matrix-2fa` embedded as any homeserver would, guards every door to a token, and passes on
//! the rest as it is.
//!
//! How it hangs together: [`app`] takes every request (`router.rs`) · [`UpstreamHomeserver`] implements the module's
//! [`Homeserver`](matrix_2fa::homeserver::Homeserver) over HTTP in `host.rs` · `upstream.rs` is the client underneath.
//!
//! Two rules hold everywhere. Nothing of a guarded operation goes upstream before our stages are done, and then only bodies that we built. A
//! token of the upstream's is kept nowhere: it reaches the client that earned it, or it is logged out at once.

mod host;
mod router;
mod settings;
mod upstream;

pub use host::UpstreamHomeserver;
pub use router::app;
pub use settings::{GatewayError, GatewaySettings};
