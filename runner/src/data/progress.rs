//! How far a dataset has come: a bar on a terminal, lines in a log.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::foreign;

/// Between two lines of a log.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    source: String,
    /// None where nobody watches.
    bar: Option<ProgressBar>,
    started: Instant,
    said: Instant,
    /// Bytes of the pages before this one.
    before: u64,
}

/// Lines that the bar must not be drawn over.
#[derive(Clone)]
pub(super) struct Voice(Option<ProgressBar>);

impl Voice {
    pub fn say(&self, line: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(line),
            None => line(),
        }
    }
}

impl Progress {
    pub fn start(source: &str) -> Self {
        let watched = std::io::stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO);
        let bar = watched.then(|| {
            let bar = ProgressBar::no_length();
            let style = "{msg} {binary_bytes} of {binary_total_bytes} {wide_bar} {binary_bytes_per_sec} {eta}";
            // The template is ours and valid; were it not, the default one would show.
            bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(foreign::line(source));
            bar
        });
        let now = Instant::now();
        Self {
            source: source.to_owned(),
            bar,
            started: now,
            said: now,
            before: 0,
        }
    }

    /// `total` where the source tells it. In bytes.
    pub fn at(&mut self, bytes: u64, total: Option<u64>) {
        let bytes = self.before + bytes;
        let total = total.map(|total| self.before.saturating_add(total));
        if let Some(bar) = &self.bar {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(bytes);
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            let of = total.map(|total| format!(" of {}", BinaryBytes(total)));
            tracing::info!(
                "fetching {}: {}{}",
                self.source,
                BinaryBytes(bytes),
                of.unwrap_or_default()
            );
        }
    }

    /// From now on a page is counted that comes after this many bytes.
    pub fn before(&mut self, bytes: u64) {
        self.before = bytes;
    }

    pub fn voice(&self) -> Voice {
        Voice(self.bar.clone())
    }

    pub fn done(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        tracing::info!(
            "fetched {}: {} in {:.1} s",
            self.source,
            BinaryBytes(bytes),
            self.started.elapsed().as_secs_f64()
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
