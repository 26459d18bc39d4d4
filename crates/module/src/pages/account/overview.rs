//! How things stand.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::{Policy, Proof, Standing, account::MAX_AUTHENTICATORS, recovery::FEW};

use super::{
    super::{site::Frame, trouble::Trouble},
    Place,
    history::{Line, When},
    owner::Owner,
};

/// Lines of history.
const LINES: usize = 10;

#[derive(Template)]
#[template(path = "account.html")]
struct Page<'a> {
    page: Frame<'a>,
    user: &'a str,
    enrolled: bool,
    state: String,
    done: Option<String>,
    warnings: Vec<String>,
    may_add: bool,
    full: bool,
    few: bool,
    may_turn_off: bool,
    authenticators: Vec<Row<'a>>,
    remaining: Option<String>,
    events: Vec<Line>,
    links: Links,
    sign_out_token: String,
}

struct Row<'a> {
    name: &'a str,
    link: String,
    added: When,
    used: Option<When>,
    locked: bool,
}

struct Links {
    add: String,
    new_phone: String,
    recovery: String,
    devices: String,
    off: String,
    sign_out: String,
}

impl Owner<'_> {
    pub(super) async fn overview(&self) -> Result<Response, Trouble> {
        let (engine, words, account) = (self.module.engine(), &self.visitor.words, &self.account);
        let standing = engine.standing(&self.user).await?;
        let policy = standing.policy;
        // Some events have no line of their own, and some share one.
        let events = engine.events(&self.user, 3 * LINES).await?;
        let rows = account.authenticators().iter().map(|one| Row {
            name: &one.name,
            link: self.link(&Place::One(one.id.clone())),
            added: When::at(one.created_at),
            used: one.last_used_at.map(When::at),
            locked: one.locked_at.is_some(),
        });
        let remaining = account.recovery_remaining() as u64;
        let page = Page {
            page: self.frame(),
            user: &self.user,
            enrolled: account.is_enrolled(),
            state: words.say(if account.is_enrolled() { "account-on" } else { "account-off" }),
            done: self.what_was_done().and_then(|what| done_in_words(&what)).map(|key| words.say(key)),
            warnings: self.warnings(&standing),
            may_add: policy != Policy::Disallowed,
            full: account.authenticators().len() >= MAX_AUTHENTICATORS,
            few: account.recovery_remaining() <= FEW,
            may_turn_off: account.is_enrolled() && policy != Policy::Required,
            authenticators: rows.collect(),
            remaining: account.is_enrolled().then(|| words.count("recovery-left", remaining)),
            events: Line::all(words, events, LINES),
            links: Links {
                add: self.link(&Place::Add),
                new_phone: self.link(&Place::NewPhone),
                recovery: self.link(&Place::Recovery),
                devices: self.link(&Place::Devices),
                off: self.link(&Place::Off),
                sign_out: self.link(&Place::SignOut),
            },
            sign_out_token: self.token(&Place::SignOut),
        };
        Ok(self.site.page(StatusCode::OK, &page, None))
    }

    fn warnings(&self, standing: &Standing) -> Vec<String> {
        let (words, account) = (&self.visitor.words, &self.account);
        let mut warnings = Vec::new();
        if !account.is_enrolled() {
            match standing.policy {
                Policy::Required => warnings.push(match standing.grace_until.filter(|_| !standing.barred) {
                    Some(until) => words.put("account-required-until", "when", &When::at(until).text),
                    None => words.say("account-required"),
                }),
                Policy::Disallowed => warnings.push(words.say("account-disallowed")),
                Policy::OptIn => {}
            }
            return warnings;
        }
        if account.is_locked() {
            warnings.push(words.say("account-locked"));
        }
        if self.proof() == Some(Proof::RecoveryLogin) {
            warnings.push(words.say("account-by-recovery"));
        }
        let remaining = account.recovery_remaining();
        if remaining <= FEW {
            warnings.push(words.count("account-few", remaining as u64));
        }
        warnings
    }
}

/// The text for what was done.
fn done_in_words(what: &str) -> Option<&'static str> {
    Some(match what {
        "renamed" => "done-renamed",
        "removed" => "done-removed",
        "off" => "done-off",
        _ => return None,
    })
}
