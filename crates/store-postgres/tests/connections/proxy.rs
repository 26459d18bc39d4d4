//! A proxy before the database that cuts a connection at its COMMIT.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// Where to cut, once.
pub enum Cut {
    /// The COMMIT never arrives.
    BeforeCommit,
    /// It arrives; its answer does not.
    AfterCommit,
    /// The client's side is cut at once, and the COMMIT goes on its way when this says so.
    Hold(oneshot::Receiver<()>),
    /// As `AfterCommit`, and no other connection is let through afterwards.
    ForGood,
}

/// A running proxy.
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    closed: bool,
}

impl Proxy {
    pub async fn before(database: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(State::default())));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !shared.lock().unwrap().closed {
                    let server = TcpStream::connect(("127.0.0.1", database)).await.unwrap();
                    tokio::spawn(pass(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, state }
    }

    /// Cuts at the next COMMIT.
    pub fn cut(&self, cut: Cut) {
        self.state.lock().unwrap().cut = Some(cut);
    }

    pub fn has_cut(&self) -> bool {
        self.state.lock().unwrap().cut.is_none()
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().closed = false;
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, state: Arc<Mutex<State>>) {
    let (mut sent, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let Ok(n @ 1..) = read else { return };
                let commits = sent[..n].windows(7).any(|window| window == b"COMMIT\0");
                let cut = if commits { state.lock().unwrap().cut.take() } else { None };
                match cut {
                    None => server.write_all(&sent[..n]).await.unwrap(),
                    Some(Cut::BeforeCommit) => return,
                    Some(cut) => {
                        drop(client);
                        match cut {
                            Cut::Hold(go_on) => go_on.await.unwrap(),
                            Cut::ForGood => state.lock().unwrap().closed = true,
                            Cut::BeforeCommit | Cut::AfterCommit => {}
                        }
                        server.write_all(&sent[..n]).await.unwrap();
                        // Its answer means that it happened.
                        let _ = server.read(&mut answered).await;
                        return;
                    }
                }
            }
            read = server.read(&mut answered) => {
                let Ok(n @ 1..) = read else { return };
                if client.write_all(&answered[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
