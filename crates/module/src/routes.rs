//! One endpoint a file.

pub(crate) mod begin_totp;
pub(crate) mod confirm_totp;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod list_login_flows;
pub(crate) mod login;
pub(crate) mod regenerate_recovery;
pub(crate) mod remove_authenticator;
pub(crate) mod rename_authenticator;
pub(crate) mod show_status;
pub(crate) mod views;
