//! One question and its button: the page before most changes, and before what a sign-in asks for on the way.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{Site, site::Frame, words::Words};

/// Keys of the words of one question.
pub(super) struct Question {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    /// None: nothing is asked, this is only told.
    pub(super) button: Option<&'static str>,
    /// What the button does cannot be taken back.
    pub(super) danger: bool,
}

#[derive(Template)]
#[template(path = "ask.html")]
struct Page<'a> {
    page: Frame<'a>,
    question: Question,
    form_token: String,
    back: Option<String>,
}

/// The page of it. Its form leads to its own address.
pub(super) fn page(
    site: &Site,
    words: &Words,
    question: Question,
    form_token: String,
    back: Option<String>,
) -> Response {
    site.page(StatusCode::OK, &Page { page: site.frame(words), question, form_token, back }, None)
}
