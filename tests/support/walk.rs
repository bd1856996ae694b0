//! Walks every order in which the store calls of several commands can follow each other.
//!
//! A command that is killed is one that never gets its turn again, and orders in which the others go on without it are
//! among those that are walked. So every state is looked at as an end: of the commands that have not ended there, as
//! killed ones.
//!
//! The commands are the product's own code, and the store is the weakest that it may meet: it deletes without a condition, tells
//! states apart by their bytes alone, and lists no state. What two commands do between two calls does not concern the
//! other, so that the order of calls is all there is. Orders that lead to the same state (same objects, same answers to each
//! command) are walked once, as in explicit-state model checking.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use runner::store::{
    Content, Created, Depth, Download, Entry, Object, Replaced, Revision, Source, Stat, Store,
    StoreError,
};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// What a store holds.
#[derive(Clone, Debug, Default)]
pub struct Objects(BTreeMap<String, Stored>);

#[derive(Clone, Debug)]
struct Stored {
    bytes: Bytes,
    old: bool,
}

impl Objects {
    pub fn put(&mut self, key: &str, bytes: impl Into<Bytes>, old: bool) {
        let bytes = bytes.into();
        self.0.insert(key.to_owned(), Stored { bytes, old });
    }

    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(|stored| &stored.bytes[..])
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Nothing is young any more.
    pub fn age(&mut self) {
        self.0.values_mut().for_each(|stored| stored.old = true);
    }
}

/// A command on a store, and in what it ended.
pub type Command = Box<dyn Fn(Arc<dyn Store>) -> BoxFuture<'static, String>>;

/// A state that may be the last one.
pub struct End {
    /// In the order of the commands; `None` of one that was killed.
    pub results: Vec<Option<String>>,
    pub objects: Objects,
}

/// Commands that run at the same time.
pub struct Walk {
    commands: Vec<(&'static str, Command)>,
    objects: Objects,
    switches: usize,
}

/// How much was walked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walked {
    pub states: usize,
    pub runs: usize,
}

impl Walk {
    pub fn new(objects: Objects) -> Self {
        Self {
            commands: Vec::new(),
            objects,
            switches: usize::MAX,
        }
    }

    pub fn command(mut self, name: &'static str, command: Command) -> Self {
        self.commands.push((name, command));
        self
    }

    /// A command is left for another one while it could go on at most so often (Musuvathi and Qadeer 2007).
    pub fn switches(mut self, switches: usize) -> Self {
        self.switches = switches;
        self
    }

    /// `check` is asked of every state. What it says is a fault, shown with the calls that led to it.
    pub fn check(self, check: impl Fn(&End) -> Result<(), String>) -> Walked {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut seen = HashSet::new();
        let mut walked = Walked::default();
        let mut open: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(prefix) = open.pop() {
            walked.runs += 1;
            let run = Run::new(&self, &runtime);
            runtime.block_on(run.go(&self, prefix, &mut seen, &mut open, &check));
        }
        walked.states = seen.len();
        walked
    }
}

enum Actor {
    Runs(JoinHandle<String>),
    Ended(String),
}

struct Run {
    hub: Arc<Hub>,
    actors: Vec<Actor>,
    trace: Vec<String>,
}

impl Run {
    fn new(walk: &Walk, runtime: &tokio::runtime::Runtime) -> Self {
        let hub = Arc::new(Hub::new(walk.objects.clone(), walk.commands.len()));
        let actors = walk
            .commands
            .iter()
            .enumerate()
            .map(|(actor, (_, command))| {
                let hub = hub.clone();
                Actor::Runs(runtime.spawn(command(Arc::new(Seat { actor, hub }))))
            });
        let actors = actors.collect();
        Self {
            hub,
            actors,
            trace: Vec::new(),
        }
    }

    /// Takes the choices of `prefix`, and after them the first one at each state that is new. The others are left in `open`.
    async fn go(
        mut self,
        walk: &Walk,
        prefix: Vec<usize>,
        seen: &mut HashSet<String>,
        open: &mut Vec<Vec<usize>>,
        check: &impl Fn(&End) -> Result<(), String>,
    ) {
        let mut taken: Vec<usize> = Vec::new();
        let (mut switches, mut last) = (0, None);
        loop {
            self.settle().await;
            let mut choices = self.hub.waiting();
            let goes_on = last.filter(|actor| choices.contains(actor));
            if let Some(last) = goes_on {
                choices.sort_by_key(|actor| *actor != last);
                if switches == walk.switches {
                    choices.truncate(1);
                }
            }
            let actor = match prefix.get(taken.len()) {
                Some(actor) => *actor,
                None => {
                    let bound = (walk.switches != usize::MAX).then_some((switches, last));
                    if !seen.insert(format!("{bound:?}\n{}", self.state())) {
                        break;
                    }
                    self.check(check);
                    let Some((first, others)) = choices.split_first() else {
                        break;
                    };
                    open.extend(others.iter().map(|other| [&taken[..], &[*other]].concat()));
                    *first
                }
            };
            taken.push(actor);
            if goes_on.is_some_and(|last| last != actor) {
                switches += 1;
            }
            last = Some(actor);
            let call = self.hub.grant(actor);
            self.trace
                .push(format!("{}: {call}", walk.commands[actor].0));
        }
        for actor in self.actors {
            if let Actor::Runs(task) = actor {
                task.abort();
            }
        }
    }

    /// Until every command waits for a call, or has ended.
    async fn settle(&mut self) {
        for actor in 0..self.actors.len() {
            while let Actor::Runs(task) = &mut self.actors[actor] {
                if self.hub.waits(actor) {
                    break;
                }
                tokio::select! {
                    biased;
                    ended = task => self.actors[actor] = Actor::Ended(ended.unwrap()),
                    () = self.hub.changed.notified() => {}
                }
            }
        }
    }

    fn check(&self, check: &impl Fn(&End) -> Result<(), String>) {
        let results = self.actors.iter().map(|actor| match actor {
            Actor::Ended(result) => Some(result.clone()),
            Actor::Runs(_) => None,
        });
        let end = End {
            results: results.collect(),
            objects: self.hub.objects(),
        };
        if let Err(fault) = check(&end) {
            let mut objects = String::new();
            self.hub.state.lock().unwrap().dump(&mut objects);
            panic!(
                "{fault}\nafter:\n  {}\nresults: {:?}\nthe store:\n{objects}",
                self.trace.join("\n  "),
                end.results
            );
        }
    }

    /// Everything that what comes next depends on.
    fn state(&self) -> String {
        let mut text = String::new();
        let state = self.hub.state.lock().unwrap();
        state.dump(&mut text);
        for (actor, seat) in self.actors.iter().zip(&state.seats) {
            match actor {
                Actor::Runs(_) => text.push_str(&seat.history),
                Actor::Ended(result) => text.push_str(result),
            }
            text.push_str("\n---\n");
        }
        rename(&text)
    }
}

/// Times and random identifiers by the order of their appearance, since only whether two are the same matters.
fn rename(text: &str) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let part = |each: char| !(each.is_ascii_alphanumeric() || matches!(each, '-' | ':' | '.'));
    let mut renamed = String::with_capacity(text.len());
    for piece in text.split_inclusive(part) {
        let word = piece.trim_end_matches(part);
        let time = word.len() >= 20 && word.contains('T') && word.contains(':');
        let id = word.len() == 36 && word.matches('-').count() == 4;
        if time || id {
            let next = names.len();
            let number = names.entry(word).or_insert(next);
            let _ = write!(renamed, "<{number}>{}", &piece[word.len()..]);
        } else {
            renamed.push_str(piece);
        }
    }
    renamed
}

/// Where calls wait for their turn.
struct Hub {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    objects: Objects,
    seats: Vec<SeatState>,
}

#[derive(Default)]
struct SeatState {
    /// A command may have several calls on their way. They are granted in this order.
    waiting: VecDeque<(String, oneshot::Sender<()>)>,
    /// Calls and their answers.
    history: String,
}

impl State {
    fn dump(&self, to: &mut String) {
        for (key, stored) in &self.objects.0 {
            let age = if stored.old { "old" } else { "young" };
            let _ = writeln!(
                to,
                "{key} ({age}): {}",
                String::from_utf8_lossy(&stored.bytes)
            );
        }
    }
}

impl Hub {
    fn new(objects: Objects, commands: usize) -> Self {
        let seats = (0..commands).map(|_| SeatState::default()).collect();
        Self {
            state: Mutex::new(State { objects, seats }),
            changed: Notify::new(),
        }
    }

    fn objects(&self) -> Objects {
        self.state.lock().unwrap().objects.clone()
    }

    fn waits(&self, actor: usize) -> bool {
        !self.state.lock().unwrap().seats[actor].waiting.is_empty()
    }

    fn waiting(&self) -> Vec<usize> {
        let state = self.state.lock().unwrap();
        let seats = state.seats.iter().enumerate();
        seats
            .filter(|(_, seat)| !seat.waiting.is_empty())
            .map(|(actor, _)| actor)
            .collect()
    }

    fn grant(&self, actor: usize) -> String {
        let next = self.state.lock().unwrap().seats[actor].waiting.pop_front();
        let (call, turn) = next.unwrap();
        // The one who waited may have been dropped by its command.
        let _ = turn.send(());
        call
    }
}

/// The store as one command sees it.
struct Seat {
    actor: usize,
    hub: Arc<Hub>,
}

impl Seat {
    /// Waits for its turn, acts on the objects at one stroke and notes the answer.
    async fn call<T: std::fmt::Debug>(
        &self,
        call: String,
        act: impl FnOnce(&mut Objects) -> T,
    ) -> T {
        let (turn, granted) = oneshot::channel();
        self.hub.state.lock().unwrap().seats[self.actor]
            .waiting
            .push_back((call.clone(), turn));
        self.hub.changed.notify_one();
        granted.await.unwrap();
        let mut state = self.hub.state.lock().unwrap();
        let answer = act(&mut state.objects);
        let history = &mut state.seats[self.actor].history;
        let _ = writeln!(history, "{call} -> {answer:?}");
        answer
    }
}

const OLD: i64 = 3 * 24 * 3600;

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Equal bytes are one state, as where a store knows objects by their MD5.
fn revision(bytes: &[u8]) -> Revision {
    Revision::new(String::from_utf8_lossy(bytes))
}

fn bytes_of(content: &Content) -> Bytes {
    match &content.source {
        Source::Bytes(bytes) => bytes.clone(),
        Source::File(file) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file.open().unwrap(), &mut bytes).unwrap();
            bytes.into()
        }
    }
}

fn modified(stored: &Stored) -> Option<i64> {
    Some(now() - if stored.old { OLD } else { 0 })
}

#[async_trait]
impl Store for Seat {
    /// Others are walked before and behind each call anyway.
    async fn pause(&self, _time: std::time::Duration) {}

    fn url(&self, key: &str) -> String {
        format!("memory://{key}")
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        let bytes = bytes_of(content);
        let call = format!("create {key}");
        Ok(self
            .call(call, |objects| {
                if objects.0.contains_key(key) {
                    return Created::Exists;
                }
                objects.put(key, bytes, false);
                Created::New
            })
            .await)
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let found = self.call(format!("read {key}"), |objects| {
            objects.0.get(key).map(|stored| stored.bytes.clone())
        });
        Ok(found.await.map(|bytes| Object {
            revision: revision(&bytes),
            bytes,
        }))
    }

    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError> {
        let found = self.call(format!("download {key}"), |objects| {
            objects.0.get(key).map(|stored| stored.bytes.clone())
        });
        Ok(found.await.map(|bytes| Download {
            bytes: bytes.len() as u64,
            revision: revision(&bytes),
            chunks: stream::iter([Ok(bytes.slice(offset as usize..))]).boxed(),
        }))
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        let found = self.call(format!("stat {key}"), |objects| objects.0.get(key).cloned());
        Ok(found.await.map(|stored| Stat {
            bytes: stored.bytes.len() as u64,
            md5: None,
            modified: modified(&stored),
            revision: revision(&stored.bytes),
        }))
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        let prefix = prefix.to_owned();
        let listed = async move {
            let found = self.call(format!("list {prefix} {depth:?}"), |objects| {
                let under = objects.0.iter().filter(|(key, _)| key.starts_with(&prefix));
                let mut found: BTreeMap<String, Option<Stored>> = BTreeMap::new();
                for (key, stored) in under {
                    match key[prefix.len()..].split_once('/') {
                        Some((folder, _)) if depth == Depth::One => {
                            found.insert(format!("{prefix}{folder}/"), None);
                        }
                        _ => {
                            found.insert(key.clone(), Some(stored.clone()));
                        }
                    }
                }
                found
            });
            stream::iter(found.await.into_iter().map(|(key, stored)| {
                Ok(Entry {
                    bytes: stored
                        .as_ref()
                        .map_or(0, |stored| stored.bytes.len() as u64),
                    modified: stored.as_ref().and_then(modified),
                    revision: None,
                    key,
                })
            }))
        };
        stream::once(listed).flatten().boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call(format!("delete {key}"), |objects| {
            objects.0.remove(key);
        })
        .await;
        Ok(())
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError> {
        Ok(self
            .call(format!("replace {key}"), |objects| {
                let found = objects.0.get(key).map(|stored| revision(&stored.bytes));
                if found.as_ref() != expected {
                    return Replaced::Changed;
                }
                objects.put(key, bytes, false);
                Replaced::Done
            })
            .await)
    }
}
