//! The rows. The first one that takes path and method is it.

use super::{Door, Treatment, Treatment::*};

const fn row(methods: &'static str, path: &'static str, treatment: Treatment, why: &'static str) -> Door {
    Door { methods, path, treatment, why }
}

/// Rows that [`super::Opened::oauth`] opens; the others that are closed are administration.
pub(super) fn is_oauth(door: &Door) -> bool {
    matches!(door.path, "auth_metadata" | "auth_issuer" | "/.well-known/openid-configuration")
}

/// Every row.
pub static TABLE: &[Door] = &[
    // Logging in.
    row("GET", "login", Guarded, "the upstream's flows, and with pages our own"),
    row(
        "POST",
        "login",
        Guarded,
        "password, token, JWT, appservice: judged, proved by a probe, and sent on as the body that was judged",
    ),
    row(
        "POST",
        "login/get_token",
        Guarded,
        "gives a login token to who has an access token: interactive auth with the factor",
    ),
    row("*", "login/token", Refused, "an old name of login/get_token"),
    row("GET", "login/sso/redirect", Guarded, "our sign-in page"),
    row(
        "GET",
        "login/sso/redirect/*",
        Guarded,
        "our sign-in page, or a provider of the upstream: what that gives out is challenged at login",
    ),
    row("GET", "login/cas/ticket", Watched, "ends in a login token, which is challenged at login"),
    row(
        "POST",
        "refresh",
        Exempt,
        "continues a login that came through a door; gives nothing to who has no refresh token",
    ),
    row(
        "POST",
        "register",
        Watched,
        "a new account has no factor; whoever gets a token for an account that has one is stopped by the net",
    ),
    row("*", "register/*", Watched, "before an account exists"),
    row(
        "*",
        "rendezvous",
        Streamed,
        "a mailbox of login by QR code; the login at its end is login/get_token, or OAuth 2.0",
    ),
    row("*", "rendezvous/*", Streamed, "the same"),
    row("GET", "auth_metadata", Closed, "OAuth 2.0 logs in without POST login; without it clients use the password"),
    row("GET", "auth_issuer", Closed, "the same, by an older name"),
    row("GET", "/.well-known/openid-configuration", Closed, "the same"),
    row(
        "GET POST",
        "auth/{}/fallback/web",
        Guarded,
        "pages of interactive auth: ours for sessions of ours, else the upstream's",
    ),
    // Credentials.
    row(
        "POST",
        "account/password",
        Guarded,
        "interactive auth with the factor; a reset by e-mail has no access token: it is the upstream's alone, no factor is asked, it logs nobody in and removes no factor",
    ),
    row("POST", "account/deactivate", Guarded, "interactive auth with the factor; forgets the factors at its end"),
    row("POST", "account/3pid", Guarded, "an address resets the password: interactive auth with the factor"),
    row("POST", "account/3pid/add", Guarded, "the same"),
    row("GET", "account/3pid", Streamed, "reads"),
    row("POST", "account/3pid/bind", Exempt, "tells an identity server who has an address; resets nothing"),
    row("POST", "account/3pid/unbind", Exempt, "the same"),
    row(
        "POST",
        "account/3pid/delete",
        Exempt,
        "takes away a way to reset the password; no upstream asks for more than the access token",
    ),
    row("POST", "account/3pid/{}/requestToken", Watched, "sends a mail; what it proves is used at account/3pid/add"),
    row(
        "POST",
        "account/password/{}/requestToken",
        Watched,
        "sends a mail; what it proves is used at account/password",
    ),
    row("GET", "account/whoami", Streamed, "reads"),
    row("*", "account/two-factor", Ours, "the account endpoints of the proposal"),
    row("*", "account/two-factor/*", Ours, "the same"),
    row("DELETE", "devices/*", Guarded, "interactive auth with the factor"),
    row("GET PUT", "devices/*", Streamed, "reads and renames"),
    row("GET", "devices", Streamed, "reads"),
    row("POST", "delete_devices", Guarded, "interactive auth with the factor"),
    row(
        "POST",
        "keys/device_signing/upload",
        Guarded,
        "replaces the cross-signing identity: interactive auth with the factor",
    ),
    row("POST", "logout", Guarded, "passed on; what was remembered of the token is dropped"),
    row("POST", "logout/all", Guarded, "the same, and what was begun ends"),
    row(
        "POST",
        "user/{}/openid/request_token",
        Exempt,
        "proves a user's name to a third party; the homeserver takes it for no request",
    ),
    // What our answers add to.
    row("GET", "capabilities", Guarded, "the upstream's, and what this gateway can do"),
    row("GET", "/_matrix/client/versions", Guarded, "the same"),
    row(
        "GET",
        "/.well-known/matrix/client",
        Guarded,
        "the upstream's; where the homeserver is, it says of this gateway",
    ),
    row("*", "/_matrix-2fa", Ours, "pages, their files, and the health of this gateway"),
    row("*", "/_matrix-2fa/*", Ours, "the same"),
    row("*", "/_matrix/static/client/login", Ours, "the page with which old clients log in"),
    row("*", "/_matrix/static/client/login/", Ours, "the same"),
    row("*", "/_matrix/static/client/login/*", Ours, "the same"),
    // What mints no token, and is large, long or often.
    row("GET POST", "sync", Streamed, "long polls"),
    row("GET", "events", Streamed, "long polls"),
    row("GET", "initialSync", Streamed, "reads"),
    row("*", "rooms/*", Streamed, "rooms"),
    row("POST", "createRoom", Streamed, "rooms"),
    row("POST", "join/*", Streamed, "rooms"),
    row("POST", "knock/*", Streamed, "rooms"),
    row("GET", "joined_rooms", Streamed, "rooms"),
    row("GET POST", "publicRooms", Streamed, "rooms"),
    row("*", "directory/*", Streamed, "rooms"),
    row("POST", "search", Streamed, "rooms"),
    row("GET", "notifications", Streamed, "rooms"),
    row("PUT", "sendToDevice/*", Streamed, "messages of devices"),
    row("POST", "keys/upload", Streamed, "keys of this device"),
    row("POST", "keys/upload/*", Streamed, "keys of this device"),
    row("POST", "keys/query", Streamed, "keys"),
    row("POST", "keys/claim", Streamed, "keys"),
    row("GET", "keys/changes", Streamed, "keys"),
    row("POST", "keys/signatures/upload", Streamed, "keys"),
    row("*", "room_keys/*", Streamed, "the encrypted backup"),
    row("*", "profile/*", Streamed, "profiles"),
    row("*", "presence/*", Streamed, "presence"),
    row("POST", "user_directory/search", Streamed, "profiles"),
    row("*", "user/{}/account_data/*", Streamed, "account data"),
    row("*", "user/{}/rooms/*", Streamed, "account data"),
    row("POST", "user/{}/filter", Streamed, "filters"),
    row("GET", "user/{}/filter/{}", Streamed, "filters"),
    row("*", "pushrules/*", Streamed, "push rules"),
    row("*", "pushers/*", Streamed, "pushers"),
    row("*", "thirdparty/*", Streamed, "bridges"),
    row("GET", "voip/turnServer", Streamed, "credentials of a relay for calls, not of the homeserver"),
    row("*", "media/*", Streamed, "media"),
    row("*", "/_matrix/media/*", Streamed, "media"),
    row("*", "/_matrix/federation/*", Streamed, "other homeservers, who prove themselves by signatures"),
    row("*", "/_matrix/key/*", Streamed, "keys of homeservers"),
    row("GET", "/.well-known/matrix/*", Streamed, "reads"),
    // The upstream's administration. Whatever else begins with an underscore is somebody's.
    row("*", "/_matrix/*", Watched, "what is new or of the upstream's own making"),
    row(
        "*",
        "/_synapse/client/*",
        Watched,
        "pages of the upstream; a login token that comes out of one is challenged at login",
    ),
    row("*", "/_{}", Closed, "the upstream's administration"),
    row("*", "/_{}/*", Closed, "the upstream's administration; opened, its logins are still watched"),
];
