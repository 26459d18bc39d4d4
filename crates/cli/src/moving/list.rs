//! What other systems have: lines of otpauth URIs, and a file that says whose they are. Lists are read whole: a million lines are 300 MB.

use std::{collections::BTreeMap, fs, path::Path};

use figment::providers::{Format, Toml};
use matrix_2fa_core::{
    TimeStep, Timestamp,
    account::moving::{Moved, MovedAuthenticator},
    otpauth::Otpauth,
};
use zeroize::Zeroizing;

use super::bring::Entry;
use crate::failure::Failure;

/// Longest name of an authenticator.
const NAME: usize = 100;

/// Whose is what.
#[derive(Debug, Default)]
pub struct Map(BTreeMap<String, String>);

impl Map {
    /// Whoever names the list by mistake must not see a line of it in the error.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let shown = file.display();
        let text = fs::read_to_string(file)
            .map(Zeroizing::new)
            .map_err(|error| Failure::start(format!("--map: cannot read {shown}: {error}")))?;
        Toml::from_str(&text).map(Self).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.lines().count().max(1);
            Failure::start(format!(
                "--map: {shown} is wrong at or after line {line}: write lines \"label\" = \"@user:server\", each label once"
            ))
        })
    }

    /// Of an export: who is not named keeps the name.
    pub fn renamed<'a>(&'a self, user: &'a str) -> &'a str {
        self.0.get(user).map_or(user, String::as_str)
    }

    fn of(&self, label: &str, line: usize) -> Option<&str> {
        self.0.get(label).or_else(|| self.0.get(&format!("line {line}"))).map(String::as_str)
    }
}

/// What stands in a list: users, and bad lines with what to do.
#[derive(Debug, Default)]
pub struct List {
    pub entries: Vec<Entry>,
    pub bad: Vec<(usize, String)>,
}

impl List {
    pub fn read(file: &Path, map: &Map, now: Timestamp) -> Result<Self, Failure> {
        let cannot = |error| Failure::start(format!("--otpauth: cannot read {}: {error}", file.display()));
        let text = Zeroizing::new(fs::read(file).map_err(cannot)?);
        Ok(Self::parse(&text, map, now))
    }

    /// Several lines of one user are one entry: each user comes whole or not at all.
    fn parse(text: &[u8], map: &Map, now: Timestamp) -> Self {
        let (mut list, mut places) = (Self::default(), BTreeMap::<String, usize>::new());
        for (line, text) in text.split(|byte| *byte == b'\n').enumerate().map(|(place, text)| (place + 1, text)) {
            let text = text.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let (user, authenticator) = match read(text, line, map, now) {
                Ok(read) => read,
                Err(why) => {
                    list.bad.push((line, why));
                    continue;
                }
            };
            let place = *places.entry(user.clone()).or_insert(list.entries.len());
            match list.entries.get_mut(place) {
                Some(entry) if entry.has(&authenticator) => {
                    list.bad.push((
                        line,
                        "its secret stands in the list before, for the same user: take one out".to_owned(),
                    ));
                }
                Some(entry) => entry.moved.authenticators.push(authenticator),
                None => {
                    let moved = Moved { authenticators: vec![authenticator], ..Moved::default() };
                    list.entries.push(Entry { line, user, moved });
                }
            }
        }
        list
    }
}

fn read(text: &[u8], line: usize, map: &Map, now: Timestamp) -> Result<(String, MovedAuthenticator), String> {
    let text = std::str::from_utf8(text).map_err(|_bytes| "it is no text (UTF-8)".to_owned())?;
    let Otpauth { label, seed, params } = Otpauth::parse(text).map_err(|error| error.to_string())?;
    let user = map.of(&label, line).ok_or_else(|| {
        // The label itself could be anything, a secret in the wrong place too.
        format!("the mapping file does not say whose it is: add its label, or \"line {line}\"")
    })?;
    let authenticator = MovedAuthenticator {
        name: label.chars().take(NAME).collect(),
        params,
        seed,
        created_at: now,
        last_used_at: None,
        last_step: TimeStep(0),
        locked_at: None,
    };
    Ok((user.to_owned(), authenticator))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const TWO: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

    fn map(text: &str) -> Map {
        Map(Toml::from_str(text).expect("a map"))
    }

    #[test]
    fn lines_of_one_user_are_one_entry_and_bad_ones_are_numbered() {
        let map = map("\"Ex: a.b@c\" = \"@a:localhost\"\n\"line 3\" = \"@a:localhost\"\nx = \"@b:localhost\"\n");
        let text = format!(
            "# a list\notpauth://totp/Ex:%20a.b%40c?secret={ONE}\r\notpauth://totp/unknown?secret={TWO}\n\n\
             otpauth://totp/x?secret={ONE}&digits=8\notpauth://totp/y?secret={TWO}\notpauth://totp/x?secret={ONE}\nnonsense"
        );
        let list = List::parse(text.as_bytes(), &map, Timestamp::from_millis(7));
        let shown: Vec<_> =
            list.entries.iter().map(|one| (one.line, one.user.as_str(), one.moved.authenticators.len())).collect();
        assert_eq!(shown, [(2, "@a:localhost", 2), (5, "@b:localhost", 1)]);
        assert_eq!(list.bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 7, 8]);
        let everything = format!("{list:?}");
        assert!(!everything.contains(ONE) && !everything.contains(TWO), "{everything}");
    }

    #[test]
    fn a_map_that_is_none_is_refused_without_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("map");
        for (text, line) in [
            (format!("a = \"@a:b\"\notpauth://totp/x?secret={ONE}\n"), "line 2"),
            (format!("{ONE} = 1\n"), "line 1"),
            (format!("{ONE} = \"@a:b\"\n{ONE} = \"@a:b\"\n"), "line"),
        ] {
            fs::write(&file, text).expect("writes");
            let refused = Map::read(&file).expect_err("refused").to_string();
            assert!(refused.contains(line) && !refused.contains(ONE), "{refused}");
        }
    }
}
