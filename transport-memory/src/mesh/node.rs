//! The names of places in a mesh.

/// A node of a mesh, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub(crate) usize);

impl Node {
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(index)
    }

    /// Its number: nodes are numbered in the order in which they are added.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A place in a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// The hub.
    Hub,
    /// A node, by its number.
    Node(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Node(node) => write!(f, "node {node}"),
        }
    }
}
