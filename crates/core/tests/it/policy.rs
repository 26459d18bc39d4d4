//! Who must have a factor, and from when on.

use std::time::Duration;

use matrix_2fa_core::{
    Account, EventKind, Policy, Rules, Standing, Timestamp,
    policy::{ADMINISTRATOR, Demand, Exemption, Group, Localparts, Members, Rule, SERVER},
};
use proptest::prelude::*;

use crate::world::{START, World};

const ALICE: &str = "@alice:example.org";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn days(days: u32) -> Duration {
    DAY * days
}

fn rule(policy: Policy, grace: u32) -> Rule {
    Rule { policy, grace: days(grace) }
}

fn group(name: &str, members: Members, rule: Rule) -> Group {
    Group { name: name.to_owned(), members, rule }
}

fn named(users: &[&str]) -> Members {
    Members { users: users.iter().map(|user| (*user).to_owned()).collect(), ..Members::default() }
}

fn like(pattern: &str) -> Members {
    Members { localparts: Some(Localparts::new(pattern).expect("a pattern")), ..Members::default() }
}

fn rules(server: Rule, groups: Vec<Group>) -> Rules {
    Rules { server, groups }
}

impl World {
    fn stands(&self, rules: &Rules) -> Standing {
        rules.judge(ALICE, false, &self.account, self.now)
    }

    /// What a server does when it meets the user.
    fn meets(&mut self, rules: &Rules) -> Standing {
        let standing = self.stands(rules);
        if standing.begins {
            let until = standing.grace_until.expect("begins");
            let transition = self.account.begin_grace(&self.context(), until);
            self.commit(transition);
        }
        self.stands(rules)
    }

    fn exempts(&mut self, for_days: u32) {
        let until = self.now.plus(days(for_days));
        let exemption = Exemption { reason: "a bridge".to_owned(), author: "root".to_owned(), at: self.now, until };
        let transition = self.account.exempt(&self.context(), exemption);
        self.commit(transition);
    }
}

#[test]
fn r55_the_grace_period_counts_from_the_day_and_survives_every_edit() {
    let mut world = World::new();
    let long = rules(rule(Policy::Required, 14), vec![]);
    let first = world.meets(&long);
    assert_eq!((first.grace_until, first.barred, first.begins), (Some(START.plus(days(14))), false, false));
    assert!(matches!(world.events.last().map(|event| &event.kind), Some(EventKind::EnrollmentRequired { .. })));
    world.wait(days(10));
    // Lifted, and back again: the day stays.
    assert_eq!(world.meets(&Rules::default()).grace_until, None);
    assert_eq!(world.meets(&long).grace_until, Some(START.plus(days(14))));
    // Shorter: over at once. Longer: from the same day.
    assert!(world.meets(&rules(rule(Policy::Required, 7), vec![])).barred);
    assert_eq!(world.meets(&rules(rule(Policy::Required, 30), vec![])).grace_until, Some(START.plus(days(30))));
    world.wait(days(4));
    assert!(world.stands(&long).barred, "at the moment itself");
    // A factor that comes and goes, or a reset, gives no second one.
    world.enroll();
    assert!(!world.stands(&long).barred && world.stands(&long).grace_until.is_none());
    let transition = world.account.disable(&world.context(), Policy::OptIn);
    world.commit(transition).expect("opt-in");
    assert!(world.stands(&long).barred);
    let transition = world.account.reset(&world.context());
    world.commit(transition);
    assert!(world.stands(&long).barred);
}

#[test]
fn r55_who_enrolled_under_required_has_no_grace_after_a_reset() {
    let mut world = World::new();
    world.policy = Policy::Required;
    world.enroll();
    world.wait(days(15));
    let transition = world.account.reset(&world.context());
    world.commit(transition);
    assert!(world.meets(&rules(rule(Policy::Required, 14), vec![])).barred);
}

#[test]
fn r55_the_strictest_group_and_the_shortest_grace_win() {
    let world = World::new();
    let rules = rules(
        rule(Policy::OptIn, 0),
        vec![
            group("pilot", named(&[ALICE]), rule(Policy::Required, 30)),
            group("staff", like("al.*"), rule(Policy::Required, 7)),
            group("guests", like("al.*"), rule(Policy::Disallowed, 0)),
            group("others", named(&["@bob:example.org"]), rule(Policy::Required, 1)),
        ],
    );
    let standing = world.stands(&rules);
    assert_eq!((standing.policy, standing.grace_until), (Policy::Required, Some(START.plus(days(7)))));
    assert_eq!(standing.by, ["pilot", "staff"]);
    assert_eq!(rules.judge("@carol:example.org", false, &world.account, START).by, [SERVER]);
}

#[test]
fn a_pattern_matches_the_whole_localpart_or_nothing() {
    for (pattern, inside, outside) in [
        ("admin", &["admin"][..], &["not-admin", "admin2", "administrator"][..]),
        ("a|bc", &["a", "bc"], &["ac", "abc", "bca"]),
        ("staff-.*", &["staff-", "staff-1"], &["xstaff-1", "staf"]),
        (r"\d+", &["1", "42"], &["4x", ""]),
        ("", &[""], &["a"]),
    ] {
        let members = like(pattern);
        for (names, expected) in [(inside, true), (outside, false)] {
            for name in names {
                assert_eq!(members.contains(&format!("@{name}:example.org"), false), expected, "{pattern} {name}");
            }
        }
    }
    // The server's name is no part of it, and neither is what is no Matrix id.
    assert!(!like(".*example.*").contains(ALICE, false));
    assert!(!like(".*").contains("alice", false));
    for bad in ["a)|(b", "(", "[", "*", "(?x) a #"] {
        assert!(Localparts::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn administrators_are_whom_the_homeserver_says() {
    let world = World::new();
    let admins = Members { admins: true, ..Members::default() };
    let rules = rules(Rule::default(), vec![group("admins", admins, rule(Policy::Required, 0))]);
    assert!(rules.ask_for_admins() && !Rules::default().ask_for_admins());
    assert!(rules.judge(ALICE, true, &world.account, START).barred);
    assert_eq!(rules.judge(ALICE, false, &world.account, START).policy, Policy::OptIn);
}

#[test]
fn an_exemption_stops_the_nagging_until_its_end_and_the_grace_counts_from_there() {
    let mut world = World::new();
    let required = rules(rule(Policy::Required, 2), vec![]);
    world.meets(&required);
    world.wait(days(3));
    assert!(world.stands(&required).barred);
    world.exempts(5);
    let exempt = world.stands(&required);
    assert_eq!((exempt.policy, exempt.barred, exempt.grace_until), (Policy::OptIn, false, None));
    assert_eq!(exempt.exemption.map(|exemption| exemption.reason).as_deref(), Some("a bridge"));
    let over = world.now.plus(days(5));
    world.wait(days(5));
    let after = world.stands(&required);
    assert_eq!((after.policy, after.barred, after.grace_until), (Policy::Required, false, Some(over.plus(days(2)))));
    assert_eq!(after.exemption, None);
    // Ended before its time: from now on.
    world.exempts(5);
    let transition = world.account.end_exemption(&world.context(), "root");
    assert!(world.commit(transition));
    assert_eq!(world.stands(&required).grace_until, Some(world.now.plus(days(2))));
    let transition = world.account.end_exemption(&world.context(), "root");
    assert!(!world.commit(transition), "there is none any more");
}

#[test]
fn neither_an_exemption_nor_disallowed_weakens_a_confirmed_factor() {
    let mut world = World::enrolled(1);
    world.exempts(100);
    let stages = world.account.stages();
    assert_eq!(stages.len(), 2, "asked for as ever");
    assert!(!world.stands(&Policy::Disallowed.into()).barred);
    // An exemption allows nothing that the server does not.
    assert_eq!(world.stands(&Policy::Disallowed.into()).policy, Policy::Disallowed);
}

#[test]
fn an_administrator_can_require_it_of_one() {
    let mut world = World::new();
    let demand = Demand { author: "root".to_owned(), at: world.now, until: world.now.plus(days(3)) };
    let transition = world.account.demand(&world.context(), demand);
    world.commit(transition);
    for policy in [Policy::Disallowed, Policy::OptIn] {
        let standing = world.stands(&policy.into());
        assert_eq!((standing.policy, standing.grace_until), (Policy::Required, Some(START.plus(days(3)))));
        assert_eq!(standing.by, [ADMINISTRATOR]);
    }
    assert!(world.stands(&Policy::Required.into()).barred, "the shorter one of both");
    let transition = world.account.withdraw_demand(&world.context(), "root");
    assert!(world.commit(transition));
    assert_eq!(world.stands(&Rules::default()).policy, Policy::OptIn);
}

/// A clock that was ahead and is set back bars nobody, and gives nobody an hour more than the grace period.
#[test]
fn r68_a_clock_set_back_does_not_lengthen_the_grace_period_without_end() {
    let mut world = World::new();
    let required = rules(rule(Policy::Required, 2), vec![]);
    world.now = START.plus(days(1000));
    world.meets(&required);
    world.now = START;
    assert_eq!(world.stands(&required).grace_until, Some(START.plus(days(2))));
}

#[test]
fn rules_are_shown_with_names_and_seconds() {
    let admins = Members { admins: true, ..like("a.*") };
    let all = rules(rule(Policy::OptIn, 0), vec![group("staff", admins, rule(Policy::Required, 1))]);
    let shown = serde_json::to_value(&all).expect("an object");
    assert_eq!(shown["server"], serde_json::json!({"policy": "opt-in", "grace_seconds": 0}));
    let staff = serde_json::json!({
        "name": "staff",
        "members": {"users": [], "localparts": "a.*", "admins": true},
        "rule": {"policy": "required", "grace_seconds": 86_400},
    });
    assert_eq!(shown["groups"], serde_json::json!([staff]));
    for policy in [Policy::Disallowed, Policy::OptIn, Policy::Required] {
        assert_eq!(serde_json::to_value(policy).expect("a string"), policy.as_str());
        assert_eq!(Rules::from(policy), rules(rule(policy, 0), Vec::new()));
    }
}

#[test]
fn patterns_are_the_same_if_their_text_is() {
    let pattern = |text| Localparts::new(text).expect("a pattern");
    assert_eq!(pattern("a.*"), pattern("a.*"));
    assert_ne!(pattern("a.*"), pattern("b.*"));
}

#[test]
fn an_exemption_holds_until_its_end_and_not_at_it() {
    let [at, until] = [START, START.plus(DAY)];
    let exemption = Exemption { reason: String::new(), author: String::new(), at, until };
    assert!(exemption.holds(until.minus(Duration::from_millis(1))));
    assert!(!exemption.holds(until) && !exemption.holds(until.plus(DAY)));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Disallowed), Just(Policy::OptIn), Just(Policy::Required)]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (any_policy(), 0..40u32).prop_map(|(policy, grace)| rule(policy, grace))
}

fn any_group() -> impl Strategy<Value = Group> {
    let members = prop_oneof![
        Just(named(&[ALICE])),
        Just(named(&["@bob:example.org"])),
        Just(like("al.*")),
        Just(like("b.*")),
        Just(Members { admins: true, ..Members::default() }),
    ];
    (members, any_rule()).prop_map(|(members, rule)| group("group", members, rule))
}

fn any_account() -> impl Strategy<Value = (Account, Timestamp)> {
    let exemption = prop::option::of(0..60u32);
    (any::<bool>(), prop::option::of(0..60u32), exemption, 0..60u32).prop_map(|(enrolled, since, exempt, age)| {
        let mut world = if enrolled { World::enrolled(1) } else { World::new() };
        if let Some(since) = since {
            world.now = START.plus(days(since));
            let transition = world.account.begin_grace(&world.context(), world.now);
            world.commit(transition);
        }
        if let Some(exempt) = exempt {
            world.exempts(exempt);
        }
        (world.account.clone(), START.plus(days(age)))
    })
}

proptest! {
    /// Whatever a group says, it takes nothing back that the server or another group says.
    #[test]
    fn r55_a_group_more_is_never_weaker(
        server in any_rule(), groups in prop::collection::vec(any_group(), 0..4), more in any_group(),
        (account, now) in any_account(), admin in any::<bool>(),
    ) {
        let without = rules(server, groups.clone());
        let with = rules(server, groups.into_iter().chain([more]).collect());
        let (before, after) = (without.judge(ALICE, admin, &account, now), with.judge(ALICE, admin, &account, now));
        prop_assert!(after.policy >= before.policy);
        prop_assert!(after.barred || !before.barred);
        if let (Some(before), Some(after)) = (before.grace_until, after.grace_until) {
            prop_assert!(after <= before);
        }
    }

    /// Who is barred owes a factor, and has had the whole grace period; who has a factor or an exemption is not barred.
    #[test]
    fn r55_only_who_owes_a_factor_is_barred(
        server in any_rule(), groups in prop::collection::vec(any_group(), 0..4), (account, now) in any_account(),
    ) {
        let rules = rules(server, groups);
        let standing = rules.judge(ALICE, false, &account, now);
        prop_assert!(!standing.barred || (standing.policy == Policy::Required && !account.is_enrolled()));
        prop_assert_eq!(standing.grace_until.is_some(), standing.policy == Policy::Required && !account.is_enrolled());
        if standing.exemption.is_some() {
            prop_assert!(standing.policy <= Policy::OptIn && !standing.barred);
        }
        if standing.begins {
            let graces = rules.groups.iter().filter(|group| group.members.contains(ALICE, false)).map(|group| group.rule);
            let shortest = graces.chain([rules.server]).filter(|rule| rule.policy == Policy::Required);
            prop_assert_eq!(standing.grace_until, shortest.map(|rule| now.plus(rule.grace)).min());
        }
        prop_assert!(!standing.by.is_empty());
    }
}
