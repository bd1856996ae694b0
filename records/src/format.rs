use crate::error::Problem;

/// The formats that are told apart by content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    pub kind: Kind,
    pub gzip: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cells separated by this byte: `,`, `;` or a tab.
    Csv {
        separator: u8,
    },
    /// One array of objects, or several one after another.
    JsonArray,
    /// Objects one after another.
    Ndjson,
    /// `{"totalSize": …, "done": …, "records": […]}`, one or several.
    Salesforce,
    Parquet,
}

impl Default for Kind {
    fn default() -> Self {
        Kind::Csv { separator: b',' }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Csv { separator: b';' } => "CSV separated by semicolons",
            Kind::Csv { separator: b'\t' } => "CSV separated by tabs",
            Kind::Csv { .. } => "CSV",
            Kind::JsonArray => "JSON array",
            Kind::Ndjson => "NDJSON",
            Kind::Salesforce => "Salesforce query result",
            Kind::Parquet => "Parquet",
        })?;
        if self.gzip {
            f.write_str(", gzip")?;
        }
        Ok(())
    }
}

/// What the first bytes of a dataset, decompressed, say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Csv,
    Json,
    Parquet,
}

pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];
pub(crate) const PARQUET: [u8; 4] = *b"PAR1";
/// With a footer that is encrypted, too.
pub(crate) const PARQUET_ENCRYPTED: [u8; 4] = *b"PARE";
pub(crate) const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// First bytes of what people bring and what is not read here.
const UNSUPPORTED: [(&[u8], &str); 11] = [
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"<", "an HTML or XML page"),
];

/// Tells the family of `start`, the first bytes after a byte order mark.
pub(crate) fn family(start: &[u8]) -> Result<Family, Problem> {
    if start.starts_with(&GZIP) {
        return Err(Problem::Unsupported("gzip inside of gzip"));
    }
    if start.starts_with(&PARQUET) || start.starts_with(&PARQUET_ENCRYPTED) {
        return Ok(Family::Parquet);
    }
    let text = start.trim_ascii_start();
    for (magic, what) in UNSUPPORTED {
        if start.starts_with(magic) || (magic == b"<" && text.starts_with(magic)) {
            return Err(Problem::Unsupported(what));
        }
    }
    match text.first() {
        None => Err(Problem::Empty),
        Some(b'[' | b'{') => Ok(Family::Json),
        Some(_) => Ok(Family::Csv),
    }
}

const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// How many lines the separator is told by.
const LINES: usize = 20;

/// The separator that each of the first lines of `text` has equally often; the one that the header line has most of
/// when there is none or several of them, and the comma when the header has none.
pub(crate) fn separator(text: &[u8]) -> u8 {
    let lines = count_separators(text);
    let mut best = (SEPARATORS[0], (false, 0));
    for (index, separator) in SEPARATORS.into_iter().enumerate() {
        let in_header = lines[0][index];
        let is_regular = in_header > 0 && lines.iter().all(|line| line[index] == in_header);
        // The first of equals stays, so that the comma wins a draw.
        if (is_regular, in_header) > best.1 {
            best = (separator, (is_regular, in_header));
        }
    }
    best.0
}

/// How often each separator stands outside of quotes in each of the first lines, at least one. A line that `text`
/// cuts off does not count.
fn count_separators(text: &[u8]) -> Vec<[usize; SEPARATORS.len()]> {
    let mut lines = Vec::with_capacity(LINES);
    let mut line = [0; SEPARATORS.len()];
    let mut quoted = false;
    let mut length = 0;
    for &byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                if length > 0 {
                    lines.push(line);
                }
                if lines.len() == LINES {
                    break;
                }
                (line, length) = ([0; SEPARATORS.len()], 0);
                continue;
            }
            _ if !quoted => {
                for (count, separator) in line.iter_mut().zip(SEPARATORS) {
                    *count += usize::from(byte == separator);
                }
            }
            _ => {}
        }
        length += usize::from(byte != b'\r');
    }
    if lines.is_empty() {
        lines.push(line);
    }
    lines
}
