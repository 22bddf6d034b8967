//! `seedsweep init`: a commented spec to start from, on stdout.

use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;

use crate::args;
use crate::templates;

/// Prints a template, or their names.
pub(crate) fn run(args: &args::Init) -> Result<Exit, CliError> {
    if args.list {
        let width = templates::ALL.iter().map(|template| template.name.len()).max().unwrap_or(0);
        for template in &templates::ALL {
            output::line(&format!("{:width$}  {}", template.name, template.about))?;
        }
        return Ok(exit::FINE);
    }
    let template =
        templates::ALL.iter().find(|template| template.name == args.template).ok_or_else(|| {
            let names: Vec<&str> = templates::ALL.iter().map(|template| template.name).collect();
            let message = format!("no template `{}`: there are {}", args.template, names.join(", "));
            CliError::new(Kind::Usage, message)
        })?;
    output::write_all(template.text.as_bytes())?;
    Ok(exit::FINE)
}
