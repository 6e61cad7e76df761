//! The key of a server, with which it knows its peers again.

use std::path::Path;

use super::Failure;

const VARIABLE: &str = "SOCKETIO_P2P_TOKEN_KEY";

/// Reads the key from the file, otherwise from the environment; `None` if neither has one. Errors do not quote it.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<[u8; 32]>, Failure> {
    let (digits, place) = match file {
        Some(file) => {
            let place = file.display().to_string();
            let digits = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read the token key file {place}: {error}"))?;
            (digits, place)
        }
        None => match std::env::var(VARIABLE) {
            Ok(digits) => (digits, VARIABLE.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => (String::new(), VARIABLE.to_owned()),
        },
    };
    let key = parse(digits.trim());
    Ok(Some(key.ok_or_else(|| {
        format!("expected 64 hex digits as the token key in {place}, got something else")
    })?))
}

fn parse(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let pair = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |high, low| high * 16 + low)).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(pair).collect::<Option<_>>()?;
    <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64)
}
