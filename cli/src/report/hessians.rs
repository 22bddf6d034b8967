//! What a report says of Hessians: eigenvalues, null directions and the symmetries that explain them, as text.

use seedsweep_common::analysis::report::{Basin, Curvature, ExperimentReport, Report};
use seedsweep_common::analysis::words::significant;

use super::columns::Columns;

/// `minimum`, or `flat: 4 null directions: 3 by unit scale, 1 by logit shift`.
pub(super) fn certificate(basin: &Basin) -> String {
    let Some(name) = &basin.certificate else { return "-".to_owned() };
    match basin.curvature.as_ref().and_then(null_directions) {
        None => name.clone(),
        Some(directions) => format!("{name}: {directions}"),
    }
}

/// `12 null directions: 10 by unit scale, 1 by logit shift, 1 unexplained`, `at least 11 null directions: …`; `None` where
/// there is none or nobody knows of any.
fn null_directions(curvature: &Curvature) -> Option<String> {
    let (count, least) = match (curvature.null_directions, curvature.null_directions_at_least) {
        (Some(count), _) => (count, ""),
        (None, least) => (least?, "at least "),
    };
    if count == 0 {
        return None;
    }
    let explained = curvature.explained.unwrap_or(0);
    let by = curvature.symmetries.iter().map(|by| format!("{} by {}", by.directions, spoken(&by.symmetry)));
    let unknown = if curvature.symmetries.is_empty() && explained > 0 {
        Some(format!("{explained} explained"))
    } else {
        None
    };
    let rest = (count > explained).then(|| format!("{} unexplained", count - explained));
    let parts: Vec<String> = by.chain(unknown).chain(rest).collect();
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{least}{count} null direction{plural}: {}", parts.join(", ")))
}

/// The name of a symmetry in a sentence.
fn spoken(symmetry: &str) -> String {
    symmetry.replace('_', " ")
}

/// `3`, or `2 to 3`.
fn span([fewest, most]: [u32; 2]) -> String {
    if fewest == most { most.to_string() } else { format!("{fewest} to {most}") }
}

/// The Hessians at the end points of experiments where one was looked at.
pub(super) fn table(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let found = experiment.curvature.as_ref()?;
        let counted = found.null_directions.map(|directions| match directions {
            [_, 0] => "none".to_owned(),
            [fewest, most] if fewest == most => format!("{most} each"),
            directions => format!("{}, {} points with any", span(directions), found.flat),
        });
        let not_counted = (found.not_counted > 0).then(|| {
            let least = found.null_directions_at_least.map(|least| format!("at least {}", span(least)));
            let least = least.unwrap_or_else(|| "not counted".to_owned());
            if counted.is_some() { format!("{least} at {} points", found.not_counted) } else { least }
        });
        let directions = [counted, not_counted].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let by = found.symmetries.iter().map(|by| {
            let points =
                if by.points < found.looked_at { format!(" at {} points", by.points) } else { String::new() };
            format!("{} by {}{points}", span(by.directions), spoken(&by.symmetry))
        });
        let rest = (found.unexplained > 0).then(|| format!("not all at {} points", found.unexplained));
        let explained = by.chain(rest).collect::<Vec<_>>().join(", ");
        Some(vec![
            experiment.name.clone(),
            found.looked_at.to_string(),
            significant(found.lambda_min.0),
            significant(found.lambda_max.0),
            directions,
            if explained.is_empty() { "-".to_owned() } else { explained },
        ])
    };
    Columns {
        legend: "",
        title: "Hessians at the end points (smallest and largest eigenvalue of all points; null: no curvature)",
        heads: vec![
            "experiment",
            "points",
            "smallest",
            "largest",
            "null directions",
            "explained by symmetries",
        ],
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use seedsweep_common::analysis::report::{Explains, Number};

    use super::*;

    #[test]
    fn null_directions_are_said_with_what_explains_them_and_what_is_unknown() {
        let said = |counted, at_least, by: &[(&str, u32)]| {
            let by =
                by.iter().map(|&(symmetry, directions)| Explains { symmetry: symmetry.into(), directions });
            let symmetries: Vec<Explains> = by.collect();
            null_directions(&Curvature {
                lambda_min: Number(0.0),
                lambda_max: Number(1.0),
                null_directions: counted,
                null_directions_at_least: at_least,
                explained: Some(symmetries.iter().map(|by| by.directions).sum()),
                symmetries,
            })
        };
        let some = [("unit_scale", 10), ("logit_shift", 1)];
        assert_eq!(
            said(Some(12), Some(12), &some).unwrap(),
            "12 null directions: 10 by unit scale, 1 by logit shift, 1 unexplained"
        );
        assert_eq!(
            said(None, Some(11), &some).unwrap(),
            "at least 11 null directions: 10 by unit scale, 1 by logit shift"
        );
        assert_eq!(said(Some(1), Some(1), &[]).unwrap(), "1 null direction: 1 unexplained");
        assert_eq!(said(Some(0), Some(0), &[]), None);
        assert_eq!(said(None, Some(0), &[]), None);
        // of an older store
        let mut old = Curvature {
            lambda_min: Number(0.0),
            lambda_max: Number(1.0),
            null_directions: Some(3),
            null_directions_at_least: None,
            explained: Some(2),
            symmetries: Vec::new(),
        };
        assert_eq!(null_directions(&old).unwrap(), "3 null directions: 2 explained, 1 unexplained");
        old.null_directions = None;
        assert_eq!(null_directions(&old), None);
    }
}
