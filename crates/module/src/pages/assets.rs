//! The files of the pages: one stylesheet, one script, one picture. Their addresses change with their contents, so browsers may keep them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::branding::Accent;
use crate::TwoFactor;

pub(crate) const SCRIPT: &str = include_str!("../../assets/pages.js");
const STYLE: &str = include_str!("../../assets/pages.css");
const PICTURE: &str = include_str!("../../assets/lock.svg");

/// The stylesheet with the operator's colour.
pub(crate) fn stylesheet(accent: Option<Accent>) -> String {
    match accent {
        None => STYLE.to_owned(),
        // After ours, and stronger than its dark variant.
        Some(accent) => format!("{STYLE}:root:root{{--accent:{};--on-accent:{}}}\n", accent.css(), accent.text()),
    }
}

pub(crate) async fn serve(
    State(module): State<Arc<TwoFactor>>,
    Path((version, name)): Path<(String, String)>,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let (kind, bytes) = match (name.as_str(), &site.logo) {
        ("pages.css", _) => ("text/css; charset=utf-8", site.stylesheet.clone().into_bytes()),
        ("pages.js", _) => ("text/javascript; charset=utf-8", SCRIPT.into()),
        ("logo", Some(logo)) => (logo.media_type, logo.bytes.clone()),
        ("logo", None) => ("image/svg+xml", PICTURE.into()),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // Of many servers one may be newer: what it names must not be kept for a year with the contents of another.
    let kept = if site.is_version(&version) { "public, max-age=31536000, immutable" } else { "no-store" };
    let mut response = bytes.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A picture can be a document, and documents can have scripts.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
