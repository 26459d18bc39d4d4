//! A body that is too large to be kept: passed on, but cut before the value of a token. A word is held back until it is known to be
//! another one, so not even the key arrives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{BoxError, body::Body};
use bytes::{Bytes, BytesMut};
use http_body::Frame;

const WORDS: [&[u8]; 2] = [b"access_token", b"refresh_token"];

/// The longest of them, but for its last letter.
const HELD: usize = b"refresh_token".len() - 1;

/// Does one of the words stand here, in any case?
pub(super) fn has_a_word(bytes: &[u8]) -> bool {
    WORDS.iter().any(|word| bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)))
}

/// What was read already, and the rest of it, scanned or not.
pub(super) fn rest(read: Bytes, body: Body, scanned: bool) -> Body {
    Body::new(Rest { pending: read.into(), body, scanned, over: false })
}

struct Rest {
    /// Not yet passed on: what was read in advance, later what may be the beginning of the word.
    pending: BytesMut,
    body: Body,
    scanned: bool,
    over: bool,
}

/// The answer goes no further.
#[derive(Debug, thiserror::Error)]
#[error("a large answer has a token in it")]
struct Cut;

impl Rest {
    /// What of the pending bytes may go.
    fn release(&mut self) -> Result<Bytes, Cut> {
        if !self.scanned {
            return Ok(self.pending.split().freeze());
        }
        if has_a_word(&self.pending) {
            tracing::error!(
                "an answer of an endpoint that is in no row of the table of doors is large and has a token in it; it was cut"
            );
            return Err(Cut);
        }
        let held = if self.over { 0 } else { HELD };
        let free = self.pending.len().saturating_sub(held);
        Ok(self.pending.split_to(free).freeze())
    }
}

impl http_body::Body for Rest {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let free = this.release()?;
            if !free.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(free))));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => this.over = true,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.pending.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn passed(parts: &'static [&'static str]) -> (String, bool) {
        let parts = parts.iter().map(|part| Ok::<_, BoxError>(Bytes::from_static(part.as_bytes())));
        let stream = futures_util::stream::iter(parts);
        let mut body = rest(Bytes::from_static(b"{\"a\":\""), Body::from_stream(stream), true);
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text")),
                Err(_) => return (text, false),
            }
        }
        (text, true)
    }

    #[tokio::test]
    async fn a_large_answer_passes_and_ends_before_a_token() {
        let whole = passed(&["x", "access_", "tok", "e", "\"}"]).await;
        assert_eq!(whole, ("{\"a\":\"xaccess_toke\"}".to_owned(), true));
        let (text, ended) = passed(&["x\",\"acc", "ess", "_token\":\"secret\"}"]).await;
        assert!(!ended && !text.contains("acc") && text.starts_with("{\"a\""), "{text}");
    }
}
