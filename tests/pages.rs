//! The hosted pages over HTTP: what a browser is shown, and everything that nobody may do there. The tree mirrors the URLs.

mod auth_fallback;
mod login;
mod redirect_url;
