//! A notice in words: subject, text and HTML, in the recipient's language. No secret stands in it, because none stands in a notice.

use askama::Template;
use matrix_2fa_core::{Timestamp, recovery::FEW};
use matrix_2fa_engine::notices::{News, Notice};

use super::NoticeSettings;
use crate::pages::words::Words;

/// The languages of notices and pages.
pub const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

/// Characters of a name that are shown.
const NAME: usize = 32;

/// Digits of it: enough for "Pixel 8 (2024)", and not for a number that somebody is to call.
const DIGITS: usize = 5;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The same for every try to deliver the same notice.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// One line without control characters.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What all letters of a server have in common.
pub(super) struct Stationery(NoticeSettings);

#[derive(Template)]
#[template(path = "notice.html")]
struct Html<'a>(&'a Contents);

#[derive(Template)]
#[template(path = "notice.txt", escape = "none")]
struct Text<'a>(&'a Contents);

struct Contents {
    words: Words,
    title: String,
    text: String,
    facts: Vec<(String, String)>,
    /// What to do, in the order of urgency.
    advice: Vec<String>,
    manage: Option<String>,
    foot: String,
}

impl Stationery {
    pub(super) fn new(settings: NoticeSettings) -> Self {
        Self(NoticeSettings { name: one_line(&settings.name), ..settings })
    }

    pub(super) fn write(&self, notice: &Notice, language: Option<&str>) -> Letter {
        let words = Words::of(language.unwrap_or(&self.0.language));
        let contents = self.contents(words, notice);
        let render = |rendered: askama::Result<String>| {
            // Both templates only put strings together.
            rendered.unwrap_or_else(|_never| contents.title.clone())
        };
        Letter {
            id: notice.id.clone(),
            at: notice.at,
            subject: one_line(&format!("{} ({})", contents.title, self.0.name)),
            text: render(Text(&contents).render()),
            html: render(Html(&contents).render()),
        }
    }

    fn contents(&self, words: Words, notice: &Notice) -> Contents {
        let (title, text) = in_words(&words, &notice.news);
        let mut facts = vec![(words.say("notice-account"), notice.user.clone())];
        match &notice.news {
            News::Added { name, .. } | News::Removed { name } => {
                facts.push((words.say("notice-authenticator"), tame(name)))
            }
            News::Renamed { from, to } => {
                facts.push((words.say("notice-old-name"), tame(from)));
                facts.push((words.say("notice-new-name"), tame(to)));
            }
            News::Imported { names } => {
                facts.extend(names.iter().map(|name| (words.say("notice-authenticator"), tame(name))));
            }
            _ => {}
        }
        facts.push((words.say("notice-when"), in_utc(notice.at)));
        facts.extend(notice.origin.ip.clone().map(|ip| (words.say("notice-address"), ip)));
        let advice = advice(&words, &notice.news);
        let foot = words.put("notice-foot", "server", &self.0.name);
        Contents { words, title, text, facts, advice, manage: self.0.manage_url.clone(), foot }
    }
}

fn in_words(words: &Words, news: &News) -> (String, String) {
    let (title, text) = match news {
        News::RecoveryUsed { remaining } => {
            let left = u64::try_from(*remaining).unwrap_or_default();
            return (words.say("notice-recovery-used"), words.count("notice-recovery-used-text", left));
        }
        News::Added { first: true, .. } => ("notice-on", "notice-on-text"),
        News::Added { .. } => ("notice-added", "notice-added-text"),
        News::Removed { .. } => ("notice-removed", "notice-removed-text"),
        News::Renamed { .. } => ("notice-renamed", "notice-renamed-text"),
        News::TurnedOff => ("notice-off", "notice-off-text"),
        News::RecoveryRenewed => ("notice-recovery-renewed", "notice-recovery-renewed-text"),
        News::RecoveryRemoved => ("notice-recovery-removed", "notice-recovery-removed-text"),
        News::Reset => ("notice-reset", "notice-reset-text"),
        News::Unlocked => ("notice-unlocked", "notice-unlocked-text"),
        News::Locked => ("notice-locked", "notice-locked-text"),
        News::PasswordKnown => ("notice-password-known", "notice-password-known-text"),
        News::Unfinished => ("notice-unfinished", "notice-unfinished-text"),
        News::CodeIssued => ("notice-code-issued", "notice-code-issued-text"),
        News::IssuedCodeUsed => ("notice-issued-used", "notice-issued-used-text"),
        News::Imported { .. } => ("notice-imported", "notice-imported-text"),
        News::More => ("notice-more", "notice-more-text"),
    };
    (words.say(title), words.say(text))
}

/// Few codes left are to be renewed, and what was not the user must be stopped.
fn advice(words: &Words, news: &News) -> Vec<String> {
    let mut advice = Vec::new();
    if matches!(news, News::RecoveryUsed { remaining } if *remaining <= FEW) {
        advice.push(words.say("notice-renew"));
    }
    advice.push(words.say("notice-was-you"));
    advice.push(words.say("notice-not-you"));
    advice
}

/// What somebody else may have chosen must not look like a sentence, a link or a telephone number of ours: a name is cut short, what makes
/// addresses is taken out of it, and so is every digit after the first [`DIGITS`].
fn tame(name: &str) -> String {
    let mut digits = 0;
    let mut tame = |c: char| {
        digits += usize::from(c.is_numeric());
        let harmless = if c.is_numeric() { digits <= DIGITS } else { c.is_alphabetic() || " -_'()".contains(c) };
        if harmless { c } else { '·' }
    };
    let tame: String = name.chars().take(NAME).map(&mut tame).collect();
    if tame.trim().is_empty() { "–".to_owned() } else { tame }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn in_utc(at: Timestamp) -> String {
    use cookie::time::OffsetDateTime;
    let seconds = i64::try_from(at.as_secs()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", at.year(), u8::from(at.month()), at.day(), at.hour(), at.minute())
}

#[cfg(test)]
mod tests;
