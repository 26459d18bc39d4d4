//! Changes of the set of keys: a new file, another active key, everything sealed, a key less.

use std::path::PathBuf;

use matrix_2fa_core::Event;
use matrix_2fa_store::{Store, StoreError};

use super::{
    KeyError, Keyring,
    cipher::Key,
    file,
    set::{self, KeySet, Stored},
};
use crate::Random;

impl Keyring {
    /// Makes a key file that nothing uses yet. Servers that share a store each need a copy of it before it is made active.
    pub fn make_file(&self, random: &dyn Random) -> Result<PathBuf, KeyError> {
        let folder = self.folder()?;
        let key = file::create(folder, random)?;
        Ok(file::path(folder, &key.id))
    }

    /// The file of a key.
    pub fn file(&self, id: &str) -> Result<PathBuf, KeyError> {
        Ok(file::path(self.folder()?, id))
    }

    /// Is everything sealed with the active key, as far as anybody knows?
    pub(crate) async fn is_settled(&self, store: &dyn Store) -> Result<bool, KeyError> {
        if self.folder.is_none() {
            return Ok(true);
        }
        Ok(self.stored(store).await?.set.settled)
    }

    /// Makes the key `to` active; without it the one unused key in the folder, or a new one. Returns its id.
    pub(crate) async fn activate(
        &self,
        store: &dyn Store,
        to: Option<&str>,
        random: &dyn Random,
        event: impl Fn(&str) -> Event,
    ) -> Result<String, KeyError> {
        let Stored { mut set, version } = self.stored(store).await?;
        let key = self.next_key(&set, to, random)?;
        let id = key.id.clone();
        set.activate(&key, &self.digest_key, random)?;
        self.save(store, version, &set, event(&id)).await?;
        self.adopt(&set, version + 1, key);
        Ok(id)
    }

    fn next_key(&self, set: &KeySet, to: Option<&str>, random: &dyn Random) -> Result<Key, KeyError> {
        let folder = self.folder()?;
        let unused: Vec<String> = match to {
            Some(id) if !set.is_unused(id) => {
                let reason = "is or was a key of this store: rotate to a new one (keys new)";
                return Err(KeyError::Unfit { id: id.to_owned(), reason });
            }
            Some(id) => vec![id.to_owned()],
            None => file::list(folder)?.into_iter().filter(|id| set.is_unused(id)).collect(),
        };
        match unused.as_slice() {
            [] => file::create(folder, random),
            [id] => file::read(folder, id)?
                .ok_or_else(|| KeyError::Unfit { id: id.clone(), reason: "has no file in the key folder" }),
            _ => Err(KeyError::Several(folder.to_owned())),
        }
    }

    /// Notes that everything is sealed with the key `id`, if that is still the active one.
    pub(crate) async fn settle(&self, store: &dyn Store, id: &str, event: Event) -> Result<(), KeyError> {
        let Stored { mut set, version } = self.stored(store).await?;
        if set.settled || set.active != id {
            return Ok(());
        }
        set.settled = true;
        self.save(store, version, &set, event).await?;
        self.write().version = version + 1;
        Ok(())
    }

    /// May the key `id` go, if it seals nothing?
    pub(crate) async fn removable(&self, store: &dyn Store, id: &str) -> Result<(), KeyError> {
        let set = self.stored(store).await?.set;
        let unfit = |reason| Err(KeyError::Unfit { id: id.to_owned(), reason });
        match set.ids().any(|known| known == id) {
            _ if set.active == id => unfit("is the active one: rotate to another first (keys rotate)"),
            true => Ok(()),
            false => unfit("is not a key of this store (keys check lists them)"),
        }
    }

    /// Takes a key out of the set. Its file stays where it is: an older backup may need it.
    pub(crate) async fn remove(&self, store: &dyn Store, id: &str, event: Event) -> Result<(), KeyError> {
        self.removable(store, id).await?;
        let Stored { mut set, version } = self.stored(store).await?;
        set.remove(id);
        self.save(store, version, &set, event).await?;
        let mut ring = self.write();
        ring.keys.remove(id);
        ring.version = version + 1;
        Ok(())
    }

    /// The ids of all keys that count, the active one first.
    pub(crate) async fn ids(&self, store: &dyn Store) -> Result<Vec<String>, KeyError> {
        if self.folder.is_none() {
            return Ok(vec![self.active()]);
        }
        let set = self.stored(store).await?.set;
        let others = set.ids().filter(|id| *id != set.active).map(str::to_owned);
        Ok(std::iter::once(set.active.clone()).chain(others).collect())
    }

    async fn stored(&self, store: &dyn Store) -> Result<Stored, KeyError> {
        let folder = self.folder()?;
        set::load(store).await?.ok_or_else(|| KeyError::Unknown(folder.to_owned()))
    }

    async fn save(&self, store: &dyn Store, version: u64, set: &KeySet, event: Event) -> Result<(), KeyError> {
        if set::save(store, version, set, Some(event)).await? {
            return Ok(());
        }
        Err(StoreError::Unavailable("another server changed the keys at the same time; try again".into()).into())
    }
}
