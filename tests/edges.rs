//! The map of the crates: which may import which. `crates/README.md` says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Normal dependencies between the crates of this workspace, and no others.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("matrix-2fa-core", &[]),
    ("matrix-2fa-store", &["matrix-2fa-core"]),
    ("matrix-2fa-store-sled", &["matrix-2fa-core", "matrix-2fa-store"]),
    ("matrix-2fa-store-postgres", &["matrix-2fa-core", "matrix-2fa-store"]),
    ("matrix-2fa-engine", &["matrix-2fa-core", "matrix-2fa-store"]),
    ("matrix-2fa", &["matrix-2fa-core", "matrix-2fa-engine", "matrix-2fa-store"]),
    ("matrix-2fa-homeserver", &["matrix-2fa", "matrix-2fa-core", "matrix-2fa-store"]),
    ("matrix-2fa-gateway", &["matrix-2fa", "matrix-2fa-core", "matrix-2fa-store"]),
    (
        "matrix-2fa-cli",
        &[
            "matrix-2fa",
            "matrix-2fa-core",
            "matrix-2fa-engine",
            "matrix-2fa-gateway",
            "matrix-2fa-homeserver",
            "matrix-2fa-store",
            "matrix-2fa-store-postgres",
            "matrix-2fa-store-sled",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that must not appear below these, however deep: core is pure, and the public face of the module names no host's types.
const BANNED: [(&str, &[&str]); 4] = [
    ("matrix-2fa-core", &["tokio", "axum", "rand", "sled", "tokio-postgres", "getrandom", "chrono", "async-trait"]),
    ("matrix-2fa", &["ruma", "sled", "tokio-postgres", "clap", "figment"]),
    ("matrix-2fa-homeserver", &["sled", "tokio-postgres", "clap", "figment"]),
    ("matrix-2fa-gateway", &["sled", "tokio-postgres", "clap", "figment", "ruma"]),
];

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let metadata =
        MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().expect("cargo metadata");
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, edges)| (*name, edges.iter().copied().collect())).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let ours = |kind: DependencyKind| {
            package
                .dependencies
                .iter()
                .filter(move |dependency| dependency.kind == kind)
                .map(|dependency| dependency.name.as_str())
        };
        assert!(
            !ours(DependencyKind::Normal).any(|name| name == "xtask" || name == "matrix-2fa-conformance"),
            "{name}"
        );
        if name == "matrix-2fa-conformance" {
            continue;
        }
        let edges: BTreeSet<&str> =
            ours(DependencyKind::Normal).filter(|dependency| members.contains(dependency)).collect();
        let allowed = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} is new: put it on the map, here and in crates/README.md"));
        let surplus: Vec<_> = edges.difference(allowed).collect();
        assert!(surplus.is_empty(), "{name} must not import {surplus:?}");
    }
}

#[test]
fn nothing_banned_lies_below_the_pure_crates() {
    for (name, banned) in BANNED {
        let tree = ["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name];
        let output = Command::new(env!("CARGO")).args(tree).output().expect("cargo tree");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let below = String::from_utf8(output.stdout).expect("names");
        let below: BTreeSet<&str> = below.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(below.contains(name), "{below:?}");
        let found: Vec<&&str> = banned.iter().filter(|crate_name| below.contains(**crate_name)).collect();
        assert!(found.is_empty(), "{name} must not lead to {found:?}");
    }
}
