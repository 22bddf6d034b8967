use seedsweep_common::outcome::Outcome;

use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{ran, verdict};

use Holds::{No, Yes};

/// The start decides alone, except that small batches of the teacher's bring in chance: restart k moves on by k mod `chance`.
fn finding(chance: impl Fn(&str) -> u32, digest: impl Fn(&mut Outcome)) -> Finding {
    let ran = [0, 1].map(|sweep| {
        ran(&CLAIM, sweep, |name, outcome| {
            let start = if name.starts_with("random") { outcome.restart } else { outcome.restart % 60 };
            let chance = chance(name);
            let function = f64::from((start % 5 + outcome.restart / 60 % chance.max(1)) % 5);
            outcome.sketch_function = outcome.sketch_function.map(|_| function);
            // every start has a copy of its own
            outcome.sketch_raw = outcome.sketch_raw.map(|_| function + 10.0 * f64::from(start));
            if name == "one-start-one-order" {
                outcome.digest = [0; 16];
            }
            digest(outcome);
        })
    });
    judge(&ran).unwrap()
}

#[test]
fn it_is_confirmed_where_every_start_has_an_end_of_its_own() {
    let all = finding(|_| 1, |outcome| outcome.digest = [outcome.digest[0] % 60; 16]);
    assert_eq!(verdict(&all), (Verdict::Confirmed, vec![Yes; 6]));
}

#[test]
fn chance_in_the_order_makes_it_a_matter_of_the_batch() {
    let found = finding(|name| if name == "fixed-8" || name == "fixed-1" { 4 } else { 1 }, |_| {});
    assert_eq!(verdict(&found), (Verdict::ConfirmedInPart, vec![Yes, Yes, Yes, No, No, Yes]));
    let condition = found.conditions().next().unwrap();
    assert!(condition.contains("100 % (8"), "{condition}");
}

#[test]
fn a_program_that_does_not_repeat_itself_refutes_everything() {
    let broken = finding(|_| 1, |outcome| outcome.digest[0] = outcome.restart as u8);
    assert_eq!(broken.verdict(), Verdict::Refuted);
}
