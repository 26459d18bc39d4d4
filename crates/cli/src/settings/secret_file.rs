//! Files with a token: for their owner alone, one word.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::failure::Failure;

/// What stands in the file that the setting `key` names.
pub fn read_token(key: &str, file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let bad = |problem: String| Failure::start(format!("{key}: {shown}: {problem}"));
    let mode = fs::metadata(file).map_err(|error| bad(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(bad(format!("others can read it (mode {:03o}): run chmod 600 {shown}", mode & 0o777)));
    }
    let token = fs::read_to_string(file).map_err(|error| bad(error.to_string()))?.trim().to_owned();
    match !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(token),
        false => Err(bad("write a token, which is one word".to_owned())),
    }
}
