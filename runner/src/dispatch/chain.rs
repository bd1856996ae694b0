//! One piece of work and all dispatches that were made for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::campaign::{Work, label, next_token};
use super::end::{End, Ended, StoppedBy};

/// Dispatches of one piece of work. The first bears the work's token; each later one takes the place of the one before it
/// and bears a token that is made from that one's, so that whoever goes through the chain finds the same jobs.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    pub work: &'a Work,
    /// Where the work stands among all.
    pub order: usize,
    /// The region's own name, also where none was asked for.
    pub region: String,
    /// The dispatched jobs, the first one first.
    pub jobs: Vec<String>,
    /// An earlier command had dispatched the last of them.
    pub already: bool,
    /// It is known not to have ended.
    pub goes_on: bool,
    /// No allocation of it has a place on a client.
    pub pending: bool,
    /// When the last of them was dispatched, or found.
    pub since: Instant,
    /// How often a node drain led to another dispatch.
    pub drains: u32,
    /// The store was asked for models of the same work.
    pub asked_store: bool,
    /// Allocations of one dispatch.
    pub count: u32,
    /// The token of the last dispatch.
    token: Option<String>,
    /// Positions of the versions that the last dispatch was to make.
    making: BTreeSet<usize>,
    /// What became of the version at a position by the allocation of an index, and the job that it is known from.
    ends: BTreeMap<(u32, usize), (End, String)>,
}

impl<'a> Chain<'a> {
    #[must_use]
    pub fn new(work: &'a Work, order: usize, region: &str, count: u32) -> Self {
        Self {
            work,
            order,
            region: region.to_owned(),
            jobs: Vec::new(),
            already: false,
            goes_on: false,
            pending: false,
            since: Instant::now(),
            drains: 0,
            asked_store: false,
            count,
            token: None,
            making: BTreeSet::new(),
            ends: BTreeMap::new(),
        }
    }

    /// The last dispatched job.
    #[must_use]
    pub fn job(&self) -> &str {
        self.jobs.last().map_or("", String::as_str)
    }

    /// The token of the dispatch that comes next.
    #[must_use]
    pub fn next_token(&self) -> String {
        match &self.token {
            Some(token) => next_token(token, self.job()),
            None => self.work.token.clone(),
        }
    }

    pub fn dispatched(&mut self, job: String, token: String, already: bool) {
        self.making = self.missing().into_iter().collect();
        self.jobs.push(job);
        self.token = Some(token);
        self.already = already;
        self.goes_on = !already;
        self.since = Instant::now();
    }

    pub fn set(&mut self, index: u32, position: usize, end: End) {
        let job = self.job().to_owned();
        self.ends.insert((index, position), (end, job));
    }

    /// What the last dispatch was to make and is not known to have come to a model or a verdict: index and position.
    #[must_use]
    pub fn unsettled(&self) -> Vec<(u32, usize)> {
        let all = (0..self.count).flat_map(|index| self.making.iter().map(move |at| (index, *at)));
        all.filter(|key| !self.has_result(*key)).collect()
    }

    /// Positions of the versions of which there is neither a model nor a verdict. One that has them for some allocations of a
    /// dispatch and not for others is none of these: another dispatch would make the others twice.
    #[must_use]
    pub fn missing(&self) -> Vec<usize> {
        (0..self.work.versions.len())
            .filter(|at| !(0..self.count).any(|index| self.has_result((index, *at))))
            .collect()
    }

    fn has_result(&self, key: (u32, usize)) -> bool {
        self.ends.get(&key).is_some_and(|(end, _)| end.is_result())
    }

    /// Whether a node drain stopped what is missing.
    #[must_use]
    pub fn was_drained(&self) -> bool {
        self.ends.iter().any(|((_, at), (end, _))| {
            self.making.contains(at)
                && matches!(
                    end,
                    End::Stopped {
                        by: StoppedBy::NodeDrain,
                        ..
                    }
                )
        })
    }

    /// The versions at these positions, in a few words.
    #[must_use]
    pub fn label(&self, positions: &[usize]) -> String {
        let versions = positions
            .iter()
            .filter_map(|at| self.work.versions.get(*at));
        label(&versions.map(String::as_str).collect::<Vec<_>>())
    }

    /// What became of all of its versions.
    #[must_use]
    pub fn ended(&self) -> Vec<Ended> {
        let all = (0..self.count)
            .flat_map(|index| (0..self.work.versions.len()).map(move |position| (index, position)));
        all.map(|(index, position)| {
            let (end, job) = match self.ends.get(&(index, position)) {
                Some((end, job)) => (end.clone(), job.as_str()),
                None => (End::not_followed(), self.job()),
            };
            Ended {
                model_version: self
                    .work
                    .versions
                    .get(position)
                    .cloned()
                    .unwrap_or_default(),
                index,
                job: job.to_owned(),
                end,
            }
        })
        .collect()
    }
}
