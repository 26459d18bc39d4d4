//! The path of a request, in every way in which an upstream could read it.
//!
//! Upstreams differ: one decodes `%6c` before it looks at the words of a path and another after, one drops empty segments and another does
//! not, and a proxy in between may have ideas of its own. So a path is not *repaired* here: what it would become is not for us to say. It is
//! read strictly, and once more in each generous way. Only a path that is the same door ([`crate::doors`]) in all of them goes on.
//!
//! What no client needs is refused outright: empty segments (but for one at the end), dot segments, backslashes, control characters, broken
//! percent-encoding, bytes that are not UTF-8, and paths of more than [`LONGEST`] bytes. An encoded slash is not: names of aliases, events
//! and users have them. It is one more way to read the path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// More than the longest room alias, event type and state key of Matrix together, percent-encoded.
pub const LONGEST: usize = 4096;

/// So often may something be encoded in an encoding.
const DEEPEST: usize = 3;

/// Why a path is not looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is longer than [`LONGEST`].
    #[error("the path is longer than {LONGEST} bytes")]
    Long,
    /// A character that must be percent-encoded, or a control character.
    #[error("the path contains characters that do not belong into one")]
    Characters,
    /// `%` without two hexadecimal digits, or what is encoded is not UTF-8.
    #[error("the path is not percent-encoded UTF-8")]
    Encoding,
    /// Empty segments, or `.` and `..`, encoded or not.
    #[error("the path contains empty or dot segments")]
    Segments,
    /// Upstreams could take it for different endpoints.
    #[error("the path can be read in more than one way")]
    Ambiguous,
}

/// One way to read a path: its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// What stands between the slashes.
    pub segments: Vec<Cow<'a, str>>,
    /// Upper and lower case are one, empty segments and `;parameters` are nothing.
    pub generous: bool,
}

/// Every way to read this path, the strict one (byte by byte) first.
pub fn readings(path: &str) -> Result<Vec<Reading<'_>>, Unreadable> {
    if path.len() > LONGEST {
        return Err(Unreadable::Long);
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(Unreadable::Characters);
    }
    let path = path.strip_prefix('/').ok_or(Unreadable::Segments)?;
    let strict = split(path)?;
    if strict.iter().rev().skip(1).any(|segment| without_parameters(segment).is_empty()) {
        return Err(Unreadable::Segments);
    }
    let mut bases = vec![strict];
    let mut text = Cow::Borrowed(path);
    for depth in 0..=DEEPEST {
        // What is encoded in an encoding need not be an encoding: a `%` may be part of a name. Upstreams that decode again leave that `%` and
        // go on with the rest, so we do (`%25%2536f` is `%%36f`, then `%6f`, then `o`).
        let next = if depth == 0 { decode(&text)? } else { percent_decode_str(&text).decode_utf8_lossy() };
        if next == text {
            break;
        }
        if depth == DEEPEST {
            return Err(Unreadable::Encoding);
        }
        if depth == 0 {
            // Segment by segment: an encoded slash stays within its segment.
            let decoded =
                path.split('/').map(|segment| decode(segment).map(|segment| Cow::Owned(segment.into_owned())));
            bases.push(decoded.collect::<Result<_, _>>()?);
        }
        let whole = next.replace('\\', "/");
        bases.push(split(&whole)?.into_iter().map(|segment| Cow::Owned(segment.into_owned())).collect());
        text = Cow::Owned(next.into_owned());
    }
    bases.dedup();
    let mut readings = Vec::with_capacity(2 * bases.len());
    for base in bases {
        let generous = generous(&base);
        readings.push(Reading { segments: base, generous: false });
        readings.push(generous);
    }
    Ok(readings)
}

/// The segments, none of them a dot segment.
fn split(path: &str) -> Result<Vec<Cow<'_, str>>, Unreadable> {
    let segments: Vec<_> = path.split('/').map(Cow::Borrowed).collect();
    let dots = segments.iter().any(|segment| matches!(without_parameters(segment), "." | ".."));
    if dots { Err(Unreadable::Segments) } else { Ok(segments) }
}

fn decode(text: &str) -> Result<Cow<'_, str>, Unreadable> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.as_bytes().get(..2).ok_or(Unreadable::Encoding)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Unreadable::Encoding);
        }
        rest = after;
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_not_utf8| Unreadable::Encoding)?;
    if decoded.chars().any(char::is_control) {
        return Err(Unreadable::Characters);
    }
    Ok(decoded)
}

/// Without case, without `;parameters`, without empty segments.
fn generous<'a>(segments: &[Cow<'a, str>]) -> Reading<'a> {
    let segments = segments.iter().map(folded).filter(|segment| !segment.is_empty()).collect();
    Reading { segments, generous: true }
}

fn folded<'a>(segment: &Cow<'a, str>) -> Cow<'a, str> {
    let short = without_parameters(segment);
    if short.len() == segment.len() && !segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return segment.clone();
    }
    Cow::Owned(short.to_ascii_lowercase())
}

fn without_parameters(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(before, _)| before)
}
