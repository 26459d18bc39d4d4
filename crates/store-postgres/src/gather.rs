//! Who wakes first brings the others along: before what waits is taken, others may run who are about to join it.

use std::collections::VecDeque;

use tokio::sync::mpsc::Receiver;

/// How often others may run.
const TURNS: usize = 4;

/// Takes what comes in the next turns, for as long as something does and fewer than `limit` wait.
pub async fn gather<T>(queue: &mut Receiver<T>, waiting: &mut VecDeque<T>, limit: usize) {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        let before = waiting.len();
        while waiting.len() < limit
            && let Ok(next) = queue.try_recv()
        {
            waiting.push_back(next);
        }
        if waiting.len() == before {
            break;
        }
    }
}
