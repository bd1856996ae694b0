//! Writes the headers of Parquet as a test wants them.

pub const I32: u8 = 5;
pub const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A struct of Thrift's compact protocol, its fields in ascending order.
#[derive(Clone, Default)]
pub struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn int(mut self, id: u8, kind: u8, value: i64) -> Self {
        self.field(id, kind);
        self.varint((value << 1 ^ value >> 63) as u64);
        self
    }

    pub fn name(mut self, id: u8, value: &str) -> Self {
        self.field(id, BINARY);
        self.varint(value.len() as u64);
        self.bytes.extend(value.bytes());
        self
    }

    pub fn inner(mut self, id: u8, value: Struct) -> Self {
        self.field(id, STRUCT);
        self.bytes.extend(value.end());
        self
    }

    pub fn list(mut self, id: u8, values: &[Struct]) -> Self {
        self.field(id, LIST);
        self.bytes.push((values.len() as u8) << 4 | STRUCT);
        for value in values {
            self.bytes.extend(value.clone().end());
        }
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}
