use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

/// Where the bytes of a dataset come from. It is opened again when a column turns out to be of another type than
/// its first rows said, and must give the same bytes each time.
pub trait Source {
    /// # Errors
    /// When the bytes can't be reached.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;

    /// The same bytes where they can be read anywhere, as Parquet is. Of other sources all is held in memory.
    ///
    /// # Errors
    /// When the bytes can't be reached.
    fn open_seekable(&self) -> io::Result<Option<Box<dyn ReadSeek + '_>>> {
        Ok(None)
    }

    /// How many bytes [`Source::open`] gives, where that is known: columns are then made as long as they will get.
    fn size(&self) -> Option<u64> {
        None
    }

    /// How messages name it.
    fn name(&self) -> String {
        "the dataset".to_owned()
    }
}

/// Bytes that can be read anywhere.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

impl Source for PathBuf {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self)?))
    }

    fn open_seekable(&self) -> io::Result<Option<Box<dyn ReadSeek + '_>>> {
        // Pipes and devices have no place to go to, nor a size.
        match self.size() {
            Some(_) => Ok(Some(Box::new(File::open(self)?))),
            None => Ok(None),
        }
    }

    fn size(&self) -> Option<u64> {
        let size = Path::metadata(self).ok()?.len();
        // Pipes and devices say 0.
        (size > 0).then_some(size)
    }

    fn name(&self) -> String {
        self.display().to_string()
    }
}

impl Source for &[u8] {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(*self))
    }

    fn open_seekable(&self) -> io::Result<Option<Box<dyn ReadSeek + '_>>> {
        Ok(Some(Box::new(Cursor::new(*self))))
    }

    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
}

impl Source for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.as_slice()))
    }

    fn open_seekable(&self) -> io::Result<Option<Box<dyn ReadSeek + '_>>> {
        Ok(Some(Box::new(Cursor::new(self.as_slice()))))
    }

    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
}
