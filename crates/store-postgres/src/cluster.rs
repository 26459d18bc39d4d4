//! A PostgreSQL of our own for tests: initialised in a temporary folder, listening on a free port of 127.0.0.1 and on a socket in that folder, and
//! gone when the [`Cluster`] is dropped or its process ends, however it ends: a shell waits for the end of its input, and tidies up.

#![cfg(feature = "cluster")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "for tests only, which have failed if it fails"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The password of the role `postgres`, which connections to the port need.
pub const PASSWORD: &str = "open sesame";

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Ends when its input does.
    shell: Child,
    /// Its socket lies here too.
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d /tmp/matrix-2fa-postgres-XXXXXX)
end() { "$1/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"; }
trap 'end "$1"' EXIT
printf %s "$3" >"$folder/password"
"$1/initdb" -D "$folder/data" -U postgres -E UTF8 --locale=C -N --auth-local=trust --auth-host=scram-sha-256 \
  --pwfile="$folder/password" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<END
port = $2
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 200
shared_buffers = 64MB
END
"$1/pg_ctl" -D "$folder/data" -w -l "$folder/log" start >/dev/null || { cat "$folder/log" >&2; exit 1; }
echo "$folder"
cat >/dev/null
"#;

impl Cluster {
    /// Initialises and starts one.
    pub fn start() -> Self {
        // Between asking for a free port and using it somebody else may take it.
        (0..5).find_map(|_| Self::try_start()).expect("PostgreSQL does not start; it said why above")
    }

    fn try_start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut command = as_postgres("sh");
        command.arg("-c").arg(SCRIPT).arg("sh").arg(programs()).arg(port.to_string()).arg(PASSWORD);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().expect("sh");
        let mut folder = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut folder).expect("readable");
        if folder.is_empty() {
            shell.wait().expect("it is ours");
            return None;
        }
        Some(Self { shell, folder: folder.trim_end().into(), port, databases: AtomicU32::new(0) })
    }

    /// A new, empty database; its address.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database, over TCP and with the password.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", PASSWORD.replace(' ', "%20"), self.port)
    }

    /// The same over the socket.
    pub fn socket_address(&self, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port)
    }

    /// The folder of the cluster, its configuration in `data`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the tables of a database lie, everything written out.
    pub fn files(&self, address: &str) -> PathBuf {
        let name = address.rsplit('/').next().unwrap();
        let number = self.sql(name, "CHECKPOINT; SELECT oid FROM pg_database WHERE datname = current_database()");
        self.folder.join("data/base").join(number)
    }

    /// Puts a file into its data folder, for itself alone to read.
    pub fn install(&self, name: &str, content: &[u8]) {
        let mut command = as_postgres("sh");
        command.args(["-c", "umask 077; cat >\"$0\""]).arg(self.folder.join("data").join(name)).stdin(Stdio::piped());
        let mut shell = command.spawn().expect("sh");
        shell.stdin.take().expect("piped").write_all(content).expect("written");
        assert!(shell.wait().expect("it is ours").success());
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser of a database, and returns what it prints.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]);
        let output = psql.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]).output().expect("psql");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Stops it as a power cut of the process would: it recovers from its log at the next start.
    pub fn crash(&self) {
        self.pg_ctl(&["-m", "immediate", "stop"]);
    }

    /// `kill -9`, of the server and of everything that it started: nobody gets a chance to finish anything.
    pub fn kill_9(&self) {
        let data = self.folder.join("data");
        // Again, for whoever was being born just now. What they have in memory must not be in use when it starts again.
        loop {
            let family = working_in(&data);
            if family.is_empty() {
                break;
            }
            kill(&family);
        }
        // Dead they are, but until somebody has asked what became of them their numbers are taken, and the files that hold these are believed.
        let socket = self.folder.join(format!(".s.PGSQL.{}.lock", self.port));
        for lock in [data.join("postmaster.pid"), socket] {
            fs::remove_file(lock).expect("nobody else does");
        }
    }

    /// Starts it after [`Self::crash`] or [`Self::kill_9`].
    pub fn recover(&self) {
        let log = self.folder.join("log");
        self.pg_ctl(&["-l", log.to_str().unwrap(), "start"]);
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = as_postgres(programs().join("pg_ctl"));
        command.arg("-D").arg(self.folder.join("data")).arg("-w").args(arguments);
        // Its children keep its output open, so nobody may wait for the end of it.
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("pg_ctl");
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(done.success(), "pg_ctl {arguments:?}: {}", log());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
    }
}

fn kill(ids: &[String]) {
    // Some may be gone already.
    let _status = Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status().expect("kill");
}

/// Ids of the processes that are not dead and whose working folder this is.
fn working_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let mine = processes.filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder));
    mine.filter_map(|process| process.file_name().into_string().ok()).collect()
}

/// PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes.
fn as_postgres(program: impl AsRef<std::ffi::OsStr>) -> Command {
    static ROOT: LazyLock<bool> = LazyLock::new(|| {
        let id = Command::new("id").arg("-u").output().expect("id");
        id.stdout.trim_ascii() == b"0"
    });
    let mut command = Command::new(program);
    command.current_dir("/");
    if *ROOT {
        let users = fs::read_to_string("/etc/passwd").expect("the users");
        let line = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
        let mut numbers = line.split(':').skip(2).map(|number| number.parse().expect("a number"));
        command.uid(numbers.next().unwrap()).gid(numbers.next().unwrap());
    }
    command
}

/// The newest PostgreSQL of Debian's, or the one in the path.
fn programs() -> &'static Path {
    static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
        let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(newest) = installed.max_by_key(version) {
            return newest.join("bin");
        }
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .find(|folder| folder.join("initdb").exists());
        found.unwrap_or_else(|| panic!("there is no PostgreSQL: install Debian's package postgresql"))
    });
    &PROGRAMS
}
