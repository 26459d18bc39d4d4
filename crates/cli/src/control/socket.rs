//! The server's end: HTTP over a Unix socket that only the owner of the data can reach. `POST /` an act; the answer is a line of JSON for
//! everything that is heard of it.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use tokio::net::UnixListener;

use super::{Act, socket_file, start};
use crate::{data::Data, failure::Failure, settings::Settings};

/// Listens as long as the server lives. Acts that are under way when it stops are cut short; each can be done again.
pub fn serve(data: Data, settings: &Settings) -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let path = socket_file(settings);
    if UnixStream::connect(&path).is_ok() {
        let folder = settings.data.display();
        return Err(Failure::start(format!(
            "another server runs in {folder}: give this one a folder of its own (--data)"
        )));
    }
    let listener = bind(&path).map_err(|error| {
        Failure::start(format!(
            "cannot make the socket {}: {error}; a data folder with a shorter path may help",
            path.display()
        ))
    })?;
    let routes = Router::new().route("/", post(act)).with_state(data);
    let gone = Gone(path);
    Ok(async move {
        let _gone = gone;
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the control socket is closed");
        }
    })
}

/// Whoever can write to the socket rules the server. So it gets its mode in a folder that nobody else can enter, and its name after that.
/// One that lies there already is of a server that was killed: it did not answer.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let private = path.with_extension("new");
    if private.exists() {
        fs::remove_dir_all(&private)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&private)?;
    let new = private.join("s");
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    fs::remove_dir(&private)?;
    Ok(listener)
}

/// Removes the socket at the end.
struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        // If it stays, the next command finds that nobody answers.
        let _ = fs::remove_file(&self.0);
    }
}

async fn act(State(data): State<Data>, body: Bytes) -> Response {
    let Ok(act) = serde_json::from_slice::<Act>(&body) else {
        return (StatusCode::BAD_REQUEST, "this server does not know that act: is it of the same version?")
            .into_response();
    };
    tracing::info!(?act, "asked by the administrator");
    let lines = stream::unfold(start(act, data, true), |mut heard| async {
        let mut line = serde_json::to_vec(&heard.recv().await?).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, io::Error>(line), heard))
    });
    Body::from_stream(lines).into_response()
}
