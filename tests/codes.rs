//! What a code may do, at every door.

mod disk;
mod durability;
mod format;
mod guessing;
mod one_use;
mod recovery;
mod window;
