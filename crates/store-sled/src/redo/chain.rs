//! Reading the log: which groups follow what the tree has, and whether one is missing.
//!
//! What may be found at the end is a group that was being written, and so was never acknowledged. Anything else that does not fit was lost by
//! the disk, or by sled: a gap between the tree and the first group, or a whole group behind a broken one. Then the store stays shut.
//!
//! And the last group may be whole only in a cache of the system, if its sync failed. So it is written again, and synced, before the tree may
//! have anything of it: otherwise a power cut could leave half of it there.

use std::{
    fs::File,
    io::{self, Read, Seek},
    ops::Range,
    os::unix::fs::FileExt,
};

use super::{Change, HEADER, Mark, SECTOR, Secret, change, sum};

/// What follows the tree.
#[derive(Debug, Default)]
pub struct Chain {
    /// Every group that both files have from their starts on, and that a check may ask for.
    marks: Vec<Mark>,
    /// The changes of the groups that the tree does not have, in their order.
    pub changes: Vec<Change>,
    /// The last group; the tree's own, if nothing follows that.
    pub last: Mark,
    /// The file that must not be written next: it has the last group.
    pub file: Option<usize>,
}

/// Why the log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum BrokenChain {
    /// It cannot be read.
    #[error("the redo log cannot be read")]
    Io(#[from] io::Error),
    /// The tree ends before the log begins.
    #[error("the tree has groups up to {tree}, and the redo log begins at {first}: what lies between is lost")]
    Gap {
        /// What the tree has.
        tree: u64,
        /// The first that is there.
        first: u64,
    },
    /// A group is broken, and a later one is whole.
    #[error("the redo log is broken after group {last}, but has group {later}")]
    Hole {
        /// The last one that is whole.
        last: u64,
        /// The one behind.
        later: u64,
    },
    /// A whole group has no changes.
    #[error("group {0} of the redo log makes no sense")]
    Nonsense(u64),
}

/// Reads both files. `tree` is the last group that the tree has.
pub fn read(files: &mut [File; 2], secret: &Secret, tree: u64) -> Result<Chain, BrokenChain> {
    let mut found = Vec::new();
    let mut newest = tree;
    for (file, number) in files.iter_mut().zip(0..) {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        newest = newest.max(newest_of(&bytes, secret));
        found.push((number, bytes));
    }
    let mut chains: Vec<_> = found.iter().map(|(number, bytes)| (*number, groups(bytes, secret))).collect();
    chains.retain(|(_, groups)| !groups.is_empty());
    chains.sort_by_key(|(_, groups)| groups.first().map(|group| group.mark.group));
    let mut chain = Chain { last: Mark { group: tree, sum: 0 }, ..Chain::default() };
    let mut last = None;
    for (number, groups) in chains {
        for Whole { mark, place, changes } in groups {
            chain.marks.push(mark);
            last = Some((number, place));
            chain.file = Some(number);
            if mark.group > chain.last.group + 1 {
                return Err(BrokenChain::Gap { tree: chain.last.group, first: mark.group });
            }
            if mark.group > chain.last.group {
                chain.changes.extend(change::read(changes).ok_or(BrokenChain::Nonsense(mark.group))?);
                chain.last = mark;
            }
        }
    }
    if newest > chain.last.group {
        return Err(BrokenChain::Hole { last: chain.last.group, later: newest });
    }
    if let Some((number, place)) = last
        && let (Some(file), Some((_, bytes))) = (files.get(number), found.get(number))
        && let Some(same) = bytes.get(place.clone())
    {
        file.write_all_at(same, place.start as u64)?;
        file.sync_data()?;
    }
    Ok(chain)
}

impl Chain {
    /// Is this group in the tree, or in the log as it was written?
    pub fn has(&self, acknowledged: Mark, tree: u64) -> bool {
        acknowledged.group <= tree || self.marks.contains(&acknowledged)
    }
}

/// A group that is as it was written.
struct Whole<'a> {
    mark: Mark,
    /// Where it lies in its file.
    place: Range<usize>,
    changes: &'a [u8],
}

/// The groups from the start of a file to the first that does not follow the one before.
fn groups<'a>(bytes: &'a [u8], secret: &Secret) -> Vec<Whole<'a>> {
    let (mut groups, mut at) = (Vec::<Whole<'_>>::new(), 0);
    while let Some(group) = whole(bytes, at, secret) {
        if groups.last().is_some_and(|last| group.mark.group != last.mark.group + 1) {
            break;
        }
        at = group.place.end.next_multiple_of(SECTOR);
        groups.push(group);
    }
    groups
}

/// The highest number of a whole group, wherever it lies.
fn newest_of(bytes: &[u8], secret: &Secret) -> u64 {
    let sectors = (0..bytes.len()).step_by(SECTOR);
    sectors.filter_map(|at| Some(whole(bytes, at, secret)?.mark.group)).max().unwrap_or(0)
}

fn whole<'a>(bytes: &'a [u8], at: usize, secret: &Secret) -> Option<Whole<'a>> {
    let (own, rest) = bytes.get(at..)?.split_first_chunk::<16>()?;
    if own != secret {
        return None;
    }
    let (group, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (found, rest) = rest.split_first_chunk()?;
    let changes = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let mark = Mark { group: u64::from_be_bytes(*group), sum: u32::from_be_bytes(*found) };
    let place = at..at + HEADER + changes.len();
    (sum(mark.group, *length, changes) == mark.sum).then_some(Whole { mark, place, changes })
}
