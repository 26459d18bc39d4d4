//! The command's end of the socket.

use std::{io::ErrorKind, path::Path};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Act, Heard};
use crate::failure::Failure;

/// A server that runs over this data folder.
pub struct Running(http1::SendRequest<Body>);

/// `None`: no server runs; what is left of its socket answers nobody.
pub async fn connect(path: &Path) -> Result<Option<Running>, Failure> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => {
            let path = path.display();
            return Err(Failure::start(format!("cannot reach the running server at {path}: {error}")));
        }
    };
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| Failure::because(&error))?;
    // Its end shows in the answer.
    tokio::spawn(async move { drop(connection.await) });
    Ok(Some(Running(sender)))
}

impl Running {
    /// Has the act done, and passes on what is heard until `hear` says that this was the end.
    pub async fn ask(
        mut self,
        act: &Act,
        mut hear: impl FnMut(Heard) -> Option<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let cut =
            || Failure::run("the server went away before it was done; what was begun goes on when it is asked again");
        let body = serde_json::to_vec(act).map_err(|error| Failure::because(&error))?;
        let request = Request::post("/").header("host", "localhost").body(Body::from(body));
        let request = request.map_err(|error| Failure::because(&error))?;
        let response = self.0.send_request(request).await.map_err(|_gone| cut())?;
        let (status, mut body) = (response.status(), response.into_body());
        let mut unread = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_gone| cut())?;
            unread.extend_from_slice(frame.data_ref().map_or(&[][..], Bytes::as_ref));
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                let heard = serde_json::from_slice(&line).map_err(|error| Failure::because(&error))?;
                if let Some(end) = hear(heard) {
                    return end;
                }
            }
        }
        if status == StatusCode::OK { Err(cut()) } else { Err(Failure::run(String::from_utf8_lossy(&unread))) }
    }
}
