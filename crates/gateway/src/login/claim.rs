//! Who a login body says it is. Upstreams differ in which of several names they take, so there is one.

use matrix_2fa::{
    ApiError,
    request::{object, string},
};
use serde_json::{Map, Value, json};

/// The one name of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Claim {
    /// `m.id.user`.
    Name(String),
    /// An identifier of another type, as it is.
    Other(Map<String, Value>),
}

impl Claim {
    /// Takes every name out of the body: `identifier`, and the deprecated `user`, or `medium` and `address`. Two that differ are refused.
    pub(super) fn take(body: &mut Map<String, Value>) -> Result<Option<Self>, ApiError> {
        let mut claims = Vec::new();
        if let Some(identifier) = object(body, "identifier")? {
            claims.push(Self::of(identifier)?);
        }
        if let Some(user) = string(body, "user")? {
            claims.push(Self::Name(user.to_owned()));
        }
        if let (Some(medium), Some(address)) = (string(body, "medium")?, string(body, "address")?) {
            let identifier = json!({"type": "m.id.thirdparty", "medium": medium, "address": address});
            claims.extend(identifier.as_object().cloned().map(Self::Other));
        }
        for key in ["identifier", "user", "medium", "address"] {
            body.remove(key);
        }
        let first = claims.pop();
        if claims.iter().any(|claim| Some(claim) != first.as_ref()) {
            return Err(ApiError::invalid("The body names two users. Send only \"identifier\"."));
        }
        Ok(first)
    }

    fn of(identifier: &Map<String, Value>) -> Result<Self, ApiError> {
        match string(identifier, "type")?.ok_or_else(|| ApiError::missing("identifier.type"))? {
            "m.id.user" => {
                let user = string(identifier, "user")?.ok_or_else(|| ApiError::missing("identifier.user"))?;
                Ok(Self::Name(user.to_owned()))
            }
            _ => Ok(Self::Other(identifier.clone())),
        }
    }

    /// As an identifier.
    pub(super) fn identifier(&self) -> Value {
        match self {
            Self::Name(user) => json!({"type": "m.id.user", "user": user}),
            Self::Other(identifier) => Value::Object(identifier.clone()),
        }
    }

    /// The name, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(user) => Some(user),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(body: Value) -> Result<Option<Claim>, ApiError> {
        let mut body = body.as_object().cloned().expect("an object");
        let claim = Claim::take(&mut body);
        assert!(body.is_empty(), "{body:?}");
        claim
    }

    /// Synapse takes `user`, or `medium` and `address`, before `identifier`; others the other way round.
    #[test]
    fn two_names_are_refused_and_one_is_taken() {
        let alice = || json!({"type": "m.id.user", "user": "alice"});
        let name = Claim::Name("alice".to_owned());
        assert_eq!(claim(json!({"identifier": alice()})), Ok(Some(name)));
        assert_eq!(claim(json!({"user": "alice", "identifier": alice()})), Ok(Some(Claim::Name("alice".to_owned()))));
        assert_eq!(claim(json!({})), Ok(None));
        let mail = json!({"type": "m.id.thirdparty", "medium": "email", "address": "a@b"});
        assert_eq!(claim(json!({"medium": "email", "address": "a@b"})), claim(json!({"identifier": mail.clone()})));
        for two in [
            json!({"identifier": alice(), "user": "bob", }),
            json!({"identifier": mail, "user": "bob"}),
            json!({"identifier": alice(), "medium": "email", "address": "a@b"}),
        ] {
            let mut body = two.as_object().cloned().expect("an object");
            assert!(Claim::take(&mut body).is_err(), "{two}");
        }
    }
}
