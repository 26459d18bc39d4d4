//! What to do about an error: try again, or give up.

use deadpool_postgres::{HookError, PoolError};
use matrix_2fa_store::StoreError;
use tokio_postgres::error::SqlState;

/// Why something was not done. Unless it says otherwise, nothing of it happened.
#[derive(Debug)]
pub enum Failure {
    /// The connection, the server or a lock: it may go well the next time.
    Again(Cause),
    /// It will not go well: the statement, the data, a right that is missing.
    Refused(Cause),
}

pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_passing(&error) { Self::Again(Box::new(error)) } else { Self::Refused(Box::new(error)) }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(_) => Self::Again(Box::new(error)),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Refused(Box::new(error))
            }
        }
    }
}

impl Failure {
    /// What the server calls it, if it was the server that said so.
    pub fn code(&self) -> Option<&SqlState> {
        let (Self::Again(cause) | Self::Refused(cause)) = self;
        cause.downcast_ref::<tokio_postgres::Error>()?.code()
    }

    pub fn into_cause(self) -> Cause {
        match self {
            Self::Again(cause) | Self::Refused(cause) => cause,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.into_cause())
    }
}

fn is_passing(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // No answer of the server at all: the connection, unless it is our own arguments that do not fit.
        return error.is_closed() || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
    };
    // Connections; the server stops or starts; too many connections; locks, deadlocks, time; a server that became a standby.
    code.code().starts_with("08")
        || [
            &SqlState::ADMIN_SHUTDOWN,
            &SqlState::CRASH_SHUTDOWN,
            &SqlState::CANNOT_CONNECT_NOW,
            &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            &SqlState::TOO_MANY_CONNECTIONS,
            &SqlState::QUERY_CANCELED,
            &SqlState::LOCK_NOT_AVAILABLE,
            &SqlState::T_R_SERIALIZATION_FAILURE,
            &SqlState::T_R_DEADLOCK_DETECTED,
            &SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(&code)
}
