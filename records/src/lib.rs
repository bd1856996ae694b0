//! Bytes to typed columns: the dataset formats that training modules and scoring read, told apart by content.

mod column;

pub use column::{Column, Records, Text, Values};
