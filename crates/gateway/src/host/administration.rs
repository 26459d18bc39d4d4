//! What a homeserver tells its administrators, in the words of Synapse's admin API: where users get mail, and messages of the server. Other
//! homeservers have no such thing; without a token none of it is asked.

use http::{Method, StatusCode};
use matrix_2fa::homeserver::HostError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Found, UpstreamHomeserver, away};
use crate::{
    calls::{Answer, Unexpected, unavailable},
    settings::GatewayError,
};

/// The homeserver's own word that there is no such user, and not that of a proxy before it.
const NOT_FOUND: &str = "M_NOT_FOUND";

/// A message that a client shows like any other.
const MESSAGE: &str = "m.text";

impl Found {
    /// Is the token, if there is one, an administrator's?
    pub async fn check_administrator(&self) -> Result<(), GatewayError> {
        let Some(token) = &self.settings.admin_token else { return Ok(()) };
        let path = "/_synapse/admin/v2/users?limit=1";
        let answer =
            self.upstream.ask(Method::GET, path, Some(token.expose()), None).await.map_err(GatewayError::Away)?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(GatewayError::NoAdministrator { path: path.to_owned(), status: answer.status.as_u16() }),
        }
    }
}

impl UpstreamHomeserver {
    /// The mail address of the user that was validated first.
    pub(super) async fn known_mail_address(&self, user: &str) -> Result<Option<String>, HostError> {
        let theirs = self.spellings.theirs(user).await?;
        let path = format!("/_synapse/admin/v2/users/{}", utf8_percent_encode(&theirs, NON_ALPHANUMERIC));
        let Some(answer) = self.administrate(Method::GET, &path, None).await? else { return Ok(None) };
        match answer.status {
            StatusCode::OK if answer.body.is_some() => Ok(answer.body.as_ref().and_then(first_mail_address)),
            StatusCode::NOT_FOUND if answer.string("errcode") == Some(NOT_FOUND) => Ok(None),
            status => Err(unavailable(Unexpected { what: "who a user is", status: status.as_u16() })),
        }
    }

    /// A message in the user's own clients. The upstream sends it once for each `id`.
    pub(super) async fn send_server_notice(
        &self,
        user: &str,
        id: &str,
        text: &str,
        html: &str,
    ) -> Result<bool, HostError> {
        let path = format!("/_synapse/admin/v1/send_server_notice/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        let content =
            json!({ "msgtype": MESSAGE, "body": text, "format": "org.matrix.custom.html", "formatted_body": html });
        let body = json!({ "user_id": self.spellings.theirs(user).await?, "content": content });
        let Some(answer) = self.administrate(Method::PUT, &path, body.as_object()).await? else { return Ok(false) };
        match answer.status {
            status if status.is_success() => Ok(true),
            // The user is gone.
            StatusCode::NOT_FOUND if answer.string("errcode") == Some(NOT_FOUND) => Ok(false),
            // What it says of itself (server notices are not set up, say) is for the operator's log.
            status => Err(HostError::Unavailable(
                format!(
                    "the upstream sends no server notice ({status}): {}",
                    answer.string("error").unwrap_or_default()
                )
                .into(),
            )),
        }
    }

    /// `None`: there is no token to ask with.
    async fn administrate(
        &self,
        method: Method,
        path: &str,
        body: Option<&Map<String, Value>>,
    ) -> Result<Option<Answer>, HostError> {
        let Some(token) = &self.settings.admin_token else { return Ok(None) };
        self.upstream.ask(method, path, Some(token.expose()), body).await.map(Some).map_err(away)
    }
}

fn first_mail_address(user: &Map<String, Value>) -> Option<String> {
    let known = user.get("threepids")?.as_array()?.iter();
    let mails = known.filter(|id| id.get("medium").and_then(Value::as_str) == Some("email"));
    let first = mails.min_by_key(|id| id.get("validated_at").and_then(Value::as_u64).unwrap_or(u64::MAX))?;
    Some(first.get("address")?.as_str()?.to_owned())
}
