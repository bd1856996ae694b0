//! Where models are kept: one small interface, and what publishing needs of it.
//!
//! Objects are immutable: created with "must not exist", never written again. Only aliases change, by
//! compare-and-swap on a [`Revision`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use bucket::BucketStore;

mod blocking;
mod bucket;
mod content;
mod error;
mod folder;
mod layout;
mod location;
mod manifest;
pub mod mark;
mod options;
mod publish;
pub mod uses;

pub use content::{Content, LocalFile, Source, store_data, store_module};
pub use error::StoreError;
pub(crate) use error::advice;
pub use folder::FolderStore;
pub(crate) use folder::is_temporary_name;
pub use layout::{
    ALIASES, CLAIMS, ClaimKey, DELETED, REJECTED, UNPUBLISHED, USES, alias_at, check_key, data_key,
    deleted_key, is_shared, manifest_key, may_be_claim, may_be_model, module_key, rejected_key,
};
pub use location::Location;
pub use manifest::{
    Damaged, find_manifest, parse as parse_manifest, read_manifest, write_manifest,
};
pub use options::Options;
pub use publish::{Published, claimed_model, publish, record_rejected};

/// Opens a store. Nothing is created or asked yet: a folder is made by the first object in it.
///
/// # Errors
/// When the location is of a kind that this build does not know, or the credentials can't be read.
pub fn open(location: &Location, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match location {
        Location::Folder(root) => {
            Arc::new(FolderStore::new(root.clone()).with_patience(options.timeout))
        }
        Location::Bucket { .. } => Arc::new(BucketStore::open(location, options)?),
    })
}

/// A store, and how to reach it.
#[derive(Clone, Debug)]
pub struct Target {
    pub location: Location,
    pub options: Options,
}

impl Target {
    /// [`open`] for this target.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        open(&self.location, &self.options)
    }
}

/// Which state of an object: a generation on Google Cloud Storage, an ETag or digest elsewhere. Opaque.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision(pub(crate) String);

impl Revision {
    #[must_use]
    pub fn new(state: impl Into<String>) -> Self {
        Self(state.into())
    }

    /// For the record, and for nothing else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What [`Store::create`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    New,
    /// There is an object of this name already. It was left as it is; it may hold other bytes.
    Exists,
}

/// What [`Store::replace`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    Done,
    /// Somebody else changed the object first. Nothing was written.
    Changed,
}

/// What a store knows of an object without reading it.
#[derive(Clone, Debug)]
pub struct Stat {
    pub bytes: u64,
    /// Where the store keeps one: a folder does not.
    pub md5: Option<[u8; 16]>,
    /// Seconds since 1970 by the store's clock, where it tells them.
    pub modified: Option<i64>,
    pub revision: Revision,
}

/// A small object, read whole.
#[derive(Clone, Debug)]
pub struct Object {
    pub bytes: Bytes,
    pub revision: Revision,
}

/// An object on its way.
pub struct Download {
    /// Of the whole object, whatever the offset.
    pub bytes: u64,
    /// All chunks are of this state.
    pub revision: Revision,
    pub chunks: ByteStream,
}

/// One entry of a listing. Where a store is a folder, a link or a pipe is listed, too, as an object that can't be read: nobody
/// is to take its place for free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the store; ends in `/` where it stands for all that begins with it.
    pub key: String,
    /// 0 for a folder.
    pub bytes: u64,
    /// Seconds since 1970 by the store's clock, where it tells them.
    pub modified: Option<i64>,
    /// Where a listing tells it, and the store can delete by it.
    pub revision: Option<Revision>,
}

/// How deep a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Up to the next `/`: objects and folders.
    One,
    /// Every object, no folders.
    All,
}

/// Bytes of an object, in order.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// Largest object that [`Store::read`] takes into memory: manifests, claims, aliases.
pub const LARGEST_READ: u64 = 16 << 20;

/// How often an object is fetched that arrives damaged.
pub(crate) const ARRIVALS: u32 = 3;

/// A place for objects. Keys are relative, parts joined by `/` ([`check_key`]).
///
/// Every method retries what is worth it by itself; an error that comes out of it is final.
#[async_trait]
pub trait Store: Send + Sync {
    /// By how many seconds the store's clock is ahead of this machine's, as of its last answer. 0 before the first.
    fn ahead(&self) -> i64 {
        0
    }

    /// For how long a command may go on trying what others hinder.
    fn patience(&self) -> Duration {
        Options::default().timeout
    }

    /// Waits between two tries of what others hinder.
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The address of an object, for people: `gs://bucket/prefix/key`. With an empty key, of the store itself.
    fn url(&self, key: &str) -> String;

    /// Creates an object that must not exist yet. It appears whole or not at all, and its bytes are checked.
    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError>;

    /// Creates objects as [`Store::create`] does, one after the other, up to the first that exists already. Returns how
    /// many it created.
    async fn create_in_order(&self, objects: &[(String, Content)]) -> Result<usize, StoreError> {
        for (created, (key, content)) in objects.iter().enumerate() {
            if self.create(key, content).await? == Created::Exists {
                return Ok(created);
            }
        }
        Ok(objects.len())
    }

    /// Reads an object of at most [`LARGEST_READ`] bytes. `None` when there is none.
    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError>;

    /// Streams an object from byte `offset` on. `None` when there is none.
    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError>;

    /// What is known of an object. `None` when there is none.
    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError>;

    /// Lists what begins with `prefix`, page by page as the caller takes it.
    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>>;

    /// Deletes an object. One that is not there counts as deleted.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes an object, but not one that took its place since it was listed, where the store can tell. A request that was
    /// taken for lost, and is sent again, then does no harm to a later object of that name.
    async fn delete_listed(&self, entry: &Entry) -> Result<(), StoreError> {
        self.delete(&entry.key).await
    }

    /// Writes an object if it still is as it was read: `expected` of `None` means that it must not exist.
    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError>;
}
