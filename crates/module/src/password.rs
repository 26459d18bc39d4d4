//! A password and a code in one field: the only way in for clients that know nothing of second factors.
//!
//! Candidates in a fixed order: the whole field; then the field without a tail of the shape of a code. Whenever a tail has the shape,
//! both passwords are checked, for every name, so that time tells nothing. A code is evaluated only after its password was right.

use matrix_2fa_core::{Account, Stage, recovery};

/// A tail of a password field that has the shape of a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Split<'a> {
    /// What would be the password.
    pub password: &'a str,
    /// Which factor the tail would be.
    pub stage: Stage,
    /// The tail.
    pub code: &'a str,
}

/// The tail of `field` that could be a code of this account: a recovery code after a space, else as many digits as its authenticators
/// show (6 for everybody else), with or without a space before them.
pub fn split<'a>(field: &'a str, account: &Account) -> Option<Split<'a>> {
    recovery_tail(field).or_else(|| digits_tail(field, account))
}

fn recovery_tail(field: &str) -> Option<Split<'_>> {
    // A code may be typed in groups with spaces, so the space before it is at most the fourth from the end. One that an administrator issued
    // has six groups and must be typed in one piece here: two short words of a password could not be told from its begin.
    let spaces = field.rmatch_indices(' ').take(4);
    spaces.map(|(at, space)| (field.split_at(at).0, field.split_at(at + space.len()).1)).find_map(|(password, code)| {
        let readable = !code.starts_with(' ') && !password.is_empty() && recovery::is_code(code);
        readable.then_some(Split { password, stage: Stage::Recovery, code })
    })
}

fn digits_tail<'a>(field: &'a str, account: &Account) -> Option<Split<'a>> {
    let digits = account.authenticators().first().map_or(6, |first| usize::from(first.params.digits));
    let at = field.len().checked_sub(digits).filter(|at| *at > 0)?;
    let (password, code) = field.split_at_checked(at)?;
    // A recovery code needs a space before it, so people put one before a code too. Only one: a password that ends in a space is typed with
    // it, and then another.
    let password = password.strip_suffix(' ').unwrap_or(password);
    let plausible = !password.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
    plausible.then_some(Split { password, stage: Stage::Totp, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_that_have_the_shape_of_a_code() {
        let account = Account::default();
        let found = |field| split(field, &account).map(|split| (split.password, split.stage, split.code));
        assert_eq!(found("wonderland123456"), Some(("wonderland", Stage::Totp, "123456")));
        assert_eq!(found("pass word 123456"), Some(("pass word", Stage::Totp, "123456")));
        assert_eq!(found("ends in space  123456"), Some(("ends in space ", Stage::Totp, "123456")));
        let code = "0000-1111-2222-3333";
        assert_eq!(found("pass 0000-1111-2222-3333"), Some(("pass", Stage::Recovery, code)));
        assert_eq!(found("pass 0000 1111 2222 3333"), Some(("pass", Stage::Recovery, "0000 1111 2222 3333")));
        let issued = "0000-1111-2222-3333-4444-5555";
        let field = format!("pass {issued}");
        assert_eq!(found(&field), Some(("pass", Stage::Recovery, issued)));
        for none in ["", "123456", "wonderland", "wonderland12345", "1234567ö", " 0000-1111-2222-333U"] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }
}
