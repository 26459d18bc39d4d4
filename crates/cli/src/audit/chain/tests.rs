//! A chain shows whatever is done to it, and bears that events are blacked out.

use matrix_2fa_core::{EventKind, Stage, event::Origin};

use super::*;

fn mac(bytes: &[u8]) -> Hash {
    Sha256::digest([b"key", bytes].concat()).into()
}

fn event(n: u64) -> Event {
    let kind = EventKind::FactorFailed { stage: Stage::Totp, run: 1 };
    let origin = Origin { ip: Some("192.0.2.1".to_owned()), ..Origin::default() };
    Event { at: Timestamp::from_millis(n), user: "@alice:example.org".to_owned(), origin, kind }
}

/// Ten events with a checkpoint after five and at the end.
fn log() -> Vec<String> {
    let mut head = Head::new("w".to_owned());
    let mut lines = Vec::new();
    for n in 1..=10 {
        lines.push(head.append(&event(n), &[n as u8; 16], false).unwrap());
        if n % 5 == 0 {
            lines.push(head.checkpoint(Timestamp::from_millis(n), Timestamp::from_millis(n), n == 10, &mac).unwrap());
        }
    }
    lines
}

fn verified(lines: &[String]) -> Result<Verified, Broken> {
    verify(lines.join("\n").as_bytes(), &mac)
}

/// What one writer has written, who wrote the last line.
fn by_one(seq: u64, open: u64) -> Verified {
    let writers = [("w".to_owned(), Written { seq, open })].into();
    Verified { last: Some("w".to_owned()), writers, ..Verified::default() }
}

#[test]
fn what_is_whole_is_verified_from_the_begin_or_from_a_checkpoint() {
    let lines = log();
    let whole = Verified { events: 10, checkpoints: 2, ..by_one(10, 0) };
    assert_eq!(verified(&lines).unwrap(), whole);
    assert_eq!(verified(&lines[5..]).unwrap(), Verified { events: 5, ..whole.clone() });
    let open = Verified { events: 10, checkpoints: 1, ..by_one(10, 5) };
    assert_eq!(verified(&lines[..11]).unwrap(), open);
    let mut with_others = lines;
    with_others.insert(0, "matrix-2fa is ready: http://127.0.0.1:8008".to_owned());
    assert!(verified(&with_others).is_ok());
}

#[test]
fn r61_a_line_that_was_changed_taken_out_put_in_or_moved_shows() {
    let lines = log();
    for line in 0..lines.len() {
        let mut cut = lines.clone();
        cut.remove(line);
        // At the end nothing is after it, and the last checkpoint vouches for what is before itself.
        assert_eq!(verified(&cut).is_ok(), [5, 11].contains(&line), "line {line} taken out");
        let mut twice = lines.clone();
        twice.insert(line, lines[line].clone());
        assert_eq!(verified(&twice).is_ok(), [5, 11].contains(&line), "line {line} twice");
        if line > 0 {
            let mut moved = lines.clone();
            moved.swap(line, line - 1);
            assert!(verified(&moved).is_err(), "line {line} moved");
        }
        for place in 0..lines[line].len() {
            let mut changed = lines.clone();
            let mut bytes = changed[line].clone().into_bytes();
            bytes[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
            changed[line] = String::from_utf8(bytes).unwrap();
            // Without its first character it is no line of ours any more: taken out, as above.
            let out = place == 0 && [5, 11].contains(&line);
            assert_eq!(verified(&changed).is_ok(), out, "line {line}, character {place}: {}", changed[line]);
        }
    }
}

#[test]
fn r61_who_makes_the_whole_chain_anew_needs_the_key() {
    let mut head = Head::new("w".to_owned());
    let mut lines: Vec<_> = (2..=10).map(|n| head.append(&event(n), &[0; 16], false).unwrap()).collect();
    lines.push(head.checkpoint(Timestamp::from_millis(10), Timestamp::from_millis(10), true, &|_| [0; 32]).unwrap());
    assert!(matches!(verified(&lines), Err(Broken::Checkpoint(10))));
}

#[test]
fn an_event_that_was_blacked_out_breaks_nothing_and_says_nothing() {
    let mut lines = log();
    let (before, _) = lines[3].split_once(",\"event\":").unwrap();
    let (begin, rest) = before.split_once("\"salt\":\"").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    lines[3] = format!("{begin}\"salt\":null{rest},\"event\":null}}");
    let found = verified(&lines).unwrap();
    assert_eq!((found.events, found.erased), (9, 1));
    assert!(!lines[3].contains("alice"));
}

#[test]
fn a_hundred_thousand_events_are_verified() {
    let mut head = Head::new("w".to_owned());
    let lines: Vec<_> = (0..100_000).map(|n| head.append(&event(n), &[0; 16], false).unwrap()).collect();
    assert_eq!(verified(&lines).unwrap().events, 100_000);
}

#[test]
fn r61_lines_of_another_writer_hide_nothing_that_was_taken_out() {
    let mut lines = log();
    let mut stranger = Head::new("x".to_owned());
    let put_in = stranger.append(&event(1), &[0; 16], false).unwrap();
    // Between two writers everything of the first is missing but its beginning and its last checkpoint.
    lines.splice(3..11, [put_in.clone()]);
    assert!(matches!(verified(&lines), Err(Broken::Chain(5))), "{:?}", verified(&lines));
    // Alone it shows as what nobody with the key has vouched for.
    let mut lines = log();
    lines.insert(6, put_in);
    let found = verified(&lines).unwrap();
    assert_eq!(found.writers["x"], Written { seq: 1, open: 1 });
    assert_eq!(found.writers["w"], Written { seq: 10, open: 0 });
}

#[test]
fn r61_what_is_put_into_a_line_shows() {
    for (line, put) in [
        (0, r#""note":"and nobody saw it","#),
        (5, r#""note":"and nobody saw it","#),
        (0, r#""at":1,"#),
        (5, r#""event":{"at":1,"user":"@mallory:example.org"},"#),
        (5, r#""digest":"00","#),
    ] {
        let mut lines = log();
        lines[line].insert_str(1, put);
        assert!(matches!(verified(&lines), Err(Broken::Line(..) | Broken::Mixed(_))), "{put}");
    }
}
