//! `seedsweep stats`: experiments side by side whose numbers come from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use seedsweep_common::analysis::stats::{self, Better, Row, Values};
use seedsweep_common::limits;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;

use crate::args;
use crate::args::Format;
use crate::files::read_text;
use crate::{answer, report};

/// Columns that must be there.
const NEEDED: [&str; 3] = ["experiment", "restart", "value"];

/// Longest value shown in a message, in characters.
const SHOWN_CHARS: usize = 40;

/// Reads, compares and prints.
pub(crate) fn run(args: &args::Stats) -> Result<Exit, CliError> {
    let experiments = read(&args.file)?;
    let better = if args.smaller { Better::Smaller } else { Better::Larger };
    let stats = stats::stats(&experiments, better, !args.unpaired, args.test_rows);
    match args.output {
        Format::Json => output::line(&output::json(&stats))?,
        Format::Table => {
            output::write_all(report::stats::table(&stats, better, answer::width()).as_bytes())?;
        }
    }
    Ok(exit::FINE)
}

/// The experiments of the file, in the order in which they first appear.
fn read(path: &Path) -> Result<Vec<Values>, CliError> {
    let (name, text) = read_text(path)?;
    parse(&text).map_err(|what| CliError::new(Kind::File, format!("{name}{what}")))
}

/// Where the columns stand.
struct Columns {
    needed: [usize; 3],
    start: Option<usize>,
    order: Option<usize>,
}

fn parse(text: &str) -> Result<Vec<Values>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| format!(", line 1: {error}"))?.clone();
    let columns = columns(&header)?;
    let mut experiments: Vec<Values> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    // the line on which each run of each experiment stands
    let mut lines: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let wrong = |column: usize, what: &str| {
            let value: String = cell(column).chars().take(SHOWN_CHARS).collect();
            format!(", line {line}: `{}` is `{value}`; {what}", &header[column])
        };
        let whole = |column: usize| -> Result<u64, String> {
            cell(column).parse().map_err(|_| wrong(column, "a whole number from 0 is needed"))
        };
        let [experiment, restart, value] = columns.needed;
        let name = cell(experiment);
        if name.is_empty() || name.len() > limits::TEXT_BYTES {
            return Err(wrong(
                experiment,
                &format!("a name of at most {} bytes is needed", limits::TEXT_BYTES),
            ));
        }
        let row = Row {
            restart: whole(restart)?,
            start: columns.start.map(whole).transpose()?,
            order: columns.order.map(whole).transpose()?,
            value: cell(value)
                .parse()
                .map_err(|_| wrong(value, "a number is needed, or NaN where a run has none"))?,
        };
        let place = *places.entry(name.to_owned()).or_insert_with(|| {
            experiments.push(Values { name: name.to_owned(), rows: Vec::new() });
            experiments.len() - 1
        });
        if let Some(first) = lines.insert((place, row.restart), line) {
            return Err(format!(
                ", line {line}: restart {} of `{name}` stands on line {first} already; each is one run",
                row.restart
            ));
        }
        experiments[place].rows.push(row);
        if experiments.len() > limits::EXPERIMENTS {
            return Err(format!(", line {line}: at most {} experiments are allowed", limits::EXPERIMENTS));
        }
    }
    if experiments.is_empty() {
        return Err(" has no row below its header".to_owned());
    }
    Ok(experiments)
}

fn columns(header: &csv::StringRecord) -> Result<Columns, String> {
    let place = |name: &str| -> Result<Option<usize>, String> {
        let mut places = header.iter().enumerate().filter(|(_, column)| *column == name).map(|(i, _)| i);
        match (places.next(), places.next()) {
            (_, Some(_)) => Err(format!(" has two columns named `{name}`")),
            (place, None) => Ok(place),
        }
    };
    let needed = |name: &str| {
        place(name)?.ok_or_else(|| {
            let has: Vec<&str> = header.iter().take(20).collect();
            format!(
                " has no column `{name}`; it has {}, and {} are needed",
                has.join(", "),
                NEEDED.join(", ")
            )
        })
    };
    Ok(Columns {
        needed: [needed(NEEDED[0])?, needed(NEEDED[1])?, needed(NEEDED[2])?],
        start: place("start")?,
        order: place("order")?,
    })
}

fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!(", line {line} has {len} values; the header has {expected_len}")
        }
        _ => format!(": {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_stand_in_any_order_and_others_are_left_alone() {
        let found =
            parse("value, note, restart, experiment\n0.5, x, 1, a\nNaN, y, 0, b\n1e-3,,0,a\n").unwrap();
        assert_eq!((found.len(), found[0].name.as_str(), found[0].rows.len()), (2, "a", 2));
        assert_eq!(found[0].rows[1], Row { restart: 0, start: None, order: None, value: 1e-3 });
        assert!(found[1].rows[0].value.is_nan());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let message = |text: &str| parse(text).unwrap_err();
        assert_eq!(
            message("experiment,restart,value\na,0,1\na,0,2\n"),
            ", line 3: restart 0 of `a` stands on line 2 already; each is one run"
        );
        assert_eq!(
            message("experiment,restart,value\na,x,1\n"),
            ", line 2: `restart` is `x`; a whole number from 0 is needed"
        );
        assert_eq!(
            message("experiment,restart,value\na,0,\n"),
            ", line 2: `value` is ``; a number is needed, or NaN where a run has none"
        );
        assert_eq!(
            message("experiment,seed,value\na,0,1\n"),
            " has no column `restart`; it has experiment, seed, value, and experiment, restart, value are needed"
        );
        assert_eq!(message("experiment,restart,value\na,0\n"), ", line 2 has 2 values; the header has 3");
        assert_eq!(message("experiment,restart,value\n"), " has no row below its header");
        assert_eq!(message("experiment,restart,value,value\n"), " has two columns named `value`");
    }
}
