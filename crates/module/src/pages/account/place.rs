//! The addresses under the account page.

use super::ACCOUNT;

/// A page of the account page, or what a form there does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    /// Password and factor once more.
    Prove,
    /// A new authenticator.
    Add,
    /// Its first code.
    Confirm,
    /// The same, and the old one goes.
    NewPhone,
    /// Which one goes.
    OldPhone,
    /// One authenticator.
    One(String),
    Rename(String),
    Remove(String),
    /// New recovery codes.
    Recovery,
    /// No second factor any more.
    Off,
    /// Every device is signed out.
    Devices,
    /// The end of this session.
    SignOut,
}

impl Place {
    /// Of a path as we see it.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(ACCOUNT)?;
        Self::named(rest.strip_prefix('/').unwrap_or(rest))
    }

    /// Of its name: what stands behind the address of the account page. Nothing leads elsewhere.
    pub(super) fn named(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        let is_id = |id: &str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        Some(match parts[..] {
            [""] => Self::Overview,
            ["prove"] => Self::Prove,
            ["add"] => Self::Add,
            ["confirm"] => Self::Confirm,
            ["new-phone"] => Self::NewPhone,
            ["old-phone"] => Self::OldPhone,
            ["recovery"] => Self::Recovery,
            ["off"] => Self::Off,
            ["devices"] => Self::Devices,
            ["sign-out"] => Self::SignOut,
            ["authenticators", id] if is_id(id) => Self::One(id.to_owned()),
            ["authenticators", id, "rename"] if is_id(id) => Self::Rename(id.to_owned()),
            ["authenticators", id, "remove"] if is_id(id) => Self::Remove(id.to_owned()),
            _ => return None,
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Overview => String::new(),
            Self::Prove => "prove".to_owned(),
            Self::Add => "add".to_owned(),
            Self::Confirm => "confirm".to_owned(),
            Self::NewPhone => "new-phone".to_owned(),
            Self::OldPhone => "old-phone".to_owned(),
            Self::Recovery => "recovery".to_owned(),
            Self::Off => "off".to_owned(),
            Self::Devices => "devices".to_owned(),
            Self::SignOut => "sign-out".to_owned(),
            Self::One(id) => format!("authenticators/{id}"),
            Self::Rename(id) => format!("authenticators/{id}/rename"),
            Self::Remove(id) => format!("authenticators/{id}/remove"),
        }
    }

    /// As browsers see it, before the prefix of the site.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Overview => ACCOUNT.to_owned(),
            place => format!("{ACCOUNT}/{}", place.name()),
        }
    }

    /// The page from which somebody comes here: what is shown after a proof, since what a form said is gone by then.
    pub(super) fn page(self) -> Self {
        match self {
            Self::Rename(id) | Self::Remove(id) => Self::One(id),
            Self::Confirm => Self::Add,
            Self::Prove | Self::SignOut => Self::Overview,
            place => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_place_and_no_other_anywhere() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        for place in [
            Place::Overview,
            Place::Prove,
            Place::Add,
            Place::Confirm,
            Place::NewPhone,
            Place::OldPhone,
            Place::Recovery,
            Place::Off,
            Place::Devices,
            Place::SignOut,
            Place::One(id.clone()),
            Place::Rename(id.clone()),
            Place::Remove(id),
        ] {
            assert_eq!(Place::named(&place.name()), Some(place.clone()));
            assert_eq!(Place::parse(&place.path()), Some(place));
        }
        for bad in ["https://evil.example", "/evil.example", "add/", "../login", "authenticators/x", "add?x", "\n"] {
            assert_eq!(Place::named(bad), None, "{bad:?}");
        }
    }
}
