//! The hosted pages over HTTP: what a browser is shown, and everything that nobody may do there. The tree mirrors the URLs.

mod account;
mod account_doors;
mod auth_fallback;
mod login;
mod login_setup;
mod redirect_url;
mod visits;
