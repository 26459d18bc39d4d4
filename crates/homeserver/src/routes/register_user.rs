//! POST /_matrix/client/v3/register
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3register>

use axum::{Json, extract::State, http::StatusCode};
use matrix_2fa::{ApiError, uia::UiaRequest};
use matrix_2fa_core::{Operation, Stage};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Client, Params, has_auth},
    logins::LoginRequest,
    password::check_strength,
    refuse::{flag, missing, text},
};

pub(crate) async fn handle(
    State(app): State<App>,
    Client(client): Client,
    Params(query): Params,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    check_kind(query.get("kind").map(String::as_str))?;
    if !app.host.settings.open_registration {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", "Registration is closed on this server."));
    }
    check_early(&app, &body).await?;
    let operation = Operation::new("register");
    let request = UiaRequest { requester: None, token: None, operation, body, client, first: Stage::Dummy };
    let body = app.two_factor.authorize(request).await?.body;

    let password = text(&body, "password")?.ok_or_else(|| missing("password"))?;
    check_strength(password)?;
    let login = LoginRequest::read(&body)?;
    let login = (!flag(&body, "inhibit_login")?.unwrap_or(false)).then_some(login);
    let user = app.host.new_user(&body).await?;
    let made = app.host.register(&user, password, login.as_ref()).await?;
    let mut answer = made.map_or_else(|| json!({ "user_id": user }), |login| login.into_json());
    if let (Some(obligation), Some(answer)) = (app.two_factor.obligation(&user).await?, answer.as_object_mut()) {
        answer.insert("org.matrix.msc1998.two_factor".to_owned(), obligation);
    }
    Ok(Json(answer))
}

fn check_kind(kind: Option<&str>) -> Result<(), ApiError> {
    match kind {
        None | Some("user") => Ok(()),
        Some("guest") => {
            Err(ApiError::new(StatusCode::FORBIDDEN, "M_GUEST_ACCESS_FORBIDDEN", "This server has no guest accounts."))
        }
        Some(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", "kind must be user or guest")),
    }
}

/// Everything that can be said before the interactive part, so that a user does not go through it for nothing. A request without `auth`
/// and without a password is a client that only wants to see the flows.
async fn check_early(app: &App, body: &Map<String, Value>) -> Result<(), ApiError> {
    LoginRequest::read(body)?;
    flag(body, "inhibit_login")?;
    if text(body, "username")?.is_some() {
        app.host.new_user(body).await?;
    }
    match text(body, "password")? {
        Some(password) => Ok(check_strength(password)?),
        None if has_auth(body) => Err(missing("password").into()),
        None => Ok(()),
    }
}
