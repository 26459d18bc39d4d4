//! Interactive auth, whatever the operation.

mod binding;
mod lifetime;
mod order;
mod shape;
