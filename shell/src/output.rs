//! Where answers go: stdout, whole lines, text from elsewhere made harmless. A reader that has gone
//! away (`seedsweep report | head -1`) is a success, not an error.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::{CliError, Kind};

/// `value` as one line of JSON, fields in the order of their declaration.
pub fn json(value: &impl Serialize) -> String {
    // Every map that is written has string keys, so serialising cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// Writes `text` and a line end to stdout.
pub fn line(text: &str) -> Result<(), CliError> {
    let mut line = text.to_owned();
    line.push('\n');
    write_all(line.as_bytes())
}

/// Writes `bytes` to stdout as they are.
pub fn write_all(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(Kind::ReaderGone, "nobody reads standard output"),
        _ => CliError::caused(Kind::File, "cannot write to standard output", &error),
    })
}

/// Says something on stderr that is not part of the answer. Nobody is left to be told if it fails.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", escape_lines(text));
}

/// `text` on one line, without characters that steer a terminal.
pub fn escape(text: &str) -> String {
    text.chars().flat_map(|c| visible(c, false)).collect()
}

/// `text` with its lines kept, without characters that steer a terminal.
pub fn escape_lines(text: &str) -> String {
    text.chars().flat_map(|c| visible(c, true)).collect()
}

fn visible(c: char, keep_lines: bool) -> Vec<char> {
    // Direction marks reorder what is on the screen without being control characters.
    let steers = c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !steers || (keep_lines && c == '\n') { vec![c] } else { c.escape_default().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(escape_lines("a\nb\r"), "a\nb\\r");
        assert_eq!(escape("größer → π"), "größer → π");
    }
}
