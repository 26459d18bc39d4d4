//! Bodies that may take as long as they move.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body that ends with an error when nothing of it arrives for too long.
pub(super) struct Patient<B> {
    body: B,
    patience: Duration,
    /// Set while we wait.
    deadline: Option<Pin<Box<Sleep>>>,
    activity: Option<Arc<Activity>>,
}

/// When something of a body last moved.
pub(super) struct Activity {
    start: Instant,
    last_ms: AtomicU64,
    broken: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0), broken: AtomicBool::new(false) }
    }
}

impl Activity {
    fn moved(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    /// Did the body end with an error?
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Returns when nothing has moved for so long.
    pub(super) async fn silent_for(&self, silence: Duration) {
        loop {
            let until = self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed)) + silence;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl<B> Patient<B> {
    pub(super) fn new(body: B, patience: Duration, activity: Option<Arc<Activity>>) -> Self {
        Self { body, patience, deadline: None, activity }
    }
}

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("a body did not go on in time")]
struct Stalled;

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.deadline = None;
            if let Some(activity) = &this.activity {
                activity.moved();
                activity.broken.fetch_or(matches!(frame, Some(Err(_))), Ordering::Relaxed);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = this.patience;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(deadline.as_mut().poll(cx));
        if let Some(activity) = &this.activity {
            activity.broken.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
