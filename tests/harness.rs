//! The manual of the harness.
//!
//! ```ignore
//! #[test]
//! fn a_locked_door_stays_shut() {
//!     let server = Server::start();                    // one for each test; stopped when it goes out of scope
//!     let user = server.enrolled_user();               // registered, with one authenticator and ten recovery codes
//!     let session = user.challenge();                  // POST /login with the password: 401, and the session of its answer
//!     let answer = user.finish(&session, user.totp()); // POST /login with `auth`: a stage with a code that was never used
//!     answer.is(200);
//! }
//! ```
//!
//! * **Which server?** [`Server::start`] takes `CONFORMANCE_BASE_URL` if it is set, else it starts the binary that `MATRIX_2FA_BIN_TEST_CLOCK`
//!   names on a free port over an empty data folder. A test that needs more than HTTP says what with [`Server::start_with`]: to set the clock, to
//!   kill the process, to give it settings. Against a foreign server such a test prints "not applicable", is counted, and
//!   fails if `CONFORMANCE_STRICT=1`.
//! * **Which store?** That of the data folder; with `MATRIX_2FA_TEST_DATABASE=1` (`cargo xtask conformance --database`) every server has a database
//!   of its own in a PostgreSQL that the suite starts. Replicas over one database are [`Server::replica`].
//! * **Which homeserver?** Our own; with `MATRIX_2FA_TEST_GATEWAY=1` (`cargo xtask conformance --gateway`) a gateway before a real Synapse, in the same
//!   tests. [`Server::gateway`] is always that.
//! * **Time** stands still unless a test moves it ([`Server::advance`], [`Server::set_clock`]). No test sleeps.
//! * **Codes** come from `oathtool`, a process for each one. [`Phone::code`] never shows the same step twice, and moves the server's
//!   clock when it has run out of steps; on a real clock three steps are open at a time: the enrollment takes the first, so a test has two.
//! * **Every answer** is checked before a test sees it: JSON, no 5xx, CORS, an `errcode` on every error, and the JSON schema of its
//!   endpoint in `spec/schemas`. [`Answer`] has the assertions, all of which print the whole answer.
//! * **Users** have names that were never used before, so tests share nothing, in any order and at any number of threads.

mod answer;
mod body;
mod browser;
mod database;
mod mail;
mod phone;
mod process;
mod request;
mod schema;
mod server;
mod stub;
mod synapse;
mod user;

pub use answer::Answer;
pub use body::{PASSWORD, RECOVERY, SSO, TOKEN, TOTP, auth, stage, with};
pub use browser::{Browser, Page};
pub use database::cluster;
pub use mail::MailServer;
pub use phone::{Phone, oathtool};
pub use process::{clean_command, client_tool, server_binary};
pub use request::Request;
pub use server::{Needs, Server, simultaneously};
pub use stub::{Asked, Reply, Stub};
pub use synapse::{Synapse, synapse};
pub use user::{Enrolled, User, recovery_codes};

/// The stable prefix; relative paths of requests are under it.
pub const V3: &str = "/_matrix/client/v3/";
/// The prefix of old clients.
pub const R0: &str = "/_matrix/client/r0/";
/// The prefix of the proposal.
pub const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc1998/";
/// A period of every authenticator that the server makes, in milliseconds.
pub const STEP_MS: u64 = 30_000;
/// A minute, in milliseconds.
pub const MINUTE_MS: u64 = 60_000;
