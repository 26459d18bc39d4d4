//! Every notice in every language, and nothing in a letter that somebody else could have put there.

use matrix_2fa_core::event::Origin;

use super::*;

fn notice(news: News) -> Notice {
    let origin = Origin { ip: Some("192.0.2.1".to_owned()), ..Origin::default() };
    let at = Timestamp::from_millis(1_800_000_000_000);
    Notice {
        id: "id".to_owned(),
        user: "@alice:example.org".to_owned(),
        at,
        news,
        origin,
        tries: 1,
        arrived: Vec::new(),
    }
}

fn stationery(name: &str) -> Stationery {
    let manage_url = Some("https://example.org/_matrix-2fa/account".to_owned());
    Stationery::new(NoticeSettings { name: name.to_owned(), manage_url, language: "en".to_owned() })
}

fn everything() -> Vec<News> {
    let name = || "phone".to_owned();
    vec![
        News::Added { name: name(), first: true },
        News::Added { name: name(), first: false },
        News::Removed { name: name() },
        News::Renamed { from: name(), to: "tablet".to_owned() },
        News::TurnedOff,
        News::RecoveryUsed { remaining: 9 },
        News::RecoveryUsed { remaining: 1 },
        News::RecoveryUsed { remaining: 0 },
        News::RecoveryRenewed,
        News::RecoveryRemoved,
        News::Reset,
        News::Unlocked,
        News::Locked,
        News::PasswordKnown,
        News::Unfinished,
        News::CodeIssued,
        News::IssuedCodeUsed,
        News::Imported { names: vec![name(), name()] },
        News::More,
    ]
}

#[test]
fn every_notice_is_told_in_every_language() {
    let stationery = stationery("Example");
    for language in LANGUAGES {
        for news in everything() {
            let Letter { subject, text, html, .. } = stationery.write(&notice(news), Some(language));
            assert!(subject.ends_with("(Example)") && !subject.contains("notice-"), "{subject}");
            assert!(html.contains(&format!("lang=\"{language}\"")), "{html}");
            for part in [text, html] {
                assert!(!part.contains("notice-") && !part.contains('$'), "a text is missing: {part}");
                for fact in [
                    "@alice:example.org",
                    "2027-01-15 08:00 UTC",
                    "192.0.2.1",
                    "https://example.org/_matrix-2fa/account",
                ] {
                    assert!(part.contains(fact), "{fact}: {part}");
                }
            }
        }
    }
    assert_eq!(stationery.write(&notice(News::Reset), Some("xx")), stationery.write(&notice(News::Reset), None));
}

#[test]
fn what_others_chose_is_neither_a_link_nor_a_line_nor_markup() {
    let name = "<b>Locked!</b>\r\nBcc: x@evil.example\r\n see https://evil.example/now and then some more of that kind"
        .to_owned();
    let letter = stationery("Ex\r\nBcc: evil@evil.example").write(&notice(News::Added { name, first: true }), None);
    assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
    for part in [&letter.text, &letter.html] {
        for bad in ["evil.example/", "https://evil", "x@evil", "<b>Locked", "\r"] {
            assert!(!part.contains(bad), "{bad}: {part}");
        }
    }
}

#[test]
fn a_name_is_no_telephone_number() {
    for (name, shown) in [
        ("Pixel 8 (2024)", "Pixel 8 (2024)"),
        ("Locked! Call +1 555 0100 123 now", "Locked· Call ·1 555 0··· ··· now"),
        ("٠١٢٣٤٥٦٧", "٠١٢٣٤···"),
        ("a name that goes on and on and on and on", "a name that goes on and on and o"),
    ] {
        assert_eq!(tame(name), shown);
    }
}
