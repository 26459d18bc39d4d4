//! Groups of users with a policy of their own, from what people write to the rules of the engine.

use std::{collections::BTreeSet, fmt};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use matrix_2fa_core::{
    Policy, Rules,
    policy::{ADMINISTRATOR, Group, Localparts, Members, Rule, SERVER},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::{Settings, limits::Span};
use crate::failure::Failure;

/// A list of tables in the file; the same list as a text in a flag or a variable.
#[derive(Clone, Debug, Default)]
pub struct Groups(Vec<Written>);

/// One group as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    policy: Policy,
    #[serde(default)]
    grace_period: Option<Span>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    localparts: Option<String>,
    #[serde(default)]
    admins: bool,
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrText;

        impl<'de> Visitor<'de> for ListOrText {
            type Value = Groups;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tables with name, policy and members")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Groups, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Groups)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Groups, E> {
                let list = Figment::from(Toml::string(&format!("groups = {text}"))).extract_inner("groups");
                list.map(Groups).map_err(|error| E::custom(error.kind))
            }
        }

        deserializer.deserialize_any(ListOrText)
    }
}

impl Groups {
    /// What can be said without knowing the server's users.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut names = BTreeSet::from([SERVER, ADMINISTRATOR]);
        for Written { name, users, localparts, admins, .. } in &self.0 {
            let bad = |problem: &str| Err(Failure::start(format!("groups: {name:?}: {problem}")));
            if name.trim().is_empty() || !names.insert(name) {
                return bad("every group needs a name of its own, and neither \"server\" nor \"administrator\"");
            }
            if users.is_empty() && localparts.is_none() && !admins {
                return bad("it has no members: give it users, localparts, or admins = true");
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The rules of who must have a second factor. `canonical` makes a full id of what the operator calls a user.
    pub fn rules(&self, canonical: impl Fn(&str) -> Option<String>) -> Result<Rules, Failure> {
        let admin = |name: &String| {
            canonical(name).ok_or_else(|| Failure::start(format!("admins: {name:?} is no user of this server")))
        };
        let admins: Vec<_> = super::names(self.admins.as_deref()).iter().map(admin).collect::<Result<_, _>>()?;
        let server = Rule { policy: self.policy, grace: self.grace_period.0 };
        let groups = self.groups.0.iter().map(|written| self.group(written, &admins, &canonical));
        Ok(Rules { server, groups: groups.collect::<Result<_, _>>()? })
    }

    /// The administrators of the settings are members by name, so that they change with the rules.
    fn group(
        &self,
        written: &Written,
        admins: &[String],
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Result<Group, Failure> {
        let bad = |problem: String| Failure::start(format!("groups: {:?}: {problem}", written.name));
        let user = |user: &String| canonical(user).ok_or_else(|| bad(format!("{user:?} is no user of this server")));
        let localparts = written.localparts.as_deref().map(Localparts::new).transpose();
        let mut users: Vec<_> = written.users.iter().map(user).collect::<Result<_, _>>()?;
        users.extend(admins.iter().filter(|_| written.admins).cloned());
        let members = Members {
            users: users.into_iter().collect(),
            localparts: localparts.map_err(|error| bad(format!("localparts: {error}")))?,
            admins: written.admins,
        };
        let grace = written.grace_period.unwrap_or(self.grace_period).0;
        Ok(Group { name: written.name.clone(), members, rule: Rule { policy: written.policy, grace } })
    }
}
