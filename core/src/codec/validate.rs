//! The validation of a packet's payload.

use super::error::DecodeError;
use super::header::Header;
use super::json;
use super::limits::Limits;
use super::placeholder::{FindError, Table};

/// Validates the payload of the head: JSON, depth, placeholders.
pub(crate) fn payload(head: &str, header: Header, limits: &Limits) -> Result<(), DecodeError> {
    if header.payload() == head.len() {
        return Ok(());
    }
    check(head, header, limits).map_err(|error| match error {
        FindError::Json(error) => DecodeError::in_json(error, head),
        FindError::Placeholder(error, offset) => DecodeError::in_head(error, head, offset),
    })
}

fn check(head: &str, header: Header, limits: &Limits) -> Result<(), FindError> {
    let (attachments, _) = header.attachments(head);
    let mut table = (attachments > 0).then(|| Table::new(attachments));
    let end = match &mut table {
        None => json::skip_value(head, header.payload(), limits.max_depth, &mut ())?,
        Some(table) => json::skip_value(head, header.payload(), limits.max_depth, table)?,
    };
    json::expect_end(head.as_bytes(), end)?;
    if let Some(table) = table {
        table.finish()?;
    }
    Ok(())
}
