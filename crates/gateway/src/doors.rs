//! Every door: the endpoints that give out a token or change a credential, what is done at each, and why. `spec/doors.md` is this table for
//! readers, and a test holds the two together.
//!
//! A path that is in no row is [`Treatment::Watched`]: it goes to the upstream, and its answer is inspected ([`crate::net`]).

mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::Method;

use crate::paths::{Reading, Unreadable, readings};

pub use table::TABLE;

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Answered here; the upstream never sees it.
    Ours,
    /// Judged here; what goes upstream, if anything, is built here.
    Guarded,
    /// Passed on as it is, although it gives a token or changes a credential. The row says why.
    Exempt,
    /// Passed on; a small JSON answer is inspected.
    Watched,
    /// Passed on in both directions without looking: known to mint no token.
    Streamed,
    /// Never passed on.
    Refused,
    /// Passed on as [`Treatment::Watched`] if the operator opened it ([`Opened`]), else refused.
    Closed,
}

/// A row of the table.
#[derive(Debug)]
pub struct Door {
    /// Methods, parted by spaces; `*` is every one.
    pub methods: &'static str,
    /// With a slash at its beginning: a whole path. Without: what follows `/_matrix/client/{version}/`. `{}` is one segment, `*` any number.
    pub path: &'static str,
    /// What is done.
    pub treatment: Treatment,
    /// Why that is enough, or what it is for.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the readers of spec/doors.md, which a test compares"))]
    pub why: &'static str,
}

/// What the operator opened of what is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The upstream's administration (`/_synapse/admin` and the like).
    pub admin: bool,
    /// The upstream's OAuth 2.0 metadata: its clients then log in without `/login`.
    pub oauth: bool,
}

/// Where a request may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To our handlers, under this path if the client wrote it under another version.
    Guard(Option<String>),
    /// Upstream; the answer is inspected.
    Watch,
    /// Upstream, streamed.
    Stream,
    /// Nowhere: 404.
    Nowhere,
    /// Nowhere: this path has other methods. 405.
    NoMethod,
}

/// The row for what a path is in no row of.
const UNKNOWN: Door = Door { methods: "*", path: "(everything else)", treatment: Treatment::Watched, why: "" };

/// Judges a request line. A path that upstreams could take for different doors is refused.
pub fn way(method: &Method, path: &str, opened: Opened) -> Result<Way, Unreadable> {
    let mut judged: Option<Found> = None;
    for reading in readings(path)? {
        let found = find(method, &reading);
        judged = Some(match judged {
            None => found,
            Some(before) => before.and(found)?,
        });
    }
    Ok(match judged.unwrap_or(Found::Nowhere) {
        Found::Nowhere => Way::Nowhere,
        Found::NoMethod => Way::NoMethod,
        Found::Door(door) => match door.treatment {
            Treatment::Ours | Treatment::Guarded => Way::Guard(canonical(path, door)),
            Treatment::Watched => Way::Watch,
            Treatment::Exempt | Treatment::Streamed => Way::Stream,
            Treatment::Refused => Way::Nowhere,
            Treatment::Closed if opened.opens(door) => Way::Watch,
            Treatment::Closed => Way::Nowhere,
        },
    })
}

impl Opened {
    fn opens(self, door: &Door) -> bool {
        if table::is_oauth(door) { self.oauth } else { self.admin }
    }
}

/// The row of one reading.
#[derive(Clone, Copy)]
enum Found {
    Door(&'static Door),
    NoMethod,
    Nowhere,
}

impl Found {
    /// Two readings of one path. What is only passed on is passed on with the greater care; everything else must be one and the same door.
    fn and(self, other: Self) -> Result<Self, Unreadable> {
        match (self, other) {
            (Self::NoMethod, Self::NoMethod) => Ok(self),
            (Self::Nowhere, Self::Nowhere) => Ok(self),
            (Self::Door(one), Self::Door(other)) if std::ptr::eq(one, other) => Ok(self),
            (Self::Door(one), Self::Door(other)) => match (one.treatment, other.treatment) {
                (Treatment::Streamed, Treatment::Streamed) => Ok(self),
                (
                    Treatment::Streamed | Treatment::Exempt | Treatment::Watched,
                    Treatment::Streamed | Treatment::Exempt | Treatment::Watched,
                ) => Ok(Self::Door(&UNKNOWN)),
                (Treatment::Refused | Treatment::Closed, Treatment::Refused | Treatment::Closed) => Ok(Self::Nowhere),
                _ => Err(Unreadable::Ambiguous),
            },
            _ => Err(Unreadable::Ambiguous),
        }
    }
}

fn find(method: &Method, reading: &Reading<'_>) -> Found {
    let Some(place) = Place::of(reading) else { return Found::Nowhere };
    let mut guarded = false;
    for door in TABLE.iter().filter(|door| place.matches(door)) {
        if door.takes(method) {
            return Found::Door(door);
        }
        guarded |= matches!(door.treatment, Treatment::Ours | Treatment::Guarded | Treatment::Refused);
        // The preflight of a path of ours is ours.
        if guarded && method == Method::OPTIONS {
            return Found::Door(door);
        }
    }
    if guarded { Found::NoMethod } else { Found::Door(&UNKNOWN) }
}

impl Door {
    fn takes(&self, method: &Method) -> bool {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.split(' ').any(|one| one == "*" || one == method)
    }
}

/// What a path is under.
struct Place<'a> {
    client: bool,
    generous: bool,
    segments: &'a [Cow<'a, str>],
}

impl<'a> Place<'a> {
    /// None: a version of the client-server API that nobody knows.
    fn of(reading: &'a Reading<'a>) -> Option<Self> {
        let generous = reading.generous;
        let whole = reading.segments.as_slice();
        match whole {
            [matrix, client, rest @ ..] if matrix == "_matrix" && client == "client" => match under_version(rest) {
                Some(segments) => Some(Self { client: true, generous, segments }),
                // `/_matrix/client/versions` and nothing else.
                None if matches!(rest, [versions] if versions == "versions") => {
                    Some(Self { client: false, generous, segments: whole })
                }
                None => None,
            },
            _ => Some(Self { client: false, generous, segments: whole }),
        }
    }

    fn matches(&self, door: &Door) -> bool {
        let pattern = match (self.client, door.path.strip_prefix('/')) {
            (true, None) => door.path,
            (false, Some(path)) => path,
            _ => return false,
        };
        let mut segments = self.segments.iter();
        for word in pattern.split('/') {
            if word == "*" {
                return true;
            }
            let Some(segment) = segments.next() else { return false };
            let same = match word {
                "{}" => !segment.is_empty(),
                // A family of names: `_{}` is every name with an underscore.
                "_{}" => segment.starts_with('_'),
                word if self.generous => segment.eq_ignore_ascii_case(word),
                word => segment == word,
            };
            if !same {
                return false;
            }
        }
        segments.next().is_none()
    }
}

/// What follows the version, if there is one that is known.
fn under_version<'a>(segments: &'a [Cow<'a, str>]) -> Option<&'a [Cow<'a, str>]> {
    let (version, rest) = segments.split_first()?;
    match (&**version, rest) {
        // The name of a proposal stands between `unstable` and the endpoint.
        ("unstable", [vendor, rest @ ..]) if vendor.contains('.') => Some(rest),
        ("api", [v1, rest @ ..]) if v1 == "v1" => Some(rest),
        ("r0" | "unstable", rest) => Some(rest),
        (version, rest) => {
            let number = version.strip_prefix('v')?;
            let known = !number.is_empty() && number.len() < 3 && number.bytes().all(|digit| digit.is_ascii_digit());
            known.then_some(rest)
        }
    }
}

/// Where our handlers are, if the client wrote another version.
fn canonical(path: &str, door: &Door) -> Option<String> {
    if door.path.starts_with('/') {
        return None;
    }
    let version = if door.path == "login/get_token" { "v1" } else { "v3" };
    let after = path.strip_prefix("/_matrix/client/")?;
    // Ours under the name of the proposal is ours as it is.
    if ["v3/", "r0/"].iter().any(|ours| after.starts_with(ours) && version == "v3") {
        return None;
    }
    let raw: Vec<Cow<'_, str>> = after.split('/').map(Cow::Borrowed).collect();
    let rest = under_version(&raw)?;
    Some(format!("/_matrix/client/{version}/{}", rest.join("/")))
}
