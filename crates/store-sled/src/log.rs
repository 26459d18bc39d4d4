//! Events, in blocks: one key a group of commits, however many events it has. Each stored account points to its user's last event, and
//! each event to the one before it.

use matrix_2fa_store::StoreError;

/// Where an event lies: the block's `seq` and the place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    seq: u64,
    offset: u32,
}

/// Bytes of an encoded [`Pointer`]. All zeros point nowhere: no block has the number 0.
pub const POINTER: usize = 12;

/// A block is closed when it has grown past this, so that it stays a small value.
const FULL: usize = 32 * 1024;

impl Pointer {
    pub fn new(seq: u64, offset: usize) -> Self {
        Self { seq, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// The number of the block.
    pub fn seq(self) -> u64 {
        self.seq
    }

    /// The place in the block.
    pub fn offset(self) -> usize {
        self.offset as usize
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk()?;
        let (offset, _) = rest.split_first_chunk()?;
        Some(Self { seq: u64::from_be_bytes(*seq), offset: u32::from_be_bytes(*offset) })
    }

    pub fn to_bytes(self) -> [u8; POINTER] {
        let mut bytes = [0; POINTER];
        bytes
            .iter_mut()
            .zip(self.seq.to_be_bytes().into_iter().chain(self.offset.to_be_bytes()))
            .for_each(|(to, from)| *to = from);
        bytes
    }

    /// The block that it points into, unless it points nowhere.
    pub fn block(self) -> Option<u64> {
        (self.seq != 0).then_some(self.seq)
    }
}

/// The block that is being filled.
#[derive(Debug, Default)]
pub struct Block {
    pub seq: u64,
    pub bytes: Vec<u8>,
}

impl Block {
    /// Appends an encoded event of a user whose last one was at `before`.
    pub fn append(&mut self, before: Pointer, event: &[u8]) -> Pointer {
        let place = Pointer::new(self.seq, self.bytes.len());
        self.bytes.extend_from_slice(&before.to_bytes());
        self.bytes.extend_from_slice(&u32::try_from(event.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(event);
        place
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }
}

/// The event at `place` of its block, and where the one before it lies.
pub fn read(block: &[u8], place: Pointer) -> Result<(Pointer, &[u8]), StoreError> {
    let (before, event, _) = block.get(place.offset()..).and_then(first).ok_or_else(cut_short)?;
    Ok((before, event))
}

/// All events of a block, in the order in which they were appended.
pub fn all(mut block: &[u8]) -> impl Iterator<Item = Result<&[u8], StoreError>> {
    std::iter::from_fn(move || {
        if block.is_empty() {
            return None;
        }
        let Some((_, event, rest)) = first(block) else {
            block = &[];
            return Some(Err(cut_short()));
        };
        block = rest;
        Some(Ok(event))
    })
}

/// The first event of these, where the one before it lies, and what follows.
fn first(entries: &[u8]) -> Option<(Pointer, &[u8], &[u8])> {
    let before = Pointer::read(entries)?;
    let (length, rest) = entries.get(POINTER..)?.split_first_chunk()?;
    let (event, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((before, event, rest))
}

fn cut_short() -> StoreError {
    StoreError::Corrupt { what: "event", source: "its block is cut short".into() }
}
