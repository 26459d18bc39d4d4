//! What the forms of the account page do.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::{
    Authenticator, Policy, Proof,
    account::{ChangeRefused, MAX_AUTHENTICATORS},
};
use matrix_2fa_engine::{EngineError, change::Disable};

use super::{
    super::{
        setup::{self, Form, Outcome, Setup},
        site::Frame,
        trouble::Trouble,
    },
    Place,
    history::When,
    owner::Owner,
};
use crate::routes::views;

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage<'a> {
    page: Frame<'a>,
    action: String,
    form_token: String,
    replaces: bool,
    name: &'a str,
    error: Option<&'a str>,
    back: String,
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct OnePage<'a> {
    page: Frame<'a>,
    authenticator: &'a Authenticator,
    added: When,
    used: Option<When>,
    last: bool,
    rename: String,
    rename_token: String,
    remove: String,
    remove_token: String,
    error: Option<&'a str>,
    back: String,
}

#[derive(Template)]
#[template(path = "old_phone.html")]
struct OldPhonePage<'a> {
    page: Frame<'a>,
    others: Vec<Other<'a>>,
    back: String,
}

/// An authenticator that may go.
struct Other<'a> {
    name: &'a str,
    added: When,
    action: String,
    token: String,
}

#[derive(Template)]
#[template(path = "ask.html")]
struct AskPage<'a> {
    page: Frame<'a>,
    title: String,
    text: String,
    button: String,
    danger: bool,
    form_token: String,
    back: Option<String>,
}

impl Owner<'_> {
    /// A page. Those before a change ask for a fresh proof already, so that nobody fills a form for nothing.
    pub(super) async fn show(&self, place: Place) -> Result<Response, Trouble> {
        let words = &self.visitor.words;
        match &place {
            Place::Overview => return self.overview().await,
            Place::Prove => return Ok(self.prove_page()),
            // What only a form leads to: back, or a reload after success.
            Place::Confirm | Place::Rename(_) | Place::Remove(_) | Place::SignOut => {
                return Ok(self.site.see_other(&self.link(&Place::Overview)));
            }
            _ => {}
        }
        let Some(_proof) = self.proof() else { return Ok(self.to_prove(place)) };
        match &place {
            Place::Add | Place::NewPhone if self.account.authenticators().len() >= MAX_AUTHENTICATORS => {
                Err(Trouble::TooMany)
            }
            Place::Add | Place::NewPhone => {
                Ok(self.add_page(StatusCode::OK, &place, &words.say("add-name-default"), None))
            }
            Place::OldPhone => Ok(self.old_phone_page()),
            Place::One(id) => self.one_page(StatusCode::OK, id, None),
            Place::Recovery | Place::Off if !self.account.is_enrolled() => Err(Trouble::Used),
            Place::Recovery => Ok(self.ask(&place, "recovery-title", "recovery-text", "recovery-renew", false)),
            Place::Off if self.module.policy_for(&self.user, &self.account).await? == Policy::Required => {
                Err(Trouble::LastRequired)
            }
            Place::Off => Ok(self.ask(&place, "off-title", "off-text", "off-button", true)),
            _ => Ok(self.ask(&place, "devices-title", "devices-text", "devices-button", true)),
        }
    }

    /// A form that is ours.
    pub(super) async fn submit(&self, place: Place) -> Result<Response, Trouble> {
        match &place {
            Place::Prove => return self.prove().await,
            // Bound to this session and to a proof that was fresh when the secret was made, as the API has it.
            Place::Confirm => return self.confirm().await,
            Place::SignOut => {
                self.module.engine().end_page_session(&self.session).await?;
                return Ok(self.drop_cookie(self.site.see_other(&self.link(&Place::Overview))));
            }
            _ => {}
        }
        let Some(proof) = self.proof() else { return Ok(self.to_prove(place)) };
        match &place {
            Place::Add | Place::NewPhone => self.begin(&place, proof).await,
            Place::Rename(id) => self.rename(id, proof).await,
            Place::Remove(id) => self.remove(id, proof).await,
            Place::Recovery => self.renew_codes(proof).await,
            Place::Off => self.turn_off(proof).await,
            Place::Devices => self.sign_out_devices().await,
            _ => Err(Trouble::NotFound),
        }
    }

    async fn begin(&self, place: &Place, proof: Proof) -> Result<Response, Trouble> {
        let given = self.visitor.field("name").trim();
        match views::name(given) {
            Ok(name) => self.setup(*place == Place::NewPhone).begin(proof, &name).await,
            Err(_) => {
                let text = self.visitor.words.say("name-wrong");
                Ok(self.add_page(StatusCode::BAD_REQUEST, place, given, Some(&text)))
            }
        }
    }

    async fn confirm(&self) -> Result<Response, Trouble> {
        let replaces = !self.visitor.field("replaces").is_empty();
        match self.setup(replaces).confirm().await? {
            Outcome::Again(response) => Ok(response),
            Outcome::Done { recovery: Some(codes), cookie, .. } => {
                let next = self.link(&Place::Overview);
                Ok(self.keep(setup::codes_page(self.site, self.visitor, &self.user, &codes, next), &cookie))
            }
            Outcome::Done { id, recovery: None, cookie } => {
                let next = if replaces { Place::OldPhone } else { Place::Overview };
                Ok(self.keep(self.site.see_other(&format!("{}?new={id}", self.link(&next))), &cookie))
            }
        }
    }

    fn setup(&self, replaces: bool) -> Setup<'_> {
        let again = if replaces { Place::NewPhone } else { Place::Add };
        let form = Form {
            action: self.link(&Place::Confirm),
            token: self.token(&Place::Confirm),
            again: self.link(&again),
            replaces,
        };
        Setup {
            module: self.module,
            site: self.site,
            visitor: self.visitor,
            session: &self.session,
            user: &self.user,
            form,
        }
    }

    async fn rename(&self, id: &str, proof: Proof) -> Result<Response, Trouble> {
        let Ok(name) = views::name(self.visitor.field("name").trim()) else {
            let text = self.visitor.words.say("name-wrong");
            return self.one_page(StatusCode::BAD_REQUEST, id, Some(&text));
        };
        let from = self.origination("rename", proof);
        settled(self.module.engine().rename(&self.user, &from, id, &name).await)?;
        Ok(self.done("renamed"))
    }

    async fn remove(&self, id: &str, proof: Proof) -> Result<Response, Trouble> {
        let from = self.origination("remove", proof);
        let removal = settled(self.module.engine().remove(&self.user, &from, id).await)?;
        Ok(self.done(if removal.enabled.is_empty() { "off" } else { "removed" }))
    }

    async fn renew_codes(&self, proof: Proof) -> Result<Response, Trouble> {
        let engine = self.module.engine();
        let place = engine.renewal_place(&self.user)?;
        let from = self.origination("regenerate", proof);
        let codes = settled(engine.regenerate(&self.user, &from, place).await)?;
        Ok(setup::codes_page(self.site, self.visitor, &self.user, &codes, self.link(&Place::Overview)))
    }

    async fn turn_off(&self, proof: Proof) -> Result<Response, Trouble> {
        let from = self.origination("disable", proof);
        settled(self.module.engine().disable(&self.user, &from, Disable::Everything).await)?;
        Ok(self.done("off"))
    }

    /// Every device, and every page session too, this one included: who is signed in afterwards has signed in anew.
    async fn sign_out_devices(&self) -> Result<Response, Trouble> {
        self.module.host().revoke_other_sessions(&self.user, None).await?;
        self.module.engine().end_pending(&self.user).await?;
        let words = &self.visitor.words;
        let page = AskPage {
            page: self.frame(),
            title: words.say("devices-done-title"),
            text: words.say("devices-done-text"),
            button: String::new(),
            danger: false,
            form_token: String::new(),
            back: Some(self.link(&Place::Overview)),
        };
        Ok(self.drop_cookie(self.site.page(StatusCode::OK, &page, None)))
    }

    fn ask(&self, place: &Place, title: &str, text: &str, button: &str, danger: bool) -> Response {
        let words = &self.visitor.words;
        let page = AskPage {
            page: self.frame(),
            title: words.say(title),
            text: words.say(text),
            button: words.say(button),
            danger,
            form_token: self.token(place),
            back: Some(self.link(&Place::Overview)),
        };
        self.site.page(StatusCode::OK, &page, None)
    }

    fn add_page(&self, status: StatusCode, place: &Place, name: &str, error: Option<&str>) -> Response {
        let page = AddPage {
            page: self.frame(),
            action: self.link(place),
            form_token: self.token(place),
            replaces: *place == Place::NewPhone,
            name,
            error,
            back: self.link(&Place::Overview),
        };
        self.site.page(status, &page, None)
    }

    fn one_page(&self, status: StatusCode, id: &str, error: Option<&str>) -> Result<Response, Trouble> {
        let all = self.account.authenticators();
        let authenticator = all.iter().find(|one| one.id == id).ok_or(Trouble::NotFound)?;
        let (rename, remove) = (Place::Rename(id.to_owned()), Place::Remove(id.to_owned()));
        let page = OnePage {
            page: self.frame(),
            authenticator,
            added: When::at(authenticator.created_at),
            used: authenticator.last_used_at.map(When::at),
            last: all.len() == 1,
            rename: self.link(&rename),
            rename_token: self.token(&rename),
            remove: self.link(&remove),
            remove_token: self.token(&remove),
            error,
            back: self.link(&Place::Overview),
        };
        Ok(self.site.page(status, &page, None))
    }

    /// All but the new one.
    fn old_phone_page(&self) -> Response {
        let new = self.visitor.query("new").unwrap_or_default();
        let old = self.account.authenticators().iter().filter(|one| one.id != new);
        let others = old.map(|one| {
            let place = Place::Remove(one.id.clone());
            let (action, token) = (self.link(&place), self.token(&place));
            Other { name: &one.name, added: When::at(one.created_at), action, token }
        });
        let page = OldPhonePage { page: self.frame(), others: others.collect(), back: self.link(&Place::Overview) };
        self.site.page(StatusCode::OK, &page, None)
    }
}

/// A change that happened, or the page that says why not.
fn settled<T>(changed: Result<Result<T, ChangeRefused>, EngineError>) -> Result<T, Trouble> {
    changed?.map_err(|refused| match refused {
        ChangeRefused::Required => Trouble::LastRequired,
        ChangeRefused::Unproved => Trouble::NeedsApp,
        ChangeRefused::Unknown | ChangeRefused::NoRecoveryCodes | ChangeRefused::NotEnrolled => Trouble::Used,
    })
}
