//! The whole: what is shared, the requests in flight, the clock, and what clients learnt. Every step that could happen next is an action.

use matrix_2fa::{core::Timestamp, store::Commit};
use stateright::{Model, Property};

use crate::{
    clients::{Attempt, Door, Learnt, Try, at},
    fixed::Fixed,
    promises::{Ghost, Promise},
    replica::{DEVICE, Host, Next, Question, Request, Run, Told},
    shared::{Disk, Fault},
};

/// A model with its bounds.
#[derive(Clone)]
pub struct World {
    /// What happened before, one request after the other: what was sent, and whether a time step passes afterwards.
    pub before: &'static [(Door, Option<Try>, bool)],
    /// What may happen now.
    pub doors: &'static [Door],
    pub tries: &'static [Try],
    pub sends: u8,
    pub crashes: u8,
    pub ticks: u8,
    /// How many time steps the second replica's clock is ahead.
    pub ahead: u8,
    pub host: Host,
    pub fault: Option<Fault>,
    /// What must be reached for a run to say anything.
    pub reaches: &'static [Reached],
}

/// What shows that an exploration came somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    Login,
    RecoveryLogin,
    Conflict,
    Wait,
    Crash,
    Refused,
    Confirmed,
    Changed,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub disk: Disk,
    /// With [`Fault::NoFlush`]: what a crash leaves.
    durable: Option<Disk>,
    /// One request a replica. Requests of one replica wait for each other at a gate; two replicas have none between them.
    pub flights: [Option<Flight>; 2],
    pub learnt: Fixed<Learnt>,
    pub ghost: Ghost,
    /// Time steps since the beginning.
    pub step: u8,
    sent: u8,
    ticked: u8,
    crashed: u8,
}

/// A request in flight, and what an observer knows about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    pub attempt: Attempt,
    pub run: Run,
    /// While it was in flight there was a moment without a second factor.
    pub seen_bare: bool,
    /// A commit of its own used up the code that it carries.
    pub spent: bool,
    /// A commit of its own counted a wrong code.
    pub charged: bool,
    /// The session that a commit of its own consumed.
    pub consumed: Option<String>,
    /// The salt of the recovery set that it made.
    pub made: Option<[u8; 16]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Send(usize, Attempt),
    /// The replica's question is answered, and it goes on to the next.
    Step(usize),
    /// The replica's answer reaches the client.
    Answer(usize),
    /// The replica dies: what it asked for may have happened, what it would have done next never does.
    Crash(usize),
    /// 30 seconds pass.
    Tick,
}

impl World {
    fn start(&self) -> State {
        let mut state = State {
            disk: Disk::default(),
            durable: None,
            flights: [None, None],
            learnt: Learnt::default().into(),
            ghost: Ghost::default(),
            step: 0,
            sent: 0,
            ticked: 0,
            crashed: 0,
        };
        for (door, code, tick) in self.before {
            let tries: &[Try] = code.as_slice();
            let attempt = state.learnt.attempts(&[*door], tries).pop().expect("something can be sent");
            state = self.send(state, 0, attempt);
            while let Some(flight) = &state.flights[0] {
                state = match flight.run.next() {
                    Next::Asks(question) => self.step(state.clone(), 0, question),
                    Next::Answers { .. } => self.answer(state, 0),
                };
            }
            state.step += u8::from(*tick);
        }
        state.durable = (self.fault == Some(Fault::NoFlush)).then(|| state.disk.clone());
        state.ghost.numbered = std::mem::take(&mut state.sent);
        state
    }

    /// What a replica's clock shows.
    fn now(&self, state: &State, replica: usize) -> Timestamp {
        at(state.step + if replica == 1 { self.ahead } else { 0 })
    }

    fn send(&self, mut state: State, replica: usize, attempt: Attempt) -> State {
        let (path, body) = state.learnt.write(&attempt);
        let number = state.ghost.numbered + state.sent;
        let run = Run::new(Request { path, body, number, host: self.host }, self.now(&state, replica));
        state.sent += 1;
        state.flights[replica] = Some(Flight {
            attempt,
            run,
            seen_bare: !state.disk.account.account.is_enrolled(),
            spent: false,
            charged: false,
            consumed: None,
            made: None,
        });
        state
    }

    fn step(&self, mut state: State, replica: usize, question: &Question) -> State {
        let now = self.now(&state, replica);
        let told = match question {
            Question::Load => Told::Account(state.disk.account.clone()),
            Question::Record(kind, key) => Told::Record(state.disk.records.get(&(*kind, key.clone())).cloned()),
            Question::RecordsOf(kind, user) => Told::Records(state.disk.records_of(*kind, user)),
            Question::CreateLogin => {
                state.judge_login(replica);
                Told::LoggedIn
            }
            Question::Commit(commit) => Told::Committed(self.commit(&mut state, replica, Commit::clone(commit))),
        };
        if let Some(flight) = &mut state.flights[replica] {
            flight.run = flight.run.told(told, now);
        }
        state
    }

    fn commit(&self, state: &mut State, replica: usize, commit: Commit) -> bool {
        let before = state.disk.clone();
        let done = state.disk.commit(commit, self.fault);
        if done {
            state.judge_commit(replica, &before);
            let bare = !state.disk.account.account.is_enrolled();
            state.flights.iter_mut().flatten().for_each(|flight| flight.seen_bare |= bare);
        }
        let version = |disk: &Disk| disk.records.get(&(DEVICE, "NEW".to_owned())).map(|device| device.version);
        if version(&state.disk) != version(&before) {
            state.judge_login(replica);
        }
        done
    }

    fn answer(&self, mut state: State, replica: usize) -> State {
        state.judge_answer(replica);
        let Some(flight) = state.flights[replica].take() else { return state };
        if let Next::Answers { status, body } = flight.run.next() {
            let mut learnt = Learnt::clone(&state.learnt);
            learnt.learn(flight.attempt.door, *status, body, flight.made);
            state.learnt = learnt.into();
        }
        state
    }

    fn crash(&self, mut state: State, replica: usize) -> State {
        state.crashed += 1;
        state.flights[replica] = None;
        if let Some(durable) = &state.durable {
            state.disk = durable.clone();
            state.flights = [None, None];
        }
        state
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (replica, flight) in state.flights.iter().enumerate() {
            let Some(flight) = flight else { continue };
            actions.push(match flight.run.next() {
                Next::Asks(_) => Action::Step(replica),
                Next::Answers { .. } => Action::Answer(replica),
            });
            if state.crashed < self.crashes {
                actions.push(Action::Crash(replica));
            }
        }
        let free = (0..2).filter(|replica| state.flights[*replica].is_none());
        // Replicas whose clocks agree are the same: the first free one stands for both.
        let free: Vec<usize> = free.take(if self.ahead == 0 { 1 } else { 2 }).collect();
        if state.sent < self.sends {
            for attempt in state.learnt.attempts(self.doors, self.tries) {
                actions.extend(free.iter().map(|replica| Action::Send(*replica, attempt.clone())));
            }
        }
        if state.ticked < self.ticks {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let state = state.clone();
        Some(match action {
            Action::Send(replica, attempt) => self.send(state, replica, attempt),
            Action::Answer(replica) => self.answer(state, replica),
            Action::Crash(replica) => self.crash(state, replica),
            Action::Tick => {
                let durable = state.durable.as_ref().map(|_| state.disk.clone());
                State { step: state.step + 1, ticked: state.ticked + 1, durable, ..state }
            }
            Action::Step(replica) => match state.flights[replica].clone()?.run.next() {
                Next::Asks(question) => self.step(state, replica, question),
                Next::Answers { .. } => return None,
            },
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always("no token without the second factor", |_, s| s.keeps(Promise::TokenNeedsFactor)),
            always("no change without the second factor", |_, s| s.keeps(Promise::ChangeNeedsFactor)),
            always("no code twice", |_, s| s.keeps(Promise::CodeOnce)),
            always("no step at or below the last", |_, s| s.keeps(Promise::StepsRise)),
            always("spent and replaced recovery codes stay dead", |_, s| s.keeps(Promise::PaperStaysDead)),
            always("a session serves one operation once", |_, s| s.keeps(Promise::SessionOnce)),
            always("counters fall only by a right code", |_, s| s.keeps(Promise::CountersStay)),
            always("a guess is charged before it is answered", |_, s| s.keeps(Promise::GuessesCost)),
            always("a pending enrollment changes nothing", |_, s| s.keeps(Promise::PendingIsNothing)),
        ];
        for reached in self.reaches {
            properties.push(match reached {
                Reached::Login => sometimes("a login", |_, s| s.answers(200, Door::Finish)),
                Reached::RecoveryLogin => sometimes("a login with a recovery code", |_, s| s.by_paper()),
                Reached::Conflict => sometimes("a conflict", |_, s| s.conflicts()),
                Reached::Wait => sometimes("a wait", |_, s| s.answers(429, Door::OneField)),
                Reached::Crash => sometimes("a crash", |_, s| s.crashed > 0),
                Reached::Refused => sometimes("a refusal", |_, s| s.answers(403, Door::OneField)),
                Reached::Confirmed => sometimes("a confirmation", |_, s| s.answers(200, Door::Confirm)),
                Reached::Changed => sometimes("a change", |_, s| {
                    [Door::Disable, Door::Regenerate].iter().any(|door| s.answers(200, *door))
                }),
            });
        }
        properties
    }
}

impl State {
    fn keeps(&self, promise: Promise) -> bool {
        !self.ghost.broken.contains(&promise)
    }

    fn answers(&self, expected: u16, door: Door) -> bool {
        self.flights.iter().flatten().any(|flight| {
            flight.attempt.door == door
                && matches!(flight.run.next(), Next::Answers { status, .. } if *status == expected)
        })
    }

    fn by_paper(&self) -> bool {
        use crate::clients::Code;
        self.ghost.used.iter().any(|code| matches!(code, Code::On { .. }))
    }

    fn conflicts(&self) -> bool {
        self.flights.iter().flatten().any(|flight| flight.run.met_conflict())
    }
}
