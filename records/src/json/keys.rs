use hashbrown::HashMap;

use super::scan::Stop;
use crate::error::{Problem, ReadError};
use crate::table::Table;

/// The keys of the objects met so far, as a tree, and the columns that stand for them.
#[derive(Debug)]
pub(super) struct Keys {
    nodes: Vec<Node>,
}

/// An object: the root is the row.
#[derive(Debug, Default)]
struct Node {
    /// The dotted name, with a dot at its end, of what is in it.
    prefix: String,
    children: Vec<Child>,
    by_key: HashMap<Box<[u8]>, usize>,
    /// The child that is likely to come next: rows mostly have their keys in one order.
    next: usize,
}

#[derive(Debug)]
struct Child {
    key: String,
    /// Once a value was met that is no object.
    column: Option<usize>,
    /// Once an object was met.
    node: Option<usize>,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            nodes: vec![Node::default()],
        }
    }
}

impl Keys {
    pub const ROOT: usize = 0;

    /// At the start of an object of this kind.
    pub fn enter(&mut self, node: usize) {
        self.nodes[node].next = 0;
    }

    /// The child of `node` with this key, a new one if there is none.
    pub fn child(&mut self, node: usize, key: &[u8]) -> Result<usize, Stop> {
        let node = &mut self.nodes[node];
        let likely = node.children.get(node.next);
        let child = if likely.is_some_and(|child| child.key.as_bytes() == key) {
            node.next
        } else if let Some(child) = node.by_key.get(key) {
            *child
        } else {
            let text = std::str::from_utf8(key)
                .map_err(|_| Stop::Failed(ReadError::from(Problem::NotUtf8)))?;
            node.children.push(Child {
                key: text.to_owned(),
                column: None,
                node: None,
            });
            node.by_key.insert(key.into(), node.children.len() - 1);
            node.children.len() - 1
        };
        node.next = child + 1;
        Ok(child)
    }

    pub fn is_attributes(&self, node: usize, child: usize) -> bool {
        self.nodes[node].children[child].key == "attributes"
    }

    /// The node of the objects that are the values of `child`.
    pub fn node(&mut self, node: usize, child: usize) -> usize {
        if let Some(below) = self.nodes[node].children[child].node {
            return below;
        }
        let prefix = format!(
            "{}{}.",
            self.nodes[node].prefix, self.nodes[node].children[child].key
        );
        let below = self.nodes.len();
        self.nodes.push(Node {
            prefix,
            ..Node::default()
        });
        self.nodes[node].children[child].node = Some(below);
        below
    }

    /// The column of the values of `child`, a new one if there is none.
    pub fn column(
        &mut self,
        node: usize,
        child: usize,
        table: &mut Table<'_>,
    ) -> Result<usize, Stop> {
        if let Some(column) = self.nodes[node].children[child].column {
            return Ok(column);
        }
        let name = format!(
            "{}{}",
            self.nodes[node].prefix, self.nodes[node].children[child].key
        );
        // It fails where a key with a dot in it has the name of a nested one.
        let column = table.add_column(name).map_err(Stop::Failed)?;
        self.nodes[node].children[child].column = Some(column);
        Ok(column)
    }
}
