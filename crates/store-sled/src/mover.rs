//! Brings into the tree what the redo log has: many groups at once, each key once and in order, on a thread of its own. Until that is
//! durable the log keeps everything; so nothing here must be whole, and doing it twice does no harm.

use std::{
    fs::File,
    sync::{Arc, PoisonError, mpsc},
    thread,
};

use sled::{Batch, Db};

use crate::{
    committer::PanicGuard,
    keys,
    overlay::Layer,
    shared::{Damage, Shared},
};

/// Bytes that are applied as one batch and then synced. What sled recovers is whole batches, so that it never has to go on with a node that
/// was half split or merged; and it begins another block of its log for each, which costs more than the writing. Who reads the tree waits
/// meanwhile. And sled writes into segments that it no longer needs as soon as it has flushed what took their place; so the less there is
/// that a power cut could take of that, the better.
const AT_ONCE: usize = 128 * 1024;

/// Moves layers until nobody sends any more, or the store has failed. Tells of each.
pub fn run(shared: &Shared, layers: &mpsc::Receiver<Arc<Layer>>, done: &mpsc::Sender<()>) {
    let _guard = PanicGuard(shared);
    for layer in layers {
        if shared.writable().is_err() || moved(shared, &layer).is_err() || done.send(()).is_err() {
            return;
        }
    }
}

/// Moves a layer, which the overlay then has no more.
pub fn moved(shared: &Shared, layer: &Layer) -> Result<(), Arc<sled::Error>> {
    move_into_tree(&shared.db, &shared.file, layer.changes.iter(), layer.last)
        .map_err(|error| shared.fail(Damage::Unknown, error))?;
    shared.rows.follow(&layer.changes);
    let gone = {
        let _exclusive = shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        shared.overlay_mut().moved()
    };
    // Freed here, and not under the lock.
    drop(gone);
    Ok(())
}

/// Makes these changes in the tree, durably, and then says that it has all groups up to `last`.
pub fn move_into_tree<'a>(
    db: &Db,
    file: &File,
    changes: impl Iterator<Item = (&'a sled::IVec, &'a Option<sled::IVec>)>,
    last: u64,
) -> Result<(), sled::Error> {
    let sync = || -> Result<(), sled::Error> {
        db.flush()?;
        Ok(file.sync_data()?)
    };
    let apply = |batch: &mut Batch| {
        db.apply_batch(std::mem::take(batch))?;
        sync()
    };
    let mut batch = Batch::default();
    let mut staged = 0;
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
        staged += key.len() + value.as_ref().map_or(0, |value| value.len());
        if staged > AT_ONCE {
            apply(&mut batch)?;
            staged = 0;
            thread::yield_now();
        }
    }
    apply(&mut batch)?;
    batch.insert(keys::GROUP, &last.to_be_bytes());
    apply(&mut batch)
}
