//! What an authenticator app scans.

use fast_qr::{ECL, QRBuilder, convert::svg::SvgBuilder};

/// An otpauth URI as an SVG. Error correction L: a screen does not get dirty, and the picture stays small. `None` if it is too long.
pub(crate) fn svg(uri: &str) -> Option<String> {
    let code = QRBuilder::new(uri).ecl(ECL::L).build().ok()?;
    Some(SvgBuilder::default().to_str(&code))
}
