//! What the forms of the account page do.

use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::{Proof, account::ChangeRefused};
use matrix_2fa_engine::{EngineError, change::Disable};

use super::{
    super::{
        ask::{self, Question},
        setup::{self, Form, Outcome, Setup},
        trouble::Trouble,
    },
    Place,
    owner::Owner,
};
use crate::{limits::Lasting, routes::views};

impl Owner<'_> {
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
        self.module.admit_lasting(Lasting::Name, &self.user, self.visitor.client())?;
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
        let codes = setup::Codes { codes, signed_out: false };
        Ok(setup::codes_page(self.site, self.visitor, &self.user, &codes, self.link(&Place::Overview)))
    }

    async fn turn_off(&self, proof: Proof) -> Result<Response, Trouble> {
        let from = self.origination("disable", proof);
        settled(self.module.engine().disable(&self.user, &from, Disable::Everything).await)?;
        Ok(self.done("off"))
    }

    /// Every device, and every page session too, this one included: who is signed in afterwards has signed in anew. This session ends first,
    /// so that one which is over, or outdated meanwhile, signs nobody out.
    async fn sign_out_devices(&self) -> Result<Response, Trouble> {
        self.module.engine().end_page_session(&self.session).await?;
        self.module.host().revoke_other_sessions(&self.user, None).await?;
        self.module.engine().end_pending(&self.user).await?;
        let told = Question { title: "devices-done-title", text: "devices-done-text", button: None, danger: false };
        let home = Some(self.link(&Place::Overview));
        Ok(self.drop_cookie(ask::page(self.site, &self.visitor.words, told, String::new(), home)))
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
