//! Prints a report in the form that was asked for.

use seedsweep_common::analysis::Report;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::output;

use crate::args::ReportFormat;
use crate::report;

/// Width of a report where stdout is no terminal, or one that does not know its width, in characters.
const WIDTH: usize = 100;

/// Prints the report `json` of schema `seedsweep.report/1`.
pub(crate) fn print(json: &str, format: ReportFormat) -> Result<(), CliError> {
    match format {
        ReportFormat::Json => output::write_all(json.as_bytes()),
        ReportFormat::Table => output::write_all(report::table::table(&read(json)?, width()).as_bytes()),
        ReportFormat::Markdown => output::write_all(report::markdown::markdown(&read(json)?).as_bytes()),
    }
}

/// Prints what the demonstration's report `json` shows.
pub(crate) fn print_demo(json: &str) -> Result<(), CliError> {
    output::write_all(report::demo::demo(&read(json)?, width()).as_bytes())
}

fn read(json: &str) -> Result<Report, CliError> {
    Report::from_json(json)
        .map_err(|error| CliError::caused(Kind::Bug, "the coordinator's report cannot be read", &error))
}

/// Width of text on this terminal.
pub(crate) fn width() -> usize {
    let terminal =
        rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if terminal == 0 { WIDTH } else { terminal }
}
