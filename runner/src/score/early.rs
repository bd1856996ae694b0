//! Notices that a guest has written a file, while the guest goes on.

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

/// Watches until it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does `then` as soon as a file called `name` in `folder` was written and closed, or moved there; once.
///
/// # Errors
/// When the system watches no more folders, or none of this kind.
pub(super) fn when_written(
    folder: &Path,
    name: &'static str,
    then: impl FnOnce() + Send + 'static,
) -> io::Result<Watch> {
    let watched = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let events = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
    inotify::add_watch(&watched, folder, events)?;
    // SAFETY: an `OwnedFd` has one descriptor, which is open for as long as it lives.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register(watched) }?;
    Ok(Watch(tokio::spawn(async move {
        let mut events = [MaybeUninit::uninit(); 4096];
        while let Ok(mut ready) = watched.readable().await {
            let mut reader = Reader::new(&watched, &mut events);
            loop {
                match reader.next() {
                    Ok(event) => {
                        if event
                            .file_name()
                            .is_some_and(|file| file.to_bytes() == name.as_bytes())
                        {
                            return then();
                        }
                    }
                    Err(Errno::WOULDBLOCK) => break,
                    Err(_) => return,
                }
            }
            ready.clear_ready();
        }
    })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_file_is_noticed_once_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, mut told) = oneshot::channel();
        let watch = when_written(folder.path(), "a", move || tell.send(()).unwrap()).unwrap();
        fs::write(folder.path().join("b"), "other").unwrap();
        let file = fs::File::create(folder.path().join("a")).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert!(told.try_recv().is_err());
        drop(file);
        told.await.unwrap();
        drop(watch);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(when_written(&folder.path().join("none"), "a", || ()).is_err());
    }
}
