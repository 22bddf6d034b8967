//! Numbers from elsewhere: what `census` and `stats` read, print and refuse.

use std::io::Write;
use std::process::Stdio;

use snapbox::{assert_data_eq, str};

use crate::support::{command, npy, run};

/// A file of a directory of its own.
fn file(name: &str, text: &str) -> tempfile::TempDir {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join(name), text).unwrap();
    here
}

/// E1 of docs/sources/statistics.md: basins seen 25, 12, 6, 3, 2, 1, 1, 1 and 1 times.
fn e1() -> String {
    let visits = [("a", 25), ("b", 12), ("c", 6), ("d", 3), ("e", 2), ("f", 1), ("g", 1), ("h", 1), ("i", 1)];
    visits.into_iter().map(|(label, times)| format!("{label}\n").repeat(times)).collect()
}

/// E3 of docs/sources/statistics.md: two experiments with the same restarts.
fn e3() -> String {
    let x = ["0.91", "0.85", "0.88", "0.93", "0.79", "0.95", "0.90", "0.87", "0.60", "0.92"];
    let y = ["0.83", "0.80", "0.86", "0.84", "0.70", "0.90", "0.82", "0.85", "0.75", "0.81"];
    let rows = |name: &str, values: [&str; 10]| -> String {
        (0..).zip(values).map(|(restart, value): (u32, &str)| format!("{name},{restart},{value}\n")).collect()
    };
    format!("experiment,restart,value\n{}{}", rows("x", x), rows("y", y))
}

#[test]
fn labels_are_counted() {
    let here = file("labels.txt", &e1());
    assert_data_eq!(
        run(here.path(), &["census", "--labels", "labels.txt"]).text(),
        str![[r#"
exit 0
--- stdout
52 runs end in 9 basins: two runs agree in 29 % of pairs (95 % CI 20-40 %)
=> about 92 % of further runs would end in a basin that was seen; a basin with a share of 6 % or
   more has been seen with 95 % confidence

the largest basins
basin  runs  share
a      25    48 %
b      12    23 %
c      6     12 %
d      3     6 %
e      2     4 %
f      1     2 %
g      1     2 %
h      1     2 %
i      1     2 %

census: the basins seen, and what was not seen (95 % interval)
pairs agree   basins seen  basins in all                coverage  more for 95 %  more for 99 %
29 % (20-40)  9            at least about 12 (9 to 32)  92 %      44             > 52
  basins in all: those never seen included; coverage: the share of further restarts that would end
  in a basin seen; more for 95 %: further restarts until coverage is that large, > N where they are
  more than the N made (too far ahead to tell)

what fewer and more runs would have shown
runs                basins  coverage
1                   1.0     29 %
2                   1.7     47 %
5                   3.0     69 %
10                  4.3     80 %
20                  5.9     87 %
50                  8.8     92 %
52                  9.0     92 %
78 (extrapolated)   10.8    94 %
104 (extrapolated)  12.1    95 %
  basins: seen, on average; coverage: the share of further runs that would end in one of them
--- stderr

"#]]
    );
}

#[test]
fn labels_come_from_standard_input_in_any_order() {
    let here = tempfile::tempdir().unwrap();
    let ask = |labels: &str| -> serde_json::Value {
        let args = ["census", "--labels", "-", "--none", "lost", "--output", "json"];
        let mut child =
            command(here.path(), &args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(labels.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let sorted = ask(&(e1() + "lost\n"));
    let reversed = ask(&e1().lines().rev().fold("lost\n".to_owned(), |text, label| text + label + "\n"));
    assert_eq!(sorted["schema"], "seedsweep.census/1");
    assert_eq!((&sorted["n"], &sorted["without_basin"]), (&53.into(), &1.into()));
    assert_eq!(sorted["census"]["chao1"]["estimate"], 12.0);
    for part in ["chao1", "coverage", "more_restarts_for", "same_pair"] {
        assert_eq!(sorted["census"][part], reversed["census"][part], "{part}");
    }
}

#[test]
fn outputs_are_told_apart_by_their_function() {
    let here = tempfile::tempdir().unwrap();
    for run in 0..20 {
        let function = f64::from(run % 3);
        let values: Vec<f64> = (0..8).map(|i| function + f64::from(i) + 1e-7 * f64::from(run)).collect();
        npy(&here.path().join(format!("run-{run:02}.npy")), &values);
    }
    npy(&here.path().join("run-20.npy"), &[f64::NAN; 8]);
    npy(&here.path().join("other.npy"), &[0.0; 6]);
    let names: Vec<String> = (0..21).map(|run| format!("run-{run:02}.npy")).collect();
    let mut args = vec!["census", "--outputs"];
    args.extend(names.iter().map(String::as_str));
    assert_data_eq!(
        run(here.path(), &args).text(),
        str![[r#"
exit 0
--- stdout
21 runs end in 3 basins: two runs agree in 27 % of pairs (95 % CI 22-50 %)
=> no basin was seen just once, so further runs are expected to end in these; a basin with a share
   of 14 % or more has been seen with 95 % confidence

the largest basins
basin of    runs  share
run-00.npy  7     33 %
run-01.npy  7     33 %
run-02.npy  6     29 %
(no basin)  1     5 %

census: the basins seen, and what was not seen (95 % interval)
pairs agree   basins seen  basins in all              coverage  more for 95 %  more for 99 %
27 % (22-50)  3            at least about 3 (3 to 4)  100 %     0              0
  basins in all: those never seen included; coverage: the share of further restarts that would end
  in a basin seen; more for 95 %: further restarts until coverage is that large, > N where they are
  more than the N made (too far ahead to tell)

what fewer and more runs would have shown
runs               basins  coverage
1                  1.0     30 %
2                  1.7     52 %
5                  2.7     87 %
10                 3.0     99.5 %
20                 3.0     100 %
30 (extrapolated)  3.0     100 %
40 (extrapolated)  3.0     100 %
  basins: seen, on average; coverage: the share of further runs that would end in one of them

equal within 0.0001000 (root-mean-square); widest basin 1.800e-6, nearest two basins 1.000 apart

caveats
  - 1 of 21 runs ended in no basin: they agree with none for the lower end of an interval, with all
    for the upper end, and take no part in the census
--- stderr

"#]]
    );
    args.push("other.npy");
    assert_data_eq!(
        run(here.path(), &args).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: other.npy has shape [3, 2], run-00.npy has [4, 2]; every run needs outputs on the same probes

"#]]
    );
}

#[test]
fn experiments_are_compared() {
    let here = file("scores.csv", &e3());
    assert_data_eq!(
        run(here.path(), &["stats", "scores.csv"]).text(),
        str![[r#"
exit 0
--- stdout
=> a run of x is larger than one of y with probability 77 % (95 % CI 57-99.0 %; p = 0.1035 by
   exchanging pairs, adjusted for all pairs)
all 20 values together, as if each were a task of one method: IQM 0.8510 (95 % CI 0.8090 to 0.8820)

values
experiment  n   mean    95 % CI           sd       median  IQM     IQM 95 % CI
x           10  0.8600  0.7870 to 0.9330  0.1021   0.8900  0.8883  0.7817 to 0.9217
y           10  0.8160  0.7754 to 0.8566  0.05680  0.8250  0.8250  0.7683 to 0.8583
  n: restarts; 95 % CI: of the mean; IQM: the mean of the middle half

expected best of k runs
experiment  k: best
x           1: 0.8600  5: 0.9366  10: 0.9500
y           1: 0.8160  5: 0.8767  10: 0.9000

differences of means, the first minus the second (95 % interval)
experiments  n         difference                      t        Wilcoxon  test    Holm
x − y        10 pairs  0.04400 (-0.009341 to 0.09734)  0.09490  0.07031   0.1035  0.1035
  t, Wilcoxon, test: p of a difference like this if there were none (test: exchanging pairs where
  paired, else Mann-Whitney); Holm: p of the test, adjusted for all pairs

caveats
  - paired by restart: valid only if restart k has the same start and the same data order in both,
    not merely the same seed
--- stderr

"#]]
    );
    let json = run(here.path(), &["stats", "scores.csv", "--unpaired", "-o", "json"]).fine().json();
    assert_eq!(json["schema"], "seedsweep.stats/1");
    assert_eq!(
        (&json["comparisons"][0]["paired"], &json["comparisons"][0]["test"]),
        (&false.into(), &"mann_whitney".into())
    );
    assert_eq!(json["experiments"][0]["values"]["best_of"]["10"], 0.95);
}

#[test]
fn starts_and_orders_split_the_variance() {
    // E4 of docs/sources/statistics.md
    let rows = ["972 942 927 937 930", "836 844 844 845 854", "904 908 914 913 899", "885 893 898 885 882"];
    let mut text = "experiment,restart,start,order,value\n".to_owned();
    for (start, row) in rows.iter().enumerate() {
        for (order, value) in row.split(' ').enumerate() {
            text += &format!("net,{},{start},{order},0.{value}\n", start * 5 + order);
        }
    }
    let here = file("runs.csv", &text);
    assert_data_eq!(
        run(here.path(), &["stats", "runs.csv", "--test-rows", "10000"]).text(),
        str![[r#"
exit 0
--- stdout
values
experiment  n   mean    95 % CI  sd       median  IQM     IQM 95 % CI
net         20  0.8956  -        0.03723  0.8985  0.8981  -
  n: restarts; 95 % CI: of the mean; IQM: the mean of the middle half

scatter that a finite test set explains
experiment  sd here  equally good restarts  other test sets
net         0.03723  0.002285               0.003058
  sd here: between these restarts; equally good restarts: what they would scatter by if all were
  equally good; other test sets: what one network would scatter by on other test sets of this size

expected best of k runs
experiment  k: best
net         1: 0.8956  5: 0.9396  10: 0.9547

variance by source
experiment  design         starts    orders         rest       start's share  p
net         crossed 4 x 5  0.001609  0 (-2.599e-5)  0.0001379  92 %           <0.0001
  0 where the estimate is negative, which then stands beside it; start's share: of the variance of
  single restarts; p: of a scatter like this if the start did not matter
--- stderr

"#]]
    );
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let here = file("labels.txt", "a\n\nb\n");
    std::fs::write(here.path().join("scores.csv"), "experiment,restart,value\na,0,0.5\na,1,high\n").unwrap();
    std::fs::write(here.path().join("empty.txt"), "").unwrap();
    for args in [
        &["census", "--labels", "labels.txt"][..],
        &["census", "--labels", "empty.txt"],
        &["census", "--labels", "nowhere.txt"],
        &["census", "--outputs", "labels.txt"],
        &["census", "--outputs", "labels.txt", "--tolerance", "-1"],
        &["stats", "scores.csv"],
        &["stats", "labels.txt"],
    ] {
        assert_eq!(run(here.path(), args).code, Some(2), "{args:?}");
    }
    assert_data_eq!(
        run(here.path(), &["census", "--labels", "labels.txt"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: labels.txt, line 2 is empty; each line holds the basin of one run

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["stats", "scores.csv"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: scores.csv, line 3: `value` is `high`; a number is needed, or NaN where a run has none

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["stats", "labels.txt"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: labels.txt has no column `experiment`; it has a, and experiment, restart, value are needed

"#]]
    );
    let json = run(here.path(), &["census", "--labels", "empty.txt", "-o", "json"]).json();
    assert_eq!((&json["schema"], &json["error"]["exit"]), (&"seedsweep.error/1".into(), &2.into()));
}
