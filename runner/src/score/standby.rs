//! A process that scores, made ready before there is a model, and killed with whatever waits for it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{ScoreError, Scorer};

/// A process that can score, started before its model is there: starting takes as long as scoring a small model.
/// It is killed when this is dropped.
pub struct Standby {
    leash: Leash,
    work: mpsc::Sender<Work>,
    started: io::Result<()>,
}

/// Gets the process, or why there is none, and gives it back where more may come.
type Work =
    Box<dyn FnOnce(Result<Scorer, ScoreError>) -> Option<Result<Scorer, ScoreError>> + Send>;

impl Standby {
    /// Starts a process that may use `memory` bytes, and 256 MiB at least.
    #[must_use]
    pub fn start(memory: u64) -> Self {
        let leash = Leash::default();
        let held = leash.clone();
        let (work, works) = mpsc::channel::<Work>();
        // A thread of its own, that lasts: the process ends with the thread that started it.
        let thread = std::thread::Builder::new().name("scores".to_owned());
        let started = thread.spawn(move || {
            let mut scorer = Some(Scorer::start(&held, memory));
            while let Some(now) = scorer.take()
                && let Ok(work) = works.recv()
            {
                scorer = work(now);
            }
        });
        Self {
            leash,
            work,
            started: started.map(|_| ()),
        }
    }

    /// Returns what does `work` on that thread, too, before anybody waits for it.
    pub(super) fn early(
        &self,
        work: impl FnOnce(&mut Scorer) + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let works = self.work.clone();
        move || {
            let early: Work = Box::new(move |mut scorer| {
                if let Ok(scorer) = &mut scorer {
                    work(scorer);
                }
                Some(scorer)
            });
            // Where it gets lost, there is nothing to be early for.
            let _ = works.send(early);
        }
    }

    /// Does `work` on that thread. The process is killed when the time is over, and when the future is dropped, as a
    /// signal does.
    ///
    /// # Errors
    /// Those of `work` and of the start, or [`ScoreError::Timeout`].
    pub async fn score<T: Send + 'static>(
        mut self,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Scorer) -> Result<T, ScoreError> + Send + 'static,
    ) -> Result<T, ScoreError> {
        std::mem::replace(&mut self.started, Ok(())).map_err(ScoreError::Start)?;
        let (answer, answered) = oneshot::channel();
        let job: Work = Box::new(move |scorer| {
            let (result, _ended_after) = match scorer {
                Ok(mut scorer) => (work(&mut scorer), Some(scorer)),
                Err(error) => (Err(error), None),
            };
            // Nobody may want to know any more.
            let _ = answer.send(result);
            None
        });
        // Where it gets lost, so does the answer.
        let _ = self.work.send(job);
        let ended = match limit {
            None => answered.await,
            Some(limit) => match tokio::time::timeout(limit, answered).await {
                Ok(ended) => ended,
                Err(_) => return Err(ScoreError::Timeout(limit)),
            },
        };
        // What a model makes of us is the model's fault too.
        ended.unwrap_or_else(|_| Err(ScoreError::Died("a thread of the runner panicked".into())))
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.leash.stop();
    }
}

/// Holds the process, so that it can be killed from elsewhere.
#[derive(Clone, Default)]
pub(super) struct Leash(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    child: Option<Child>,
    stopped: bool,
}

impl Leash {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the process, and kills it where it is wanted no more.
    pub(super) fn hold(&self, mut child: Child) {
        self.with(|state| {
            if state.stopped {
                let _ = child.kill();
            }
            state.child = Some(child);
        });
    }

    fn stop(&self) {
        self.with(|state| {
            state.stopped = true;
            if let Some(child) = &mut state.child {
                // It may have ended.
                let _ = child.kill();
            }
        });
    }

    /// Ends the process with this id if it has not ended, and tells how it did.
    pub(super) fn end(&self, process: u32) -> String {
        self.with(|state| {
            let Some(mut child) = state.child.take_if(|child| child.id() == process) else {
                return String::new();
            };
            let _ = child.kill();
            match child.wait() {
                Ok(status) => match (status.signal(), status.code()) {
                    (Some(signal), _) => format!("signal {signal}"),
                    (None, code) => format!("status {}", code.unwrap_or_default()),
                },
                Err(error) => error.to_string(),
            }
        })
    }
}
