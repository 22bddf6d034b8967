//! What a claim's sweeps showed: numbers with intervals, rules that hold or do not, and the verdict that follows.

use seedsweep_common::analysis::intervals::clopper_pearson;
use seedsweep_common::analysis::report::Number;
use serde::Serialize;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What the numbers mean, a paragraph each.
    pub(crate) words: Vec<String>,
    /// The numbers.
    pub(crate) tables: Vec<Table>,
    /// What the verdict follows from.
    pub(crate) rules: Vec<Rule>,
    /// What was not varied, so that nothing is said about it.
    pub(crate) held_fixed: String,
}

/// What follows for the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All rules hold.
    Confirmed,
    /// What it rests on holds, but it needs conditions that it does not name.
    ConfirmedInPart,
    /// Something it rests on does not hold.
    Refuted,
    /// Too few restarts to tell.
    Undecided,
}

impl Verdict {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::ConfirmedInPart => "confirmed in part",
            Self::Refuted => "refuted",
            Self::Undecided => "undecided: too few restarts",
        }
    }
}

impl Finding {
    /// Refuted if a needed rule fails, undecided if one is open; else the rules without conditions tell.
    pub(crate) fn verdict(&self) -> Verdict {
        let needed = |holds| self.rules.iter().any(|rule| rule.condition.is_none() && rule.holds == holds);
        let is_always_so =
            self.rules.iter().filter(|rule| rule.condition.is_some()).all(|rule| rule.holds == Holds::Yes);
        if needed(Holds::No) {
            Verdict::Refuted
        } else if needed(Holds::Open) {
            Verdict::Undecided
        } else if is_always_so {
            Verdict::Confirmed
        } else {
            Verdict::ConfirmedInPart
        }
    }

    /// The conditions under which the claim is true.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &str> {
        let broken = self.rules.iter().filter(|rule| rule.holds != Holds::Yes);
        broken.filter_map(|rule| rule.condition.as_deref())
    }
}

/// Numbers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Table {
    /// What the numbers are.
    pub(crate) title: String,
    /// How they are written.
    pub(crate) unit: Unit,
    /// One for each experiment or question.
    pub(crate) rows: Vec<Row>,
}

/// How a table's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Shares, drawn as a curve too.
    Share,
    /// Any other number.
    Number,
}

/// One number with what it is to be compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What it is of.
    pub(crate) what: String,
    /// How many trials it is made of.
    pub(crate) n: u64,
    /// The number; NaN where there is none.
    pub(crate) estimate: Number,
    /// A two-sided 95 % interval; `null` where nothing varies or nothing is known.
    pub(crate) ci95: Option<[Number; 2]>,
    /// What others found.
    pub(crate) reference: Option<Reference>,
}

/// A number from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Reference {
    /// The number.
    pub(crate) value: Number,
    /// Its 95 % interval.
    pub(crate) ci95: Option<[Number; 2]>,
    /// Whose it is.
    pub(crate) source: Source,
}

/// Where a reference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// A formula.
    Theory,
    /// Prototypes in C and numpy, written before this program and without its code.
    Prototype,
}

impl Reference {
    /// What a formula gives.
    pub(crate) fn theory(value: f64) -> Option<Self> {
        Some(Self { value: Number(value), ci95: None, source: Source::Theory })
    }

    /// What a prototype measured.
    pub(crate) fn prototype(value: f64) -> Option<Self> {
        Some(Self { value: Number(value), ci95: None, source: Source::Prototype })
    }

    /// What a prototype measured, with its interval.
    pub(crate) fn prototype_within(value: f64, ci95: [f64; 2]) -> Option<Self> {
        Some(Self { value: Number(value), ci95: Some(ci95.map(Number)), source: Source::Prototype })
    }

    /// How often something happened in a prototype.
    pub(crate) fn counted(hits: u64, n: u64) -> Option<Self> {
        let share = Share { hits, n };
        Self::prototype_within(share.rate(), share.ci95())
    }
}

impl Row {
    /// A number of `n` trials.
    pub(crate) fn new(what: impl Into<String>, n: u64, estimate: f64, ci95: Option<[f64; 2]>) -> Self {
        let ci95 = ci95.map(|ends| ends.map(Number));
        Self { what: what.into(), n, estimate: Number(estimate), ci95, reference: None }
    }

    /// How often something happened.
    pub(crate) fn share(what: impl Into<String>, share: Share) -> Self {
        Self::new(what, share.n, share.rate(), Some(share.ci95()))
    }

    /// The same, to be compared with `reference`.
    pub(crate) fn beside(self, reference: Option<Reference>) -> Self {
        Self { reference, ..self }
    }

    /// The ends of its interval.
    pub(crate) fn ends(&self) -> Option<[f64; 2]> {
        self.ci95.map(|ends| ends.map(|end| end.0))
    }

    /// The same of trials of which nothing is random, so that they are one.
    pub(crate) fn of_one(self) -> Self {
        Self { n: 1, ci95: None, ..self }
    }
}

/// How many of n independent trials did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Those that did.
    pub(crate) hits: u64,
    /// All.
    pub(crate) n: u64,
}

impl Share {
    /// hits / n.
    pub(crate) fn rate(self) -> f64 {
        self.hits as f64 / self.n as f64
    }

    /// Exact interval (Clopper & Pearson 1934).
    pub(crate) fn ci95(self) -> [f64; 2] {
        clopper_pearson(self.hits, self.n)
    }

    /// `3 of 100`.
    pub(crate) fn words(self) -> String {
        format!("{} of {}", self.hits, self.n)
    }
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Rule {
    /// What.
    pub(crate) says: String,
    /// Whether it does.
    pub(crate) holds: Holds,
    /// Where this is `null` the claim stands and falls with the rule. Else the condition that the claim needs if the rule
    /// does not hold.
    pub(crate) condition: Option<String>,
}

impl Rule {
    /// The claim is false without it.
    pub(crate) fn needed(says: impl Into<String>, holds: Holds) -> Self {
        Self { says: says.into(), holds, condition: None }
    }

    /// The claim is true without it, but only under `condition`.
    pub(crate) fn unless(says: impl Into<String>, holds: Holds, condition: impl Into<String>) -> Self {
        Self { says: says.into(), holds, condition: Some(condition.into()) }
    }
}

/// Whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holds {
    /// Yes.
    Yes,
    /// No.
    No,
    /// The interval leaves it open.
    Open,
}

impl Holds {
    /// Whether what lies in `ci95` is above `bound`; open without an interval.
    pub(crate) fn above(ci95: Option<[f64; 2]>, bound: f64) -> Self {
        match ci95 {
            Some([low, _]) if low > bound => Self::Yes,
            Some([_, high]) if high <= bound => Self::No,
            _ => Self::Open,
        }
    }

    /// Whether what lies in `ci95` is below `bound`.
    pub(crate) fn below(ci95: Option<[f64; 2]>, bound: f64) -> Self {
        Self::above(ci95.map(|[low, high]| [-high, -low]), -bound)
    }

    /// Yes if all do, no if one does not.
    pub(crate) fn all(each: impl IntoIterator<Item = Self>) -> Self {
        each.into_iter().fold(Self::Yes, |all, one| match (all, one) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            _ => Self::Yes,
        })
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rules: Vec<Rule>) -> Finding {
        Finding { words: Vec::new(), tables: Vec::new(), rules, held_fixed: String::new() }
    }

    #[test]
    fn a_verdict_is_as_good_as_its_rules() {
        let needed = |holds| Rule::needed("a", holds);
        let unless = |holds| Rule::unless("b", holds, "only on Sundays");
        use Holds::{No, Open, Yes};
        for (rules, verdict, conditions) in [
            (vec![needed(Yes), unless(Yes)], Verdict::Confirmed, 0),
            (vec![needed(Yes), unless(No)], Verdict::ConfirmedInPart, 1),
            (vec![needed(Yes), unless(Open), unless(Yes)], Verdict::ConfirmedInPart, 1),
            (vec![needed(Open), unless(Yes)], Verdict::Undecided, 0),
            (vec![needed(Open), needed(No), unless(Yes)], Verdict::Refuted, 0),
        ] {
            let finding = finding(rules);
            assert_eq!(
                (finding.verdict(), finding.conditions().count()),
                (verdict, conditions),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn an_interval_decides_only_what_it_excludes() {
        assert_eq!(Holds::above(Some([0.81, 0.9]), 0.8), Holds::Yes);
        assert_eq!(Holds::above(Some([0.7, 0.8]), 0.8), Holds::No);
        assert_eq!(Holds::above(Some([0.7, 0.9]), 0.8), Holds::Open);
        assert_eq!(Holds::above(None, 0.8), Holds::Open);
        assert_eq!(Holds::below(Some([0.0, 0.04]), 0.05), Holds::Yes);
        assert_eq!(Holds::below(Some([0.05, 0.2]), 0.05), Holds::No);
        assert_eq!(Holds::all([Holds::Yes, Holds::Open]), Holds::Open);
        assert_eq!(Holds::all([Holds::Open, Holds::No]), Holds::No);
        assert_eq!(Holds::all([]), Holds::Yes);
    }
}
