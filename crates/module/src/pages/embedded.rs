//! `GET /_matrix/static/client/login/`: the login page of the specification for apps that show it in a web view of their own and wait for
//! `window.matrixLogin.onLogin`. The script sends `POST /login` like any client, so every rule of the login holds; nothing is kept here.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#login-fallback)

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;

use super::{ACCOUNT, site::Frame, visitor::Visitor};
use crate::TwoFactor;

#[derive(Template)]
#[template(path = "embedded.html")]
struct Page<'a> {
    page: Frame<'a>,
    login: String,
    account: String,
    manage: Option<String>,
    device_id: String,
    device_name: String,
}

pub(crate) async fn show(State(module): State<Arc<TwoFactor>>, visitor: Visitor) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let page = Page {
        page: site.frame(&visitor.words),
        login: site.link("/_matrix/client/v3/login"),
        account: site.link(ACCOUNT),
        manage: module.manage_url(),
        device_id: visitor.query("device_id").unwrap_or_default(),
        device_name: visitor.query("initial_device_display_name").unwrap_or_default(),
    };
    site.page(StatusCode::OK, &page, None)
}
