//! Values that never change again, hashed once: a state is looked up far more often than it is made.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// A shared value with its hash.
#[derive(Debug)]
pub struct Fixed<T>(Arc<T>, u64);

impl<T> Fixed<T> {
    /// `hash` tells the hasher everything that makes this value another one.
    pub fn new(value: T, hash: impl FnOnce(&T, &mut DefaultHasher)) -> Self {
        let mut hasher = DefaultHasher::new();
        hash(&value, &mut hasher);
        Self(Arc::new(value), hasher.finish())
    }
}

impl<T: Hash> From<T> for Fixed<T> {
    fn from(value: T) -> Self {
        Self::new(value, |value, hasher| value.hash(hasher))
    }
}

impl<T> Clone for Fixed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

impl<T> Deref for Fixed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: PartialEq> PartialEq for Fixed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1 && (Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0)
    }
}

impl<T: PartialEq> Eq for Fixed<T> {}

impl<T> Hash for Fixed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.1);
    }
}
