//! The table in `TRACING.md`.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../TRACING.md");

/// The targets of each crate.
const OWNERS: [(&str, &[&str]); 3] = [
    ("socketio-p2p-core", &["session", "link", "direct", "hub"]),
    ("socketio-p2p-transport-socketio", &["client", "server"]),
    ("socketio-p2p-transport-webrtc", &["webrtc"]),
];

/// What a row of the table describes: target, level, message and the names of the fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) target: String,
    pub(crate) level: String,
    pub(crate) message: String,
    pub(crate) fields: BTreeSet<String>,
}

/// Returns the rows of the table.
pub(crate) fn table() -> BTreeSet<Kind> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| `socketio_p2p::"));
    let kinds: BTreeSet<Kind> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [target, level, message, fields] = cells[..] else { panic!("{row}") };
            let fields = fields.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let target = target.trim_matches('`').to_owned();
            Kind { target, level: level.to_owned(), message: message.to_owned(), fields }
        })
        .collect();
    assert!(!kinds.is_empty(), "the table is there");
    kinds
}

/// Returns the rows of the crate that is tested.
pub(crate) fn own_rows() -> BTreeSet<Kind> {
    let mut rows = table();
    rows.retain(|row| owner(row) == env!("CARGO_PKG_NAME"));
    rows
}

fn owner(row: &Kind) -> &'static str {
    let target = row.target.trim_start_matches("socketio_p2p::");
    let owner = OWNERS.iter().find(|(_, targets)| targets.contains(&target));
    owner.unwrap_or_else(|| panic!("no crate logs {}", row.target)).0
}
