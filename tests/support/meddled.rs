//! A store in which something happens at the moment that a test names.
#![allow(clippy::unwrap_used, dead_code)]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use runner::store::{
    Content, Created, Depth, Download, Entry, Object, Replaced, Revision, Stat, Store, StoreError,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Stat,
    List,
    Delete,
}

struct Event {
    call: Call,
    key: String,
    happens: BoxFuture<'static, ()>,
}

/// Another store, and what happens in between.
pub struct Meddled {
    inner: Arc<dyn Store>,
    events: Mutex<Vec<Event>>,
    /// By how many seconds its clock is ahead.
    pub ahead: Arc<AtomicI64>,
    /// Somebody else is always first to change what is to be replaced.
    pub contested: AtomicBool,
    /// How often something was to be replaced.
    pub replaced: AtomicUsize,
}

impl Meddled {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            events: Mutex::default(),
            ahead: Arc::default(),
            contested: AtomicBool::default(),
            replaced: AtomicUsize::default(),
        }
    }

    /// Once, right before the next such call.
    pub fn before(
        self,
        call: Call,
        key: &str,
        happens: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.events.lock().unwrap().push(Event {
            call,
            key: key.to_owned(),
            happens: Box::pin(happens),
        });
        self
    }

    /// Whether all that was to happen has happened.
    pub fn is_over(&self) -> bool {
        self.events.lock().unwrap().is_empty()
    }

    async fn meddle(&self, call: Call, key: &str) {
        let event = {
            let mut events = self.events.lock().unwrap();
            let at = events
                .iter()
                .position(|event| event.call == call && event.key == key);
            at.map(|at| events.remove(at))
        };
        if let Some(event) = event {
            event.happens.await;
        }
    }
}

#[async_trait]
impl Store for Meddled {
    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    fn patience(&self) -> std::time::Duration {
        self.inner.patience()
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        self.meddle(Call::Create, key).await;
        self.inner.create(key, content).await
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.inner.read(key).await
    }

    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError> {
        self.inner.download(key, offset).await
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        self.meddle(Call::Stat, key).await;
        self.inner.stat(key).await
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        let prefix = prefix.to_owned();
        stream::once(async move {
            self.meddle(Call::List, &prefix).await;
            self.inner.list(&prefix, depth)
        })
        .flatten()
        .boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.meddle(Call::Delete, key).await;
        self.inner.delete(key).await
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError> {
        self.replaced.fetch_add(1, Ordering::Relaxed);
        if self.contested.load(Ordering::Relaxed) {
            return Ok(Replaced::Changed);
        }
        self.inner.replace(key, expected, bytes).await
    }
}
