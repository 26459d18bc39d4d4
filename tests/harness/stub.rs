//! An upstream that a test controls, byte by byte, for what no real homeserver can be made to do. It remembers every request as it arrived.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request line and the headers, in the order and the case in which they came.
    pub head: String,
    /// Of the request line.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Without chunks.
    pub body: Vec<u8>,
}

impl Asked {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The access token of the header.
    pub fn token(&self) -> Option<String> {
        Some(self.header("authorization").first()?.strip_prefix("Bearer ")?.to_owned())
    }
}

/// What to answer.
pub enum Reply {
    /// JSON.
    Json(u16, Value),
    /// These bytes, head and all.
    Raw(Vec<u8>),
    /// Whatever this does with the connection, which is closed afterwards.
    Own(Box<dyn FnOnce(&mut TcpStream) + Send>),
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A listening stub; it goes on until the process ends.
#[derive(Clone)]
pub struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Starts one.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stub = Self { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (asked, answer) = (Arc::clone(&stub.asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                // Whoever hangs up has read enough.
                std::thread::spawn(move || serve(stream, &asked, &*answer));
            }
        });
        stub
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived so far.
    pub fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What arrived so far, which is then forgotten.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked())
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, answer: &Answer) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let request = read(&mut reader)?;
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        match answer(&request) {
            Reply::Json(status, body) => {
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
            }
            Reply::Raw(bytes) => stream.write_all(&bytes).ok()?,
            Reply::Own(act) => {
                act(&mut stream);
                return None;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[start..] == "\r\n" {
            break;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { head, method, target, body: Vec::new() };
    if asked.header("transfer-encoding").iter().any(|coding| coding == "chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            asked.body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = asked.header("content-length").first() {
        asked.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut asked.body).ok()?;
    }
    Some(asked)
}
