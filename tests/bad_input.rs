//! What nobody should send: always a Matrix error with an errcode, never a 5xx, never a dead connection. (That every answer is JSON, has an
//! errcode and CORS headers and is no 5xx is checked by the harness.)

mod bodies;
mod http;

/// Endpoints that take a body: method, path.
const WITH_BODY: [(&str, &str); 21] = [
    ("POST", "login"),
    ("POST", "register"),
    ("POST", "refresh"),
    ("POST", "account/password"),
    ("POST", "account/deactivate"),
    ("POST", "account/two-factor"),
    ("POST", "account/two-factor/totp"),
    ("POST", "account/two-factor/totp/confirm"),
    ("POST", "account/two-factor/recovery"),
    ("POST", "account/two-factor/disable"),
    ("DELETE", "account/two-factor"),
    ("PUT", "account/two-factor/authenticators/x"),
    ("DELETE", "account/two-factor/authenticators/x"),
    ("POST", "delete_devices"),
    ("PUT", "devices/x"),
    ("DELETE", "devices/x"),
    ("POST", "keys/device_signing/upload"),
    ("POST", "/_matrix/client/v1/login/get_token"),
    ("POST", "/_matrix/client/r0/login"),
    ("POST", "/_matrix/client/r0/account/two-factor/totp"),
    ("POST", "/_matrix/client/unstable/org.matrix.msc1998/account/two-factor"),
];
