//! Answers for people: tables and lines. With `--json` they are shown as they came.

use matrix_2fa_core::{Event, Timestamp, event::SERVER};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    act::AdminAct,
    answers::{CodeIssued, Done, Events, Grant, Stats, UserRow, UserStatus, Users},
};
use crate::{console, failure::Failure, guard::time};

/// Says what came of an act.
pub fn show(act: &AdminAct, answer: Value) -> Result<(), Failure> {
    match act {
        AdminAct::Status { .. } => status(&read(answer)?),
        AdminAct::List { .. } => rows(&read::<Users>(answer)?.users),
        AdminAct::IssueCode { .. } => issued(&read(answer)?),
        AdminAct::Policy => console::say(&serde_json::to_string_pretty(&answer).unwrap_or_default()),
        AdminAct::Events { .. } => read::<Events>(answer)?.events.iter().for_each(event),
        AdminAct::Stats => stats(&read(answer)?),
        AdminAct::Reset { .. }
        | AdminAct::Unlock { .. }
        | AdminAct::Require { .. }
        | AdminAct::Withdraw { .. }
        | AdminAct::Exempt { .. }
        | AdminAct::EndExemption { .. }
        | AdminAct::ReloadPolicy => console::say(&read::<Done>(answer)?.done),
    }
    Ok(())
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|error| Failure::run(format!("the server answers otherwise ({error}): is it of the same version?")))
}

/// The head of a list.
pub fn head() {
    console::say(&format!("{:<40} {:<7} {:<8} {:<10} {}", "user", "factors", "recovery", "policy", "what else"));
}

fn rows(users: &[UserRow]) {
    for row in users {
        let mut more = Vec::new();
        if row.locked {
            more.push("locked".to_owned());
        }
        match row.grace_until {
            Some(_) if row.barred => more.push("barred: must enroll".to_owned()),
            Some(until) => more.push(format!("must enroll until {}", time(until))),
            None => {}
        }
        more.extend(row.exempt_until.map(|until| format!("exempt until {}", time(until))));
        more.extend(row.last_used_at.map(|at| format!("last code {}", time(at))));
        let UserRow { user, authenticators, recovery_codes, policy, .. } = row;
        let line =
            format!("{:<40} {authenticators:<7} {recovery_codes:<8} {policy:<10} {}", printable(user), more.join(", "));
        console::say(line.trim_end());
    }
}

fn status(status: &UserStatus) {
    let line = |what: &str, value: String| console::say(&format!("{what:<22} {value}"));
    let UserStatus { row, .. } = status;
    line("user", printable(&row.user));
    line("second factor", if row.enrolled { "yes" } else { "no" }.to_owned());
    for device in &status.devices {
        let used = device.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", time(at)));
        let locked = device.locked_at.map(|at| format!(", LOCKED since {}", time(at))).unwrap_or_default();
        let name = printable(&device.name);
        line("authenticator", format!("{name:?} ({}) of {}, {used}{locked}", device.id, time(device.created_at)));
    }
    if row.enrolled {
        line("recovery codes", row.recovery_codes.to_string());
    }
    line("policy", format!("{} ({})", row.policy, status.rules.join(", ")));
    match row.grace_until {
        Some(until) if row.barred => line("must enroll", format!("since {}: may do nothing else", time(until))),
        Some(until) => line("must enroll", format!("until {}", time(until))),
        None => {}
    }
    if let Some(grant) = &status.exemption {
        let reason = printable(grant.reason.as_deref().unwrap_or_default());
        line("exempt", format!("until {}: {reason} ({})", time(grant.until), by(grant)));
    }
    if let Some(grant) = &status.demand {
        line("required by", by(grant));
    }
    if let Some(until) = status.issued_code_until {
        line("issued code", format!("good until {}", time(until)));
    }
    if let Some(until) = status.pending_until {
        line("enrollment begun", format!("to be confirmed until {}", time(until)));
    }
    if status.wrong_codes_month > 0 || status.wrong_recovery_codes > 0 {
        let UserStatus { wrong_codes, wrong_codes_month, wrong_recovery_codes, .. } = status;
        line(
            "wrong codes",
            format!(
                "{wrong_codes} in a row, {wrong_codes_month} in 30 days; recovery: {wrong_recovery_codes} in a row"
            ),
        );
    }
}

fn by(grant: &Grant) -> String {
    format!("{} on {}", printable(&grant.author), time(grant.at))
}

fn issued(issued: &CodeIssued) {
    console::say(&format!("{}  {}", issued.user, issued.code));
    console::say(&format!(
        "It stands for a recovery code, once, until {}. Give it to the owner of the account and to nobody else.",
        time(issued.expires_at)
    ));
}

fn stats(stats: &Stats) {
    for (what, count) in [
        ("users", stats.users),
        ("with a second factor", stats.enrolled),
        ("  locked", stats.locked),
        ("  few recovery codes", stats.few_recovery_codes),
        ("exempt", stats.exempt),
        ("must enroll, in grace", stats.in_grace),
        ("must enroll, barred", stats.barred),
    ] {
        console::say(&format!("{what:<22} {count}"));
    }
}

/// One audited thing in a line.
pub fn event(event: &Event) {
    let Event { at, user, origin, kind } = event;
    let user = if user == SERVER { "the server" } else { user };
    let what = serde_json::to_value(kind).unwrap_or_default();
    let name = what.get("event").and_then(Value::as_str).unwrap_or_default();
    let of = what.as_object().into_iter().flatten().filter(|(key, _)| *key != "event");
    let details: Vec<String> = of.map(|(key, value)| format!("{key}={value}")).collect();
    let from = [("operation", &origin.operation), ("ip", &origin.ip), ("device", &origin.device)];
    let from = from.into_iter().filter_map(|(key, value)| Some(format!("{key}={:?}", value.as_deref()?)));
    let details: Vec<String> = details.into_iter().chain(from).collect();
    console::say(printable(&format!("{} {user} {name} {}", shown(*at), details.join(" "))).trim_end());
}

fn shown(at: Timestamp) -> String {
    time(at)
}

/// Users choose names and devices; a terminal obeys what stands in them.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
