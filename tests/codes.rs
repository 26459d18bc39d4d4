//! What a code may do, at every door.

mod disk;
mod durability;
mod format;
mod full_disk;
mod guessing;
mod one_use;
mod recovery;
mod window;
