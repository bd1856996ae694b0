use std::ops::Range;

/// Longer values beside the records are passed over. Bytes.
const LONGEST_VALUE: usize = 16 << 10;

/// A query result: `{"totalSize":N,"done":false,"nextRecordsUrl":"…","records":[…]}`, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub total_size: Option<u64>,
    pub done: bool,
    pub next: Option<String>,
    /// Where the inside of `records` is. Bytes.
    pub records: Range<u64>,
    pub count: u64,
}

impl Page {
    /// How the joined result begins.
    pub fn head(&self) -> String {
        match self.total_size {
            Some(total_size) => format!("{{\"totalSize\":{total_size},\"done\":true,\"records\":["),
            None => "{\"done\":true,\"records\":[".to_owned(),
        }
    }
}

/// Walks through JSON with a few bytes of memory, and looks at the outermost object alone. Whether the records are
/// valid is for their reader to find.
#[derive(Default)]
pub(super) struct Scan {
    /// Bytes so far.
    at: u64,
    /// As wide as `at`: each byte may open one more.
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// Of the outermost object: the key that is being filled, and what has been read since the last `:` or `,`.
    key: Vec<u8>,
    text: Vec<u8>,
    in_records: bool,
    /// Something stands between the commas of the records.
    has_record: bool,
    ended: bool,
    /// It is no query result, whatever follows.
    other: bool,
    total_size: Option<u64>,
    done: Option<bool>,
    next: Option<String>,
    start: Option<u64>,
    end: Option<u64>,
    commas: u64,
}

impl Scan {
    /// Whether more of it is of interest.
    pub fn feed(&mut self, chunk: &[u8]) -> bool {
        for &byte in chunk {
            if self.in_string {
                self.string(byte);
            } else if !byte.is_ascii_whitespace() {
                self.token(byte);
            }
            self.at += 1;
            if self.other {
                return false;
            }
        }
        true
    }

    /// The page, if that is what the whole was.
    pub fn page(self) -> Option<Page> {
        if self.other || !self.ended {
            return None;
        }
        Some(Page {
            total_size: self.total_size,
            done: self.done?,
            next: self.next,
            records: self.start?..self.end?,
            count: if self.has_record { self.commas + 1 } else { 0 },
        })
    }

    fn string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
        self.keep(byte);
    }

    fn token(&mut self, byte: u8) {
        if self.ended || (self.depth == 0 && byte != b'{') {
            // Another value follows, or the first is no object. A byte order mark may come first.
            self.other = self.ended || !matches!(byte, 0xef | 0xbb | 0xbf);
            return;
        }
        if self.depth == 2 && self.in_records && !matches!(byte, b',' | b']') {
            self.has_record = true;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(),
            b':' if self.depth == 1 => self.key = std::mem::take(&mut self.text),
            b',' if self.depth == 1 => self.finish_member(),
            b',' if self.depth == 2 && self.in_records => self.commas += 1,
            _ => self.keep(byte),
        }
    }

    fn open(&mut self, byte: u8) {
        self.depth += 1;
        if self.depth == 2 && byte == b'[' && self.key == b"\"records\"" {
            // Twice the same key: nobody could say which one is meant.
            self.other = self.start.is_some();
            self.in_records = true;
            self.start = Some(self.at + 1);
        }
    }

    fn close(&mut self) {
        match self.depth {
            2 if self.in_records => {
                self.end = Some(self.at);
                self.in_records = false;
            }
            1 => {
                self.finish_member();
                self.ended = true;
            }
            _ => {}
        }
        self.depth -= 1;
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.text.len() < LONGEST_VALUE {
            self.text.push(byte);
        }
    }

    fn finish_member(&mut self) {
        let (key, text) = (
            std::mem::take(&mut self.key),
            std::mem::take(&mut self.text),
        );
        match key.as_slice() {
            b"\"totalSize\"" => self.total_size = serde_json::from_slice(&text).ok(),
            b"\"done\"" => self.done = serde_json::from_slice(&text).ok(),
            b"\"nextRecordsUrl\"" => self.next = serde_json::from_slice(&text).ok(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Fed whole and byte by byte, which must not differ.
    fn page(text: &str) -> Option<Page> {
        let scan = |size: usize| {
            let mut scan = Scan::default();
            let _ = text.as_bytes().chunks(size).all(|chunk| scan.feed(chunk));
            scan.page()
        };
        let page = scan(1);
        assert_eq!(page, scan(usize::MAX));
        page
    }

    #[test]
    fn a_page_is_read_in_any_order_of_its_keys() {
        for text in [
            r#"{"totalSize":3,"done":false,"nextRecordsUrl":"\/q\/1","records":[{"a":"],}\"["},{"b":[1,2]}]}"#,
            r#" { "records" : [{"a":"],}\"["},{"b":[1,2]}] , "x":{"done":true}, "nextRecordsUrl":"/q/1", "done" : false, "totalSize":3 } "#,
        ] {
            let page = page(text).unwrap();
            assert_eq!(
                (page.total_size, page.done, page.count),
                (Some(3), false, 2)
            );
            assert_eq!(page.next.as_deref(), Some("/q/1"));
            let range = usize::try_from(page.records.start).unwrap()
                ..usize::try_from(page.records.end).unwrap();
            assert_eq!(&text[range], r#"{"a":"],}\"["},{"b":[1,2]}"#);
        }
        assert_eq!(page(r#"{"done":true,"records":[ ]}"#).unwrap().count, 0);
    }

    #[test]
    fn no_depth_is_too_deep_to_count() {
        let depth = u32::MAX.into();
        let mut scan = Scan {
            depth,
            ..Scan::default()
        };
        assert!(scan.feed(b"[[]]"));
        assert_eq!(scan.depth, depth);
    }

    #[test]
    fn other_json_is_no_page() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"done":true}"#,
            r#"{"records":[]}"#,
            r#"{"done":true,"records":[]}{"done":true,"records":[]}"#,
            r#"{"done":true,"records":[],"records":[]}"#,
            r#"{"done":true,"records":["#,
            r#"{"x":{"done":true,"records":[]}}"#,
            "}}]]",
            "x,y\n",
        ] {
            assert_eq!(page(text), None, "{text}");
        }
    }
}
