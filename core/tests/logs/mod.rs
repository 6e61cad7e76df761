//! What is logged, compared with the table in `TRACING.md`. The tests of the adapters use these files too.

#[cfg(feature = "tracing")]
mod collect;
mod source;
mod table;

use std::path::Path;

#[cfg(feature = "tracing")]
pub(crate) use collect::Logs;

#[test]
fn the_table_of_logs_has_the_events_and_spans_of_the_source_and_no_others() {
    let source = source::kinds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let rows = table::own_rows();
    let missing: Vec<_> = source.difference(&rows).collect();
    assert!(missing.is_empty(), "in the source, and not in the table: {missing:#?}");
    let stale: Vec<_> = rows.difference(&source).collect();
    assert!(stale.is_empty(), "in the table, and not in the source: {stale:#?}");
}
