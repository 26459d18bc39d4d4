//! One file for each endpoint, in the tree of the URLs.

mod account_deactivate;
mod account_password;
mod account_two_factor;
mod capabilities;
mod delete_devices;
mod device_signing;
mod devices;
mod get_token;
mod login;
mod login_one_field;
mod logout;
mod refresh;
mod register;
mod sync;
mod versions;
mod whoami;
