//! How far a long fit has come: a line now and then. Work is counted, never timed, so that equal inputs give equal lines.

/// Work between two lines at first: passes over a cell of the features, of which a core does some hundred million a second.
const LINE: u64 = 250_000_000;
/// From here on lines become rarer: each comes when the work has grown by this part of it.
const GROWTH: u64 = 4;

/// Where a fit says how far it has come; the default hears nothing.
#[derive(Clone, Copy, Default)]
pub struct Progress<'a> {
    /// Which fit it is.
    fit: &'a str,
    hear: Option<&'a (dyn Fn(String) + 'a)>,
    /// A line for each step, for tests.
    is_eager: bool,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Progress")
    }
}

/// Steps of a fit, each of about the same work.
pub(super) struct Steps<'a> {
    fit: &'a str,
    hear: Option<&'a (dyn Fn(String) + 'a)>,
    /// What a step is, in the plural.
    what: &'static str,
    total: u64,
    /// Steps between two lines at first.
    every: u64,
    done: u64,
    next: u64,
}

impl<'a> Progress<'a> {
    #[must_use]
    pub fn of(fit: &'a str, hear: &'a (dyn Fn(String) + 'a)) -> Self {
        Self {
            fit,
            hear: Some(hear),
            is_eager: false,
        }
    }

    /// A fit of at most `total` steps, each of which passes over `cells` cells.
    pub(super) fn steps(self, what: &'static str, total: u64, cells: u64) -> Steps<'a> {
        let line = if self.is_eager { 0 } else { LINE };
        // A fit that would end before its second line is not spoken of.
        let is_long = total.saturating_mul(cells) >= 2 * line;
        let every = line.div_ceil(cells.max(1)).max(1);
        Steps {
            fit: self.fit,
            hear: self.hear.filter(|_| is_long),
            what,
            total,
            every,
            done: 0,
            next: every,
        }
    }
}

impl Steps<'_> {
    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        let Some(hear) = self.hear else {
            return;
        };
        if self.done >= self.next && self.done < self.total {
            self.next = self.done + self.every.max(self.done / GROWTH);
            hear(format!(
                "{}: {} of at most {} {}",
                self.fit, self.done, self.total, self.what
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;

    use contract::Task;

    use super::*;
    use crate::learners::{Defaults, Feature, Features, Kind, Target, Training, configure};

    fn lines(total: u64, cells: u64) -> Vec<String> {
        let lines = RefCell::new(Vec::new());
        let hear = |line| lines.borrow_mut().push(line);
        let mut steps = Progress::of("fitting", &hear).steps("trees", total, cells);
        (0..total).for_each(|_| steps.step());
        lines.take()
    }

    #[test]
    fn a_long_fit_is_heard_of_and_a_short_one_is_not() {
        assert_eq!(lines(100, 100_000), Vec::<String>::new());
        assert_eq!(
            lines(100, 20_000_000),
            [13, 26, 39, 52, 65, 81].map(|done| format!("fitting: {done} of at most 100 trees"))
        );
    }

    #[test]
    fn every_learner_that_works_in_steps_is_heard_of() {
        let values: Vec<f32> = (0..60).map(|row| (row * 37 % 60) as f32 / 60.0).collect();
        let features = Features {
            rows: values.len(),
            columns: vec![Feature {
                name: "x".to_owned(),
                kind: Kind::Number,
                values: values.clone(),
            }],
        };
        for (algorithm, task) in [
            ("random_forest", Task::Binary),
            ("extra_trees", Task::Regression),
            ("gradient_boosting", Task::Regression),
            ("logistic_regression", Task::Binary),
            ("mlp", Task::Regression),
            ("svc", Task::Binary),
            ("svr", Task::Regression),
        ] {
            let target = match task {
                Task::Regression => Target::Number(values.iter().map(|x| x * 7.0 % 1.0).collect()),
                _ => Target::Classes {
                    codes: values.iter().map(|x| u32::from(*x > 0.4)).collect(),
                    classes: 2,
                },
            };
            let lines = RefCell::new(Vec::new());
            let hear = |line| lines.borrow_mut().push(line);
            let progress = Progress {
                is_eager: true,
                ..Progress::of("fold 2 of 5", &hear)
            };
            let learner = configure(
                algorithm,
                Some("builtin"),
                task,
                &toml::Table::new(),
                Defaults::default(),
            );
            let training = Training {
                features: &features,
                target: &target,
                weights: None,
                seed: 1,
                progress,
            };
            learner.unwrap().fit(training).unwrap();
            let lines = lines.take();
            assert!(lines.len() > 1, "{algorithm}: {lines:?}");
            assert!(
                lines[0].starts_with("fold 2 of 5: 1 of at most "),
                "{algorithm}: {lines:?}"
            );
        }
    }

    #[test]
    fn lines_are_few_however_long_it_takes() {
        assert!(lines(10_000_000, 1_000_000_000).len() < 80);
        assert!((15..30).contains(&lines(1_000_000, 20_000).len()));
    }
}
