//! JSON shapes that several endpoints share.

use matrix_2fa_core::{Authenticator, RecoveryCode, Stage, account::Removal, totp::Algorithm};
use matrix_2fa_engine::enroll::Enrollment;
use serde_json::{Map, Value, json};

use crate::{ApiError, TwoFactor, homeserver::Requester, homeserver::RequesterKind};

/// An authenticator as its user may see it: never its secret.
pub(super) fn authenticator(authenticator: &Authenticator) -> Value {
    json!({
        "id": authenticator.id,
        "name": authenticator.name,
        "created_at": authenticator.created_at,
        "last_used_at": authenticator.last_used_at,
    })
}

/// A pending authenticator: the only answer that ever carries a secret.
pub(super) fn enrollment(enrollment: &Enrollment) -> Map<String, Value> {
    let algorithm = match enrollment.params.algorithm {
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
        Algorithm::Sha512 => "sha512",
    };
    let mut view = Map::new();
    view.insert(
        "params".to_owned(),
        json!({
            "type": format!("m.totp.v1.rfc6238-{algorithm}"),
            "step": enrollment.params.period,
            "size": enrollment.params.digits,
        }),
    );
    view.insert("seed".to_owned(), enrollment.seed.to_base32().into());
    view.insert("uri".to_owned(), enrollment.uri.as_str().into());
    view.insert("pending".to_owned(), true.into());
    view.insert("id".to_owned(), enrollment.id.as_str().into());
    view.insert("expires_at".to_owned(), enrollment.expires_at.as_millis().into());
    view
}

/// Recovery codes, shown once.
pub(super) fn recovery(codes: &[RecoveryCode]) -> Value {
    json!({"tokens": codes.iter().map(RecoveryCode::to_grouped).collect::<Vec<_>>()})
}

pub(super) fn removal(module: &TwoFactor, removal: &Removal) -> Value {
    json!({"providers": module.names(&removal.disabled), "enabled": module.names(&removal.enabled)})
}

/// A name for an authenticator: 1 to 100 characters, no control characters.
pub(crate) fn name(given: &str) -> Result<String, ApiError> {
    let length = given.chars().count();
    if !(1..=100).contains(&length) || given.chars().any(|c| c.is_control() || reorders(c)) {
        return Err(ApiError::invalid("A name has 1 to 100 characters and no control characters."));
    }
    Ok(given.to_owned())
}

/// Characters that make a name read otherwise than it is written.
pub(crate) fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The server chooses the secret.
pub(super) fn no_client_secret(body: &Map<String, Value>) -> Result<(), ApiError> {
    match ["seed", "secret", "uri"].into_iter().find(|key| body.contains_key(*key)) {
        Some(key) => Err(ApiError::invalid(format!("The server chooses the secret: leave out \"{key}\"."))),
        None => Ok(()),
    }
}

/// Only a user's own access token manages factors.
pub(super) fn own_token(requester: &Requester) -> Result<(), ApiError> {
    match requester.kind {
        RequesterKind::User => Ok(()),
        RequesterKind::Guest | RequesterKind::Appservice | RequesterKind::Delegated => {
            Err(ApiError::forbidden("Second factors are managed with the user's own access token."))
        }
    }
}

/// The providers that a body names.
pub(super) fn stage(module: &TwoFactor, name: &str) -> Result<Stage, ApiError> {
    let stage = module.settings().stage_prefix.parse(name).filter(|stage| stage.is_second_factor());
    stage.ok_or_else(|| ApiError::invalid(format!("This server has no provider \"{name}\".")))
}
