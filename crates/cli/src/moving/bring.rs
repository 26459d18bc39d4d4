//! Bringing users, from wherever: first everything is read once, so that nothing of a damaged or a bad file is taken; then user after user.

use futures_util::future::try_join_all;
use matrix_2fa_core::account::moving::{Arrival, Moved, MovedAuthenticator};
use matrix_2fa_engine::moving::ImportMode;

use super::{
    Import, Source, TELL_EVERY,
    file::Reader,
    list::{List, Map},
    told::{Counts, Told},
};
use crate::{
    admin::{AdminError, Desk},
    control::Teller,
    data::Data,
    failure::{Failure, chain},
};

/// Users whose commits share a flush.
const AT_ONCE: usize = 32;

/// A user who is to be brought.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands.
    pub line: usize,
    /// Whose it is here, as it was given.
    pub user: String,
    pub moved: Moved,
}

impl Entry {
    pub fn has(&self, other: &MovedAuthenticator) -> bool {
        self.moved.authenticators.iter().any(|own| own.seed.expose() == other.seed.expose())
    }
}

/// Where the users come from, one after the other.
enum Queue {
    Export(Box<Reader>, Map),
    List(std::vec::IntoIter<Entry>),
}

impl Queue {
    fn next(&mut self) -> Result<Option<Entry>, Failure> {
        match self {
            Self::List(entries) => Ok(entries.next()),
            Self::Export(reader, map) => {
                let next = reader.next()?;
                let line = reader.line;
                Ok(next.map(|(user, moved)| Entry { line, user: map.renamed(&user).to_owned(), moved }))
            }
        }
    }
}

/// Does it.
pub async fn import(import: Import, author: &str, data: &Data, teller: &Teller) -> Result<(), Failure> {
    let desk = Desk { data, author };
    let map = import.map.as_deref().map(Map::read).transpose()?.unwrap_or_default();
    let (mut queue, bad) = match &import.source {
        Source::List { file } => {
            let List { entries, mut bad } = List::read(file, &map, data.engine.now())?;
            let mut good = Vec::with_capacity(entries.len());
            for entry in entries {
                match unfit(&entry, &desk).await? {
                    Some(why) => bad.push((entry.line, why)),
                    None => good.push(entry),
                }
            }
            bad.sort_unstable();
            (Queue::List(good.into_iter()), bad)
        }
        Source::Export { file, identity } => {
            let mut reader = Reader::open(file, identity)?;
            let bad = tokio::task::block_in_place(|| read_through(&mut reader, teller))?;
            (Queue::Export(Box::new(Reader::open(file, identity)?), map), bad)
        }
    };
    let bad_lines = bad.len();
    bad.into_iter().for_each(|(line, why)| teller.value(Told::BadLine { line, why }.into_json()));
    let mut counts = Counts { bad_lines: bad_lines as u64, dry_run: import.dry_run, ..Counts::default() };
    if bad_lines > 0 && !import.skip_bad_lines {
        teller.value(Told::Imported(counts).into_json());
        return Err(Failure::run(format!(
            "{bad_lines} lines are bad, and nothing was imported: mend them, or leave them out with --skip-bad-lines"
        )));
    }
    bring(&mut queue, &import, &desk, &mut counts, teller).await?;
    let refused = counts.refused;
    teller.value(Told::Imported(counts).into_json());
    match refused {
        0 => Ok(()),
        1 => Err(Failure::run("one user was refused; nothing of theirs was changed")),
        _ => Err(Failure::run(format!("{refused} users were refused; nothing of theirs was changed"))),
    }
}

/// Reads a whole export, for what is wrong with it.
fn read_through(reader: &mut Reader, teller: &Teller) -> Result<Vec<(usize, String)>, Failure> {
    let (mut bad, mut read) = (Vec::new(), 0_usize);
    while let Some((_, moved)) = reader.next()? {
        bad.extend(moved.check().err().map(|why| (reader.line, why.to_string())));
        read += 1;
        if read.is_multiple_of(TELL_EVERY) {
            teller.progress(format!("{read} users read"));
        }
    }
    Ok(bad)
}

async fn bring(
    queue: &mut Queue,
    import: &Import,
    desk: &Desk<'_>,
    counts: &mut Counts,
    teller: &Teller,
) -> Result<(), Failure> {
    let mode = ImportMode { add: import.add, dry_run: import.dry_run };
    let (mut done, mut ended) = (0_usize, false);
    while !ended {
        let mut some = Vec::with_capacity(AT_ONCE);
        while some.len() < AT_ONCE && !ended {
            // Not as blocking work: for each of a million lines that would leave hundreds of threads behind, and this takes microseconds.
            match queue.next()? {
                // Those that were told as bad.
                Some(entry) if entry.moved.check().is_err() => {}
                Some(entry) => some.push(entry),
                None => ended = true,
            }
        }
        done += some.len();
        for (entry, arrival) in try_join_all(some.into_iter().map(|entry| one(entry, mode, desk))).await? {
            let why = match arrival {
                Ok(Arrival::Done { .. }) => {
                    counts.imported += 1;
                    continue;
                }
                Ok(Arrival::Already) => {
                    counts.already += 1;
                    continue;
                }
                Ok(Arrival::Enrolled) => {
                    "has another second factor here already: --add keeps it and adds these".to_owned()
                }
                Ok(Arrival::TooMany) => "would have too many authenticators: remove some first".to_owned(),
                Err(why) => why,
            };
            counts.refused += 1;
            teller.value(Told::Refused { line: entry.line, user: entry.user, why }.into_json());
        }
        if done.is_multiple_of(TELL_EVERY.next_multiple_of(AT_ONCE)) && done > 0 {
            teller.progress(format!("{done} users looked at"));
        }
    }
    Ok(())
}

/// What became of a user: an arrival, or why this is no user of ours.
async fn one(entry: Entry, mode: ImportMode, desk: &Desk<'_>) -> Result<(Entry, Result<Arrival, String>), Failure> {
    let user = match known(&entry.user, desk).await? {
        Ok(user) => user,
        Err(why) => return Ok((entry, Err(why))),
    };
    let arrival = desk.data.engine.import(&user, desk.author, &entry.moved, mode).await;
    let arrival = arrival.map_err(|error| {
        Failure::run(format!("{}; users before were imported, run it again for the others", chain(&error)))
    })?;
    Ok((entry, Ok(arrival)))
}

/// Why an entry of a list is no good, if it is none.
async fn unfit(entry: &Entry, desk: &Desk<'_>) -> Result<Option<String>, Failure> {
    if let Err(why) = entry.moved.check() {
        return Ok(Some(why.to_string()));
    }
    Ok(known(&entry.user, desk).await?.err().map(|why| format!("{}: {why}", entry.user)))
}

async fn known(user: &str, desk: &Desk<'_>) -> Result<Result<String, String>, Failure> {
    match desk.user(user).await {
        Ok(user) if desk.data.is_gateway() || desk.data.host.is_active(&user).await.map_err(AdminError::from)? => {
            Ok(Ok(user))
        }
        Ok(_) => Ok(Err("was deactivated".to_owned())),
        Err(AdminError::BadInput(_)) => Ok(Err("is no Matrix id of this server: name another in --map".to_owned())),
        Err(AdminError::NoSuchUser(_)) => Ok(Err("is no user of this server: make the user first".to_owned())),
        Err(error) => Err(error.into()),
    }
}
