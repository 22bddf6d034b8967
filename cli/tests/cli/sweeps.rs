//! A sweep from its file to its answers, through the program only.

use std::process::Stdio;

use snapbox::{assert_data_eq, str};

use crate::support::{QUICK, command, directory, run};

#[test]
fn a_run_answers_and_the_same_command_answers_again() {
    let here = directory(QUICK);
    let first = run(here.path(), &["run", "sweep.toml", "--output", "json"]).fine();
    let report = first.json();
    assert_eq!(report["schema"], "seedsweep.report/1");
    assert_eq!(report["sweep"]["trials"]["done"], 12);
    let again = run(here.path(), &["run", "sweep.toml", "--output", "json"]).fine();
    assert_eq!(again.stdout, first.stdout);
    assert!(again.stderr.contains("done already"), "{}", again.stderr);
    for form in ["table", "markdown"] {
        let direct = run(here.path(), &["run", "sweep.toml", "--output", form]).fine();
        let asked = run(here.path(), &["report", "quick", "--output", form]).fine();
        assert_eq!(direct.stdout, asked.stdout);
        assert!(!direct.stdout.is_empty());
    }
}

#[test]
fn every_question_about_a_finished_sweep_has_an_answer() {
    let here = directory(QUICK);
    run(here.path(), &["run", "sweep.toml"]).fine();

    let status = run(here.path(), &["status", "--output", "json"]).fine().json();
    let sweep = &status["sweeps"][0];
    assert_eq!((&sweep["state"], &sweep["trials"]["done"]), (&"done".into(), &12.into()));
    let id = sweep["id"].as_str().unwrap();
    let list = run(here.path(), &["list", "--output", "json"]).fine().json();
    assert_eq!(list["sweeps"][0]["id"], id);
    for selector in ["last", "quick", id, &id[..4]] {
        run(here.path(), &["status", selector]).fine();
    }
    for selector in ["nosuch", "0000000000"] {
        let ran = run(here.path(), &["status", selector]);
        assert_eq!(ran.code, Some(4), "{}", ran.text());
    }
    let ran = run(here.path(), &["outcomes", "--experiment", "nosuch"]);
    assert_eq!(ran.code, Some(4), "{}", ran.text());

    let watched = run(here.path(), &["watch"]).fine();
    assert!(watched.stdout.contains("12/12"), "{}", watched.stdout);
    let page =
        run(here.path(), &["outcomes", "--limit", "5", "--page", "3", "--output", "json"]).fine().json();
    assert_eq!(page["total"], 12);
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    assert_eq!(page["rows"][1]["restart"], 5);
    let verified = run(here.path(), &["store", "verify", "--output", "json"]).fine().json();
    assert_eq!(verified["sweeps"][0]["outcomes"], 12);
    assert_eq!(verified["problems"], serde_json::json!([]));
}

#[test]
fn both_exports_hold_the_same_rows() {
    let here = directory(QUICK);
    run(here.path(), &["run", "sweep.toml"]).fine();
    let csv_text = run(here.path(), &["export", "--format", "csv"]).fine().stdout;
    let header = csv_text.lines().next().unwrap();
    assert_data_eq!(
        header,
        str![
            "experiment,restart,start,train.lr,stop_reason,certificate,steps,loss_train,loss_train_hex,loss_test,accuracy_train,accuracy_test,grad_norm,loss_polished,polish_displacement,polish_steps,digest,sketches,basin_raw,basin_canonical,basin_function,engine,build,attempt,worker,duration_ms"
        ]
    );
    let jsonl = run(here.path(), &["export", "--format", "jsonl"]).fine().stdout;
    let rows: Vec<serde_json::Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 12);
    let mut reader = csv::Reader::from_reader(csv_text.as_bytes());
    let header = reader.headers().unwrap().clone();
    for (record, row) in reader.records().map(Result::unwrap).zip(&rows) {
        for (column, cell) in header.iter().zip(&record) {
            match &row[column] {
                serde_json::Value::Null => assert_eq!(cell, "", "{column}"),
                serde_json::Value::String(text) => assert_eq!(cell, text, "{column}"),
                other => {
                    assert_eq!(&serde_json::from_str::<serde_json::Value>(cell).unwrap(), other, "{column}");
                }
            }
        }
        // Each experiment's value, also where only another experiment sets the key.
        let lr = if row["experiment"] == "random" { 0.1 } else { 0.05 };
        assert_eq!(row["train.lr"], lr);
        assert!(row["loss_train_hex"].as_str().unwrap().starts_with("0x1."));
    }
    run(here.path(), &["export", "-o", "out.csv"]).fine();
    assert_eq!(std::fs::read_to_string(here.path().join("out.csv")).unwrap(), csv_text);
}

#[test]
fn a_reader_that_stops_early_is_a_success() {
    let here = directory(QUICK);
    run(here.path(), &["run", "sweep.toml"]).fine();
    for args in [&["export"][..], &["report"], &["status"], &["outcomes"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command(here.path(), args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
        assert!(!errors.contains("error"), "{args:?}: {errors}");
    }
}

#[test]
fn a_cancelled_sweep_says_so_and_cannot_be_run_on() {
    let here = directory(QUICK);
    let id = run(here.path(), &["submit", "sweep.toml"]).fine().stdout;
    assert_eq!(id.trim().len(), 64);
    let again = run(here.path(), &["submit", "sweep.toml", "--output", "json"]).fine().json();
    assert_eq!((&again["id"], &again["created"]), (&id.trim().into(), &false.into()));
    let cancelled = run(here.path(), &["cancel", "last", "--output", "json"]).fine().json();
    assert_eq!(cancelled["sweep"]["state"], "cancelled");
    let ran = run(here.path(), &["run", "sweep.toml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.stderr.contains("cancelled"), "{}", ran.stderr);
}

#[test]
fn logs_and_status_never_show_a_token() {
    let here = directory(QUICK);
    let ran = run(here.path(), &["run", "sweep.toml", "-vvv"]).fine();
    let token = std::fs::read_to_string(here.path().join("seedsweep-store/auth/admin.token")).unwrap();
    let worker = std::fs::read_to_string(here.path().join("seedsweep-store/auth/worker.token")).unwrap();
    assert!(ran.stderr.len() > 1000, "-vvv says a lot");
    for secret in [token.trim(), worker.trim()] {
        assert!(secret.len() > 20);
        assert!(!ran.text().contains(secret));
    }
}

#[test]
fn the_demonstration_trains_anew_each_time_in_at_most_25_lines() {
    let here = directory(QUICK);
    let first = run(here.path(), &["demo"]).fine();
    assert!(first.stderr.contains("seed 2026"), "{}", first.stderr);
    assert!(first.stdout.lines().count() <= 25, "{}", first.stdout);
    assert!(first.stdout.lines().all(|line| line.chars().count() <= 100), "{}", first.stdout);
    let second = run(here.path(), &["demo"]).fine();
    assert!(second.stderr.contains("seed 2027"), "{}", second.stderr);
    let chosen = run(here.path(), &["demo", "--seed", "2026"]).fine();
    assert_eq!(chosen.stdout, first.stdout);
}

#[test]
fn measures_are_exported_and_summed_up_over_restarts() {
    let here = directory(QUICK);
    let sets =
        ["--set", "measure.curve=true", "--set", "measure.symmetry=true", "--set", "measure.geometry=true"];
    run(here.path(), &[&["run", "sweep.toml"][..], &sets].concat()).fine();
    let rows = run(here.path(), &["export", "--format", "jsonl"]).fine().stdout;
    let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    let curve = row["measures"]["curve"].as_array().unwrap();
    assert_eq!(curve.last().unwrap(), &serde_json::json!([80, row["loss_train"]]));
    assert_eq!(row["measures"]["geometry.0.rank"], serde_json::json!([[0, 2.0], [80, 2.0]]));

    let asked = ["outcomes", "--measure", "symmetry.1", "--output", "json"];
    let series = run(here.path(), &asked).fine().json()["series"].clone();
    assert_eq!(series.as_array().unwrap().len(), 2 * 4);
    assert_eq!(series[0]["measure"], "symmetry.1.units_by_bits");
    let first = serde_json::json!({ "step": 0, "n": 6, "q25": 2.0, "median": 2.0, "q75": 2.0 });
    assert_eq!(series[0]["points"][0], first);
    let table = run(here.path(), &["outcomes", "--measure", "curve", "--experiment", "random"]).fine().stdout;
    assert!(table.lines().count() > 9 && table.contains(" 80  6  "), "{table}");
    let ran = run(here.path(), &["outcomes", "--measure", "ntk"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("asks for curve, symmetry, geometry"), "{}", ran.stderr);
}

#[test]
fn a_sweep_that_is_extended_goes_on_with_the_same_command() {
    let here = directory(QUICK);
    run(here.path(), &["run", "sweep.toml"]).fine();
    let extend = ["extend", "last", "--to", "9", "--output", "json"];
    let first = run(here.path(), &extend).fine();
    let said = first.json();
    assert_eq!(said["extended"][0]["to"], 9);
    assert_eq!(said["sweep"]["state"], "running");
    assert!(first.stderr.contains("seedsweep run"), "{}", first.stderr);
    let again = run(here.path(), &extend).fine();
    assert_eq!(again.json()["extended"], serde_json::json!([]));
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
    run(here.path(), &["extend", "last", "--by", "2"]).fine();

    let report = run(here.path(), &["run", "sweep.toml", "--output", "json"]).fine().json();
    assert_eq!(report["sweep"]["id"], said["sweep"]["id"]);
    assert!(report["experiments"].as_array().unwrap().iter().all(|e| e["restarts"] == 11), "{report}");
    let extensions = report["sweep"]["extensions"].as_array().unwrap();
    assert_eq!((&extensions[0]["to"], &extensions[1]["from"]), (&9.into(), &9.into()));
    run(here.path(), &["verify", "last"]).fine();
    let name = report["experiments"][0]["name"].as_str().unwrap();
    run(here.path(), &["replay", "last", name, "10"]).fine();
    let none = run(here.path(), &["extend", "last", "--experiment", "nosuch", "--by", "1"]);
    assert_eq!(none.code, Some(4), "{}", none.text());
    let neither = run(here.path(), &["extend", "last"]);
    assert_eq!(neither.code, Some(2), "{}", neither.text());
}

#[test]
fn a_sweep_that_stops_early_says_how_often_was_looked_and_is_sound() {
    let rule = "stop_when = { same_pair_width = 0.3, max_restarts = 200 }";
    let spec = QUICK.replace("restarts = 6", rule);
    assert!(spec.contains("stop_when"), "{spec}");
    let bytes = ["1", "4"].map(|slots| {
        let here = directory(&spec);
        let args = ["run", "sweep.toml", "--slots", slots, "--output", "json"];
        let ran = run(here.path(), &args).fine();
        let stopping = &ran.json()["experiments"][0]["stopping"];
        assert!(stopping["looks"].as_u64().unwrap() >= 2, "{stopping}");
        let verified = run(here.path(), &["verify", "last", "--sample", "0%"]).fine();
        assert!(verified.stdout.contains("sound"), "{}", verified.stdout);
        run(here.path(), &["store", "verify"]).fine();
        ran.stdout
    });
    assert_eq!(bytes[0], bytes[1], "the report does not tell who was quick");
}

#[test]
fn barriers_are_in_the_plan_and_measured_again_by_verify() {
    let here = directory(QUICK);
    let asking = ["--set", "minima.barriers=3", "--set", "minima.level=raw"];
    let check = |more: &[&str]| run(here.path(), &[&["check", "sweep.toml"], more].concat()).fine();
    let plain = check(&["-o", "json"]).json();
    assert!(plain["barriers"].is_null(), "{plain}");
    let shown = check(&asking).stdout;
    let lines = shown.lines().filter(|line| line.starts_with("barriers: "));
    let lines: Vec<&str> = lines.filter(|line| line.contains("of at most 6 pairs of minima")).collect();
    assert_eq!(lines.len(), 1, "{shown}");
    let json = check(&[&asking[..], &["-o", "json"]].concat()).json();
    let (barriers, trials_s) =
        (&json["barriers"], |at: usize| json["experiments"][at]["cost"]["total_s"].as_f64());
    assert_eq!((&barriers["pairs_at_most"], &barriers["sampled"]), (&6.into(), &true.into()));
    let barriers_s = barriers["total_s"].as_f64().unwrap();
    let sum = trials_s(0).unwrap() + trials_s(1).unwrap() + barriers_s;
    assert!(barriers_s > 0.0 && (json["estimated_s"].as_f64().unwrap() / sum - 1.0).abs() < 1e-9, "{json}");

    run(here.path(), &[&["run", "sweep.toml"], &asking[..]].concat()).fine();
    let verified = run(here.path(), &["verify", "last", "--sample", "100%"]).fine().stdout;
    let line = verified.lines().find(|line| line.starts_with("barriers")).unwrap_or_default();
    assert!(line.contains("sound") && line.contains("measured again"), "{verified}");
}
