//! `seedsweep outcomes`: the stored rows for people, a page at a time, or what they measured.

use seedsweep_common::spec::SweepSpec;
use seedsweep_proto::v1;
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use serde::Serialize;
use tokio_stream::StreamExt;

use crate::args;
use crate::args::Format;
use crate::client::{Client, refused};
use crate::config::Target;
use crate::export::{self, JsonRow, Layout};
use crate::verbs::export::stored_spec;
use crate::verbs::measures;
use crate::{session, status};

/// What people are shown; the export has the rest.
const SHOWN: [&str; 10] = [
    "experiment",
    "restart",
    "start",
    "stop_reason",
    "certificate",
    "steps",
    "loss_train",
    "loss_polished",
    "basin_canonical",
    "basin_function",
];

/// Rows of one page, and how many there are in all.
struct Page {
    spec: SweepSpec,
    rows: Vec<v1::OutcomeRow>,
    total: usize,
}

#[derive(Serialize)]
struct OutcomesJson<'a> {
    schema: &'static str,
    sweep: String,
    page: u32,
    /// Rows of all pages.
    total: usize,
    rows: Vec<JsonRow<'a>>,
}

/// Prints one page of rows.
pub(crate) async fn run(args: args::Outcomes) -> Result<Exit, CliError> {
    if let Some(measure) = &args.measure {
        return measures::run(&args, measure).await;
    }
    let target = Target::new(&args.selector.target)?;
    let page = session::ask(&target, async |client| fetch(client, &args).await).await?;
    let layout = Layout::new(&page.spec, export::Format::Jsonl);
    let rows: Vec<_> = page.rows.iter().map(|row| layout.cells(&page.spec, row)).collect::<Result<_, _>>()?;
    match args.output {
        Format::Json => {
            let columns = layout.columns();
            let rows = rows.iter().map(|cells| JsonRow { columns, cells }).collect();
            output::line(&output::json(&OutcomesJson {
                schema: "seedsweep.outcomes/1",
                sweep: page.spec.id().to_string(),
                page: args.page,
                total: page.total,
                rows,
            }))?;
        }
        Format::Table => {
            let first = (args.page as usize - 1) * args.limit as usize;
            if rows.is_empty() {
                output::note(&format!("no rows here: {} are stored", page.total));
                return Ok(exit::FINE);
            }
            let shown = layout.columns().iter().map(|name| SHOWN.contains(&name.as_str()));
            let shown: Vec<bool> = shown.collect();
            let table = rows.iter().map(|cells| {
                cells.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(cell, _)| cell.short()).collect()
            });
            output::line(&status::table(&SHOWN, table))?;
            let last = first + rows.len();
            let next = if last < page.total {
                format!("; more with --page {}", args.page + 1)
            } else {
                String::new()
            };
            output::note(&format!("rows {}-{last} of {}{next}", first + 1, page.total));
        }
    }
    Ok(exit::FINE)
}

async fn fetch(client: &mut Client, args: &args::Outcomes) -> Result<Page, CliError> {
    let (id, spec) = stored_spec(client, &args.selector.sweep).await?;
    let mut stream = client.outcomes(&id, args.experiment.as_deref().unwrap_or_default()).await?;
    let wanted = {
        let first = (args.page as usize - 1) * args.limit as usize;
        first..first + args.limit as usize
    };
    let (mut rows, mut total) = (Vec::new(), 0);
    while let Some(message) = stream.next().await {
        for row in message.map_err(refused)?.rows {
            if wanted.contains(&total) {
                rows.push(row);
            }
            total += 1;
        }
    }
    Ok(Page { spec, rows, total })
}
