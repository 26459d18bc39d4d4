//! For whom the upstream is asked: the address of the client whose request is being answered. The upstream's own limits and device lists go
//! by it, and the module's trait has no place for what only a host behind HTTP needs.

use std::net::IpAddr;

use matrix_2fa::homeserver::HostError;

tokio::task_local! {
    static CLIENT: Option<IpAddr>;
}

/// Answers a request of this client.
pub(crate) async fn of<T>(client: Option<IpAddr>, answer: impl Future<Output = T>) -> T {
    CLIENT.scope(client, answer).await
}

/// The client whose request is being answered.
pub(crate) fn client() -> Option<IpAddr> {
    CLIENT.try_with(|client| *client).ok().flatten()
}

/// Answers to the end, even if the client hangs up meanwhile.
pub(crate) async fn to_the_end<T: Send + 'static>(
    answer: impl Future<Output = T> + Send + 'static,
) -> Result<T, HostError> {
    let ended = tokio::spawn(of(client(), answer)).await;
    ended.map_err(|panicked| HostError::Unavailable(Box::new(panicked)))
}
