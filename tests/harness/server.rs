//! A server under test: started here and stopped by its process id, or somebody else's.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use matrix_2fa_core::Account;
use matrix_2fa_store::Store as _;
use matrix_2fa_store_sled::{Options, SledStore};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Answer, Enrolled, Request, User,
    database::cluster,
    process::{Process, clean_command, server_binary, spawn},
    request::http_client,
    synapse::synapse,
};

/// What a test needs beyond HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs<'a> {
    /// To set the clock.
    Clock,
    /// To kill the process and start it again.
    Process,
    /// These `MATRIX_2FA_*` variables.
    Settings(&'a [(&'a str, &'a str)]),
    /// To take its disk away ([`Server::forbid_writing`]).
    Disk,
    /// A server as it is without `--open-registration`.
    ClosedRegistration,
}

/// A server. Clones are the same server; the last one stops it.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    client: Client,
    base_url: Mutex<String>,
    /// None: somebody else's server.
    process: Option<Process>,
    without_disk: AtomicBool,
    /// The database, if it is not the store in the data folder.
    database: Option<String>,
    /// It runs on the real time, or on what it takes for that.
    real_time: bool,
}

/// What a server of our own stands on.
#[derive(Clone, Copy, Default)]
struct Ground<'a> {
    /// The homeserver behind it, if it is a gateway.
    upstream: Option<&'a str>,
    database: Option<&'a str>,
    /// A folder of key files to copy, instead of a new one.
    keys: Option<&'a Path>,
}

/// Tests that could not say anything about a foreign server.
static NOT_APPLICABLE: AtomicUsize = AtomicUsize::new(0);
static NAMES: AtomicU64 = AtomicU64::new(0);

impl Server {
    /// The server of `CONFORMANCE_BASE_URL`, or one of our own.
    pub fn start() -> Self {
        match env::var("CONFORMANCE_BASE_URL") {
            Ok(url) => Self(Arc::new(Inner {
                client: http_client(None),
                base_url: Mutex::new(url.trim_end_matches('/').to_owned()),
                process: None,
                without_disk: AtomicBool::new(false),
                database: None,
                real_time: true,
            })),
            Err(_) => Self::launch(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"), Needs::Clock),
        }
    }

    /// A server of our own of which the test may ask more than HTTP. None, printed and counted, if the suite runs against a foreign one.
    #[track_caller]
    pub fn start_with(needs: Needs<'_>) -> Option<Self> {
        if env::var_os("CONFORMANCE_BASE_URL").is_some() {
            not_applicable(needs);
            return None;
        }
        Some(Self::launch(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"), needs))
    }

    /// Starts `binary` on a free port over an empty data folder; and over a new database, if the whole suite is to run over databases.
    pub fn launch(binary: &Path, needs: Needs<'_>) -> Self {
        let database = env::var_os("MATRIX_2FA_TEST_DATABASE").map(|_| cluster().database());
        let upstream = env::var_os("MATRIX_2FA_TEST_GATEWAY").map(|_| synapse().url());
        Self::launch_on(
            binary,
            needs,
            Ground { database: database.as_deref(), upstream: upstream.as_deref(), keys: None },
        )
    }

    /// A gateway before the Synapse of this run, with these settings.
    pub fn gateway(settings: &[(&str, &str)]) -> Self {
        Self::gateway_before(&synapse().url(), settings)
    }

    /// A gateway before this homeserver.
    pub fn gateway_before(upstream: &str, settings: &[(&str, &str)]) -> Self {
        let ground = Ground { upstream: Some(upstream), ..Ground::default() };
        Self::launch_on(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"), Needs::Settings(settings), ground)
    }

    /// Starts `binary` over this database.
    pub fn launch_over(binary: &Path, needs: Needs<'_>, database: &str) -> Self {
        Self::launch_on(binary, needs, Ground { database: Some(database), ..Ground::default() })
    }

    /// Starts another server over the database of this one, with the same key.
    pub fn replica(&self, binary: &Path, needs: Needs<'_>) -> Self {
        let keys = self.data_folder().join("keys");
        Self::launch_on(
            binary,
            needs,
            Ground { database: self.0.database.as_deref(), keys: Some(&keys), ..Ground::default() },
        )
    }

    /// Starts another server over this database, with the keys of this one.
    pub fn moved_to(&self, binary: &Path, needs: Needs<'_>, database: &str) -> Self {
        let keys = self.data_folder().join("keys");
        Self::launch_on(binary, needs, Ground { database: Some(database), keys: Some(&keys), ..Ground::default() })
    }

    fn launch_on(binary: &Path, needs: Needs<'_>, ground: Ground<'_>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let data = folder.path().join("data");
        if let Some(keys) = ground.keys {
            copy_keys(keys, &data.join("keys"));
        }
        let mut command = match needs {
            // What the system sends to a process that writes too much would end it. As on a full disk, the write shall fail instead.
            Needs::Disk => {
                let mut shell = clean_command(Path::new("sh"));
                shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary);
                shell
            }
            _ => clean_command(binary),
        };
        match ground.upstream {
            Some(upstream) => command.args(["gateway", "--upstream", upstream]),
            None => command.args(["serve", "--server-name", "localhost"]),
        };
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data);
        ground.database.map(|database| command.env("MATRIX_2FA_DATABASE", database));
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        match needs {
            Needs::ClosedRegistration => {}
            Needs::Settings(settings) => {
                command.arg("--open-registration").envs(settings.iter().copied());
            }
            Needs::Clock | Needs::Process | Needs::Disk => {
                command.arg("--open-registration");
            }
        }
        let (child, base_url) = spawn(&mut command, folder.path());
        let process = Process { command: Mutex::new(command), folder, child: Mutex::new(child) };
        Self(Arc::new(Inner {
            client: http_client(None),
            base_url: Mutex::new(base_url),
            process: Some(process),
            without_disk: AtomicBool::new(false),
            database: ground.database.map(str::to_owned),
            real_time: binary.ends_with("matrix-2fa"),
        }))
    }

    /// Where it listens.
    pub fn base_url(&self) -> String {
        self.0.base_url.lock().unwrap().clone()
    }

    /// A request to it.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self, &self.0.client, method, path)
    }

    /// A request to it from another loopback address.
    pub fn request_from(&self, address: [u8; 4], method: &str, path: &str) -> Request {
        Request::new(self, &http_client(Some(address)), method, path)
    }

    /// GET, without a token.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// POST, without a token.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send()
    }

    /// Somebody new, without a second factor.
    #[track_caller]
    pub fn user(&self) -> User {
        User::register(self, &fresh_name())
    }

    /// Somebody new, with an authenticator and recovery codes.
    #[track_caller]
    pub fn enrolled_user(&self) -> Enrolled {
        self.user().enroll()
    }

    /// What the server's clock shows, milliseconds since 1970. A foreign server is taken to know the real time, and so is a server as people
    /// run it.
    pub fn now_ms(&self) -> u64 {
        if self.0.real_time {
            #[expect(clippy::disallowed_methods, reason = "such a server runs on the real clock")]
            let now = std::time::SystemTime::now();
            return u64::try_from(now.duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("in range");
        }
        self.test_clock(None)
    }

    /// Sets the server's clock, forward or back.
    pub fn set_clock(&self, now_ms: u64) {
        assert!(!self.0.real_time, "this test moves the clock: it must start with `Needs::Clock`");
        self.test_clock(Some(now_ms));
    }

    /// Moves the server's clock forward.
    pub fn advance(&self, ms: u64) {
        self.set_clock(self.now_ms() + ms);
    }

    fn test_clock(&self, set: Option<u64>) -> u64 {
        let url = format!("{}/_test/clock", self.base_url());
        let request = match set {
            Some(now_ms) => self.0.client.post(url).json(&json!({ "now_ms": now_ms })),
            None => self.0.client.get(url),
        };
        let response = request.send().expect("the test clock answers");
        assert!(response.status().is_success(), "built without `--features test-clock`? {}", response.status());
        match set {
            Some(now_ms) => now_ms,
            None => response.json::<Value>().expect("JSON")["now_ms"].as_u64().expect("milliseconds"),
        }
    }

    /// `kill -9`: nothing in the process gets a chance to tidy up.
    pub fn kill_9(&self) {
        let mut child = self.process().child.lock().unwrap();
        child.kill().expect("it was alive");
        child.wait().expect("it is ours");
    }

    /// Asks the process to read its settings again.
    pub fn hang_up(&self) {
        let child = self.process().child.lock().unwrap();
        let told = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().expect("kill");
        assert!(told.success());
    }

    /// Asks the process to end, and gives back its exit code.
    pub fn terminate(&self) -> Option<i32> {
        let mut child = self.process().child.lock().unwrap();
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
        assert!(told.success());
        child.wait().expect("it is ours").code()
    }

    /// The most memory that the process ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let pid = self.process().child.lock().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux, and it is ours");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has a peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Starts the process again over the same data, on a new port. A test clock starts at the real time again: the caller who
    /// moved it must set it.
    pub fn restart(&self) {
        let process = self.process();
        let (child, base_url) = spawn(&mut process.command.lock().unwrap(), process.folder.path());
        *process.child.lock().unwrap() = child;
        *self.0.base_url.lock().unwrap() = base_url;
        self.0.without_disk.store(false, Ordering::SeqCst);
    }

    /// The id of the process.
    pub fn pid(&self) -> String {
        self.process().child.lock().unwrap().id().to_string()
    }

    /// From now on every write of the process to any file fails, until it is started again. From now on, too, 503 is a fair answer.
    pub fn forbid_writing(&self) {
        let told = Command::new("prlimit").args(["--pid", &self.pid(), "--fsize=0:"]).status();
        let told = told.expect("prlimit is installed (on Debian: the package util-linux)");
        assert!(told.success(), "prlimit may limit a process of ours");
        self.0.without_disk.store(true, Ordering::SeqCst);
    }

    /// Did [`Self::forbid_writing`] take its disk?
    pub fn is_without_disk(&self) -> bool {
        self.0.without_disk.load(Ordering::SeqCst)
    }

    /// Starts a process over the data of a dead one, which must refuse: its exit code, and what it says.
    pub fn refuses_to_start(&self) -> (Option<i32>, String) {
        let process = self.process();
        let output = process.command.lock().unwrap().stderr(Stdio::piped()).output().expect("starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts a process over the data of a dead one and kills it after this time, ready or not.
    pub fn start_and_kill(&self, after: Duration) {
        let process = self.process();
        let mut command = process.command.lock().unwrap();
        let mut child = command.spawn().expect("starts");
        end(&mut child, Some(after));
    }

    /// `matrix-2fa admin reset` over the data of a dead process. Killed after `patience`, if there is any. Did it say that it is done?
    pub fn admin_reset(&self, user: &str, patience: Option<Duration>) -> bool {
        let process = self.process();
        let serve = process.command.lock().unwrap();
        let mut command = Command::new(serve.get_program());
        for (key, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.args(["admin", "reset", user, "--data"]).arg(self.data_folder());
        command.current_dir(process.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        let done = end(&mut child, patience);
        assert!(done || patience.is_some(), "nobody killed the command, and it failed");
        done
    }

    /// Dies and comes back, with the clock where it was.
    pub fn kill_9_and_restart(&self) {
        let now = self.now_ms();
        self.kill_9();
        self.restart();
        self.set_clock(now);
    }

    /// Everything that lies in the data folder and in the database, byte by byte.
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = Vec::new();
        let mut folders = vec![self.data_folder()];
        if let Some(database) = &self.0.database {
            folders.push(cluster().files(database));
        }
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable").flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if entry.path().is_file() {
                    dump.extend(fs::read(entry.path()).expect("readable"));
                }
            }
        }
        dump
    }

    /// What else than the data folder a command needs to work on the same users: a variable.
    pub fn database(&self) -> Option<(&'static str, &str)> {
        self.0.database.as_deref().map(|database| ("MATRIX_2FA_DATABASE", database))
    }

    /// Everything that it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).expect("a log")
    }

    /// Where it logs.
    pub fn log_file(&self) -> PathBuf {
        self.process().folder.path().join("stderr")
    }

    /// Where the server keeps its data.
    pub fn data_folder(&self) -> PathBuf {
        self.process().folder.path().join("data")
    }

    /// What the store of a stopped server has of a user. Not for servers over a database.
    pub fn stored_account(&self, user: &str) -> Account {
        let store = SledStore::open(&self.data_folder().join("store"), Options::default()).expect("opens");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(store.load(user)).expect("readable").account
    }

    fn process(&self) -> &Process {
        self.0.process.as_ref().expect("this test must start with `Needs::Process`")
    }
}

/// Copies key files from one key folder to another, which is made.
fn copy_keys(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a key folder");
    for file in fs::read_dir(from).expect("a key folder").flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("a key file");
    }
}

/// Waits for the end of a process, and kills it if it takes longer than this. Did it end well?
#[expect(clippy::disallowed_methods, reason = "a kill at a random moment needs one")]
fn end(child: &mut Child, patience: Option<Duration>) -> bool {
    if let Some(patience) = patience {
        std::thread::sleep(patience);
        let _already_dead = child.kill();
    }
    child.wait().expect("it is ours").success()
}

/// Prints and counts, past the capture of the test runner, so that nobody takes silence for success.
#[track_caller]
fn not_applicable(needs: Needs<'_>) {
    let count = NOT_APPLICABLE.fetch_add(1, Ordering::SeqCst) + 1;
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(std::io::stderr(), "not applicable ({count} so far): {test} needs {needs:?}");
    assert!(env::var_os("CONFORMANCE_STRICT").is_none(), "not applicable to a foreign server, and the run is strict");
}

/// A name that nobody ever had: this process, a counter, and the moment of its start for a server that outlives us.
fn fresh_name() -> String {
    static STARTED: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let folder = TempDir::with_prefix("n").expect("a temporary folder");
        folder.path().file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).expect("a name")
    });
    let started = STARTED.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("u{}{started}{}", NAMES.fetch_add(1, Ordering::SeqCst), std::process::id())
}

/// Runs `count` copies of `act` at the same moment and collects what they return.
pub fn simultaneously<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (barrier, act) = (&barrier, &act);
                scope.spawn(move || {
                    barrier.wait();
                    act(n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
