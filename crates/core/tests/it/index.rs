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
        if !text.contains(&format!("fn {function}(")) {
            missing.push(named);
        }
    }
    assert!(files.len() > 10, "the index names tests all over the repository");
    assert!(missing.is_empty(), "put the right names into spec/security.md: {missing:#?}");
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
