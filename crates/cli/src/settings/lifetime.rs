//! How long a login lasts, as people write it: `7d`, `12h`, `never`.

use std::time::Duration;

use serde::Deserialize;

/// `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Lifetime(pub Option<Duration>);

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        if given == "never" {
            return Ok(Self(None));
        }
        match humantime::parse_duration(&given) {
            Ok(Duration::ZERO) => {
                Err("a login must live longer than no time at all; write 7d, 12h or never".to_owned())
            }
            Err(_) => Err(format!("{given:?} is no duration; write 7d, 12h or never")),
            Ok(duration) => Ok(Self(Some(duration))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_what_people_write() {
        let parse = |given: &str| Lifetime::try_from(given.to_owned()).ok();
        assert_eq!(parse("never"), Some(Lifetime(None)));
        assert_eq!(parse("7d"), Some(Lifetime(Some(Duration::from_secs(7 * 24 * 60 * 60)))));
        for bad in ["", "0s", "7", "soon", "-1d"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
