//! What the steps of a visit show.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::Timestamp;

use super::{
    super::{
        account,
        ask::{self, Question},
        site::Frame,
        target::Target,
        visitor::form_token,
    },
    visit::{Goal, Visit},
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct PasswordPage<'a> {
    page: Frame<'a>,
    purpose: String,
    form_token: String,
    user: &'a str,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    page: Frame<'a>,
    user: &'a str,
    form_token: String,
    error: Option<&'a str>,
    with_recovery: bool,
    switch: &'a str,
}

#[derive(Template)]
#[template(path = "way_in.html")]
struct SetupPage<'a> {
    page: Frame<'a>,
    form_token: String,
    until: Option<String>,
    later: String,
}

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    page: Frame<'a>,
    user: &'a str,
    target: &'a str,
    is_app: bool,
    link: String,
}

impl Visit<'_> {
    pub(super) fn setup_page(&self, grace_until: Option<Timestamp>) -> Response {
        let words = &self.visitor.words;
        let page = SetupPage {
            page: self.site.frame(words),
            form_token: form_token(self.module, &self.session.id, self.visit),
            until: grace_until.map(|until| words.put("way-in-until", "when", &account::moment(until))),
            later: self.address("?later"),
        };
        self.site.page(StatusCode::OK, &page, None)
    }

    pub(super) fn renewal_page(&self) -> Response {
        let button = Some("recovery-renew");
        let question = Question { title: "renew-title", text: "renew-text", button, danger: false };
        let token = form_token(self.module, &self.session.id, self.visit);
        ask::page(self.site, &self.visitor.words, question, token, None)
    }

    pub(super) fn password_page(&self, status: StatusCode, user: &str, error: Option<&str>) -> Response {
        let page = PasswordPage {
            page: self.site.frame(&self.visitor.words),
            purpose: match &self.goal {
                Goal::Client(target) => self.visitor.words.put("sign-in-for", "target", &target.shown),
                Goal::Account => self.visitor.words.say("account-sign-in"),
            },
            form_token: form_token(self.module, &self.session.id, self.visit),
            user,
            error,
        };
        self.site.page(status, &page, self.form_target())
    }

    pub(super) fn code_page(&self, status: StatusCode, error: Option<&str>) -> Response {
        let with_recovery = self.visitor.query("with").is_some();
        let page = CodePage {
            page: self.site.frame(&self.visitor.words),
            user: self.session.state.user.as_deref().unwrap_or_default(),
            form_token: form_token(self.module, &self.session.id, self.visit),
            error,
            with_recovery,
            switch: if with_recovery { "?" } else { "?with=recovery" },
        };
        self.site.page(status, &page, self.form_target())
    }

    pub(super) fn continue_page(&self, target: &Target) -> Response {
        let token = form_token(self.module, &self.session.id, &self.continue_scope());
        let page = ContinuePage {
            page: self.site.frame(&self.visitor.words),
            user: self.session.state.user.as_deref().unwrap_or_default(),
            target: &target.shown,
            is_app: !target.shown.contains('/'),
            link: self.address(&format!("/continue?form_token={token}")),
        };
        self.site.page(StatusCode::OK, &page, None)
    }
}
