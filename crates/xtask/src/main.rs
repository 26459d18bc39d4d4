//! `cargo xtask`: the chores of this repository. `cargo xtask test` is the one that passes everything; CI runs exactly it.
#![expect(clippy::print_stderr, reason = "a tool talks to the person who runs it")]

mod checks;
mod clients;
mod package;
mod proofs;
mod servers;
mod tools;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use clap::{CommandFactory, Parser, Subcommand};
use xshell::Shell;

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Option<Chore>,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the tests need, then run every check and every test. What cannot be installed is named, and nothing is skipped.
    Test,
    /// Formatting, lints, documentation, licences and bans: everything but tests.
    Check,
    /// Licences, bans and sources of all dependencies (installs cargo-deny under target/ if it is missing).
    Deny,
    /// Random input for every parser of outside input (tests/fuzz; installs cargo-fuzz under target/ if it is missing).
    Fuzz {
        /// How long, all targets together.
        #[arg(long, default_value_t = FUZZ_SECONDS)]
        seconds: u64,
    },
    /// Faults in core and engine that no test notices (hours; installs cargo-mutants under target/ if it is missing).
    Mutants {
        /// Only in files that match, for example crates/core/src/throttle.rs.
        #[arg(long)]
        file: Option<String>,
    },
    /// The black-box suite alone, with the real clients; against the server at --base-url, if it is given.
    Conformance {
        /// A server that somebody else started, for example http://127.0.0.1:8008. Its registration must be open.
        #[arg(long)]
        base_url: Option<String>,
        /// Fail tests that cannot say anything about a foreign server (they need its clock or its process).
        #[arg(long)]
        strict: bool,
        /// Give every server a database of its own in a PostgreSQL that the suite starts, instead of a store in its data folder.
        #[arg(long)]
        database: bool,
        /// Put every server as a gateway before a real Synapse (installed under target/).
        #[arg(long)]
        gateway: bool,
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// The Debian package: program, unit, manual, completions (installs cargo-deb under target/ if it is missing).
    Package {
        /// Install it, look whether it is whole, and purge it. As root, on Debian.
        #[arg(long)]
        install: bool,
    },
    /// Every crate as it would be published, in order.
    Crates,
    /// The crash suite alone: random kills of a server under load and of its PostgreSQL, and five faults that it must find.
    Crash {
        /// Kills without a fault, two of five over PostgreSQL [default: the 200 of `cargo xtask test`].
        #[arg(long)]
        kills: Option<u32>,
        /// What chance begins with, to see a failure again; a run prints its own.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// A server that logs everything at trace level while one user after the other does everything; then no secret may be in its log.
    Trace {
        /// How long.
        #[arg(long, default_value_t = TRACE_SECONDS)]
        seconds: u64,
    },
}

/// What issue and requirement ask for; `cargo xtask test` does one walk of it.
const TRACE_SECONDS: u64 = 600;

/// For all targets together.
const FUZZ_SECONDS: u64 = 60;

/// What every chore needs to know.
struct Workspace {
    shell: Shell,
    metadata: Metadata,
}

fn main() -> Result<()> {
    let Some(chore) = Arguments::parse().chore else {
        Arguments::command().print_help()?;
        return Ok(());
    };
    let workspace = Workspace::open()?;
    match chore {
        Chore::Test => test(&workspace),
        Chore::Check => checks::all(&workspace),
        Chore::Deny => checks::deny(&workspace),
        Chore::Fuzz { seconds } => proofs::fuzz(&workspace, seconds),
        Chore::Mutants { file } => proofs::mutants(&workspace, file.as_deref()),
        Chore::Conformance { base_url, strict, database, gateway, filter } => {
            let environment = match base_url {
                Some(url) => vec![("CONFORMANCE_BASE_URL", url.into())],
                None => servers::build(&workspace)?,
            };
            if strict {
                workspace.shell.set_var("CONFORMANCE_STRICT", "1");
            }
            if database {
                workspace.shell.set_var("MATRIX_2FA_TEST_DATABASE", "1");
            }
            if gateway {
                workspace.shell.set_var("MATRIX_2FA_TEST_GATEWAY", "1");
            }
            conformance(&workspace, environment, filter.as_deref().unwrap_or(ALL_BUT_CRASH))
        }
        Chore::Package { install } => package::debian(&workspace, install),
        Chore::Crates => package::crates(&workspace),
        Chore::Crash { kills, seed } => {
            for (variable, value) in [("CRASH_KILLS", kills.map(u64::from)), ("CRASH_SEED", seed)] {
                if let Some(value) = value {
                    workspace.shell.set_var(variable, value.to_string());
                }
            }
            crash(&workspace, servers::build(&workspace)?)
        }
        Chore::Trace { seconds } => {
            clients::oathtool(&workspace)?;
            workspace.shell.set_var("LOG_WALK_SECONDS", seconds.to_string());
            suite(&workspace, servers::build(&workspace)?, "logs::r60_a_trace_of_everything_has_no_secret --nocapture")
        }
    }
}

/// In this order: what fails fast, what must be installed, what takes long; the suite's result lines come last.
fn test(workspace: &Workspace) -> Result<()> {
    checks::format(workspace)?;
    let mut environment = clients::install(workspace)?;
    environment.extend(servers::build(workspace)?);
    checks::all(workspace)?;
    checks::tests(workspace)?;
    package::crates(workspace)?;
    package::debian(workspace, true)?;
    proofs::fuzz(workspace, FUZZ_SECONDS)?;
    crash(workspace, environment.clone())?;
    conformance(workspace, environment, ALL_BUT_CRASH)
}

/// The crash suite has a step of its own: beside hundreds of other tests its kills would come at other moments.
const ALL_BUT_CRASH: &str = "--skip crash::";

fn crash(workspace: &Workspace, environment: servers::Environment) -> Result<()> {
    clients::oathtool(workspace)?;
    clients::postgresql(workspace)?;
    suite(workspace, environment, "crash:: --test-threads=1 --nocapture")
}

fn conformance(workspace: &Workspace, environment: servers::Environment, filter: &str) -> Result<()> {
    let clients = clients::install(workspace)?;
    suite(workspace, environment.into_iter().chain(clients).collect(), filter)
}

fn suite(workspace: &Workspace, environment: servers::Environment, arguments: &str) -> Result<()> {
    for (variable, path) in environment {
        workspace.shell.set_var(variable, path);
    }
    // The whole workspace, so that features resolve as in every other step and nothing is built twice.
    workspace.run(&format!("cargo test --workspace --test conformance -- {arguments}"))
}

impl Workspace {
    fn open() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
        let shell = Shell::new()?;
        shell.change_dir(&metadata.workspace_root);
        Ok(Self { shell, metadata })
    }

    /// Where everything is kept that the suite needs and the repository must not contain.
    fn folder(&self) -> std::path::PathBuf {
        self.metadata.target_directory.join("conformance").into()
    }

    /// Runs a command that needs no quoting, and says so.
    fn run(&self, command: &str) -> Result<()> {
        eprintln!("\n$ {command}");
        let mut words = command.split_whitespace();
        let program = words.next().context("a command has a program")?;
        self.shell.cmd(program).args(words).quiet().run()?;
        Ok(())
    }
}
