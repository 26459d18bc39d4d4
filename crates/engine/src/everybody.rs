//! Work that visits every account, beside those who log in.

use matrix_2fa_core::event::SERVER;
use matrix_2fa_store::StoreError;
use tokio::task::JoinSet;

use crate::{Engine, EngineError};

/// Users read in one step.
const PAGE: usize = 512;
/// Accounts visited at the same time: their commits share a flush, and leave room for others.
const AT_ONCE: usize = 32;

impl Engine {
    /// Does `each` for every user who has an account or ever had an event; `page` gets the results, page by page. Who is added meanwhile may
    /// be left out.
    pub(crate) async fn everybody<T, F>(
        &self,
        each: impl Fn(Self, String) -> F,
        mut page: impl FnMut(Vec<T>),
    ) -> Result<(), EngineError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        // The server's own events have a user that sorts before all others.
        let mut after = SERVER.to_owned();
        loop {
            let users = self.store.users(Some(&after), PAGE).await?;
            let Some(last) = users.last() else { return Ok(()) };
            after.clone_from(last);
            let mut results = Vec::with_capacity(users.len());
            for some in users.chunks(AT_ONCE) {
                let mut tasks: JoinSet<_> = some.iter().map(|user| each(self.clone(), user.clone())).collect();
                while let Some(done) = tasks.join_next().await {
                    results.push(done.map_err(|error| StoreError::Unavailable(Box::new(error)))??);
                }
            }
            page(results);
        }
    }
}
