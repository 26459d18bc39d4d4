//! `spec/security.md` promises which test proves which requirement. A test that was renamed or removed must not stay in it.

use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_test_that_security_md_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let index = fs::read_to_string(root.join("spec/security.md")).expect("spec/security.md");
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut missing = Vec::new();
    for named in index.split('`') {
        let Some((file, function)) = named.split_once(".rs::") else { continue };
        let text = files.entry(file).or_insert_with(|| {
            let path = root.join(file).with_extension("rs");
            fs::read_to_string(&path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
        });
        // A number that is measured by hand has an example instead of a test (R59), and the cases of every store are run by a test each.
        let runs =
            |is_test| is_test || ["tests/load/", "crates/store/src/suite/"].iter().any(|room| file.starts_with(room));
        if !functions(text).any(|found| found.name == function && runs(found.is_test)) {
            missing.push(named);
        }
    }
    assert!(files.len() > 10, "the index names tests all over the repository");
    assert!(missing.is_empty(), "put the right names into spec/security.md: {missing:#?}");
}

/// And the other way round: whose name begins with a requirement's number stands for it, so its row must say so.
#[test]
fn every_numbered_test_is_in_security_md() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let index = fs::read_to_string(root.join("spec/security.md")).expect("spec/security.md");
    let (mut folders, mut seen, mut missing) = (vec![root.join("crates"), root.join("tests")], 0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("UTF-8");
            let file = path.strip_prefix(&root).expect("below it").display();
            for function in functions(&text).filter(|function| is_numbered(function.name)) {
                seen += 1;
                let name = format!("`{file}::{}`", function.name);
                if !index.contains(&name) {
                    missing.push(name);
                }
            }
        }
    }
    assert!(seen > 200, "the tests are found");
    assert!(missing.is_empty(), "put them into their rows: {missing:#?}");
}

fn is_numbered(name: &str) -> bool {
    matches!(name.as_bytes(), [b'r', tens, units, b'_', ..] if tens.is_ascii_digit() && units.is_ascii_digit())
}

struct Function<'a> {
    name: &'a str,
    is_test: bool,
}

/// The functions of a file.
fn functions(text: &str) -> impl Iterator<Item = Function<'_>> {
    let mut attributes = String::new();
    text.lines().filter_map(move |line| {
        let line = line.trim();
        let declared = line.split_once("fn ").filter(|(before, _)| {
            before.split(' ').all(|word| word.is_empty() || word.starts_with("pub") || word == "async")
        });
        let Some((name, _)) = declared.and_then(|(_, rest)| rest.split_once(['(', '<'])) else {
            match line.starts_with("#[") {
                true => attributes.push_str(line),
                false if line.is_empty() || line == "}" => attributes.clear(),
                false => {}
            }
            return None;
        };
        let attributes = std::mem::take(&mut attributes);
        Some(Function { name, is_test: ["#[test]", "#[tokio::test"].iter().any(|kind| attributes.contains(kind)) })
    })
}

#[test]
fn security_md_has_every_requirement_once_and_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let index = fs::read_to_string(root.join("spec/security.md")).expect("spec/security.md");
    let rows = index.lines().filter_map(|line| line.strip_prefix("| R")?.split_once(' ')?.0.parse().ok());
    assert_eq!(rows.collect::<Vec<u32>>(), (1..=72).collect::<Vec<u32>>());
}

/// A rule that a table or a transcript cites must be in the text.
#[test]
fn every_rule_that_is_cited_exists() {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
    let rules = fs::read_to_string(spec.join("protocol.md")).expect("spec/protocol.md");
    for name in ["security.md", "vectors/uia-transcripts.json"] {
        let text = fs::read_to_string(spec.join(name)).expect(name);
        let cited = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| {
            let number = word.strip_prefix('P').and_then(|rest| rest.split_once('.'));
            number.is_some_and(|(section, rule)| section.parse::<u32>().is_ok() && rule.parse::<u32>().is_ok())
        });
        for rule in cited {
            assert!(rules.contains(&format!("**{rule}**")), "{name} cites {rule}");
        }
    }
}
