//! matrix-2fa-homeserver
