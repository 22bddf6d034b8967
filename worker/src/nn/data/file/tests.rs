use ndarray::array;
use seedsweep_common::digest::Digest;

use super::super::npy::tests::{f8, file};
use super::*;

const CSV: Loss = Loss::CrossEntropy;

/// Reads the file `name` of content `bytes`, and `y.npy` of content `targets` where the target is a file.
fn read_with(
    name: &str,
    bytes: &[u8],
    target: Target,
    targets: &[u8],
    loss: Loss,
    outputs: usize,
) -> Result<Table, DataError> {
    let attached =
        |path: &str, bytes: &[u8]| Attachment { path: path.to_owned(), digest: Some(Digest::of(bytes)) };
    let target = match target {
        Target::File(_) => Target::File(attached("y.npy", targets)),
        other => other,
    };
    let files =
        |digest| [bytes, targets].into_iter().find(|bytes| Digest::of(bytes) == digest).map(Arc::from);
    read(&DataFile { features: attached(name, bytes), target }, loss, outputs, &files)
}

fn csv_of(text: &str, loss: Loss, outputs: usize) -> Result<Table, DataError> {
    read_with("t.csv", text.as_bytes(), Target::Column("y".to_owned()), b"", loss, outputs)
}

fn npy_of(bytes: &[u8], index: i64, loss: Loss, outputs: usize) -> Result<Table, DataError> {
    read_with("x.npy", bytes, Target::ColumnIndex(index), b"", loss, outputs)
}

fn pair_of(x: &[u8], y: &[u8], loss: Loss, outputs: usize) -> Result<Table, DataError> {
    let second = Target::File(Attachment { path: String::new(), digest: None });
    read_with("x.npy", x, second, y, loss, outputs)
}

fn message(result: Result<Table, DataError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_csv_gives_numbers_for_mse_and_classes_for_the_other_losses() {
    let numbers = csv_of("a,y\n1,0.5\n2,-3\n", Loss::Mse, 1).unwrap();
    assert_eq!(numbers.targets, Targets::Numbers(array![[0.5], [-3.0]]));
    assert_eq!(numbers.features, array![[1.0], [2.0]]);
    let integers = csv_of("a,y\n1,2\n2,0\n", CSV, 3).unwrap();
    assert_eq!(integers.targets, Targets::classes(vec![2, 0], 3));
    let floats = csv_of("a,y\n1,1.0\n2,0\n", Loss::Logistic, 1).unwrap();
    assert_eq!(floats.targets, Targets::classes(vec![1, 0], 2));
    let names = csv_of("a,y\n1,dog\n2,cat\n3,dog\n", Loss::Logistic, 1).unwrap();
    assert_eq!(names.targets, Targets::classes(vec![1, 0, 1], 2));
}

#[test]
fn an_npy_gives_features_beside_a_column_or_a_second_file() {
    let x = f8("(2, 3)", &[1.0, 2.0, 0.0, 3.0, 4.0, 1.0]);
    for index in [2, -1] {
        let table = npy_of(&x, index, CSV, 2).unwrap();
        assert_eq!(table.features, array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(table.targets, Targets::classes(vec![0, 1], 2));
    }
    assert_eq!(npy_of(&x, 0, Loss::Mse, 1).unwrap().targets, Targets::Numbers(array![[1.0], [3.0]]));
    let wide = pair_of(&x, &f8("(2, 2)", &[5.0, 6.0, 7.0, 8.0]), Loss::Mse, 2).unwrap();
    assert_eq!(wide.targets, Targets::Numbers(array![[5.0, 6.0], [7.0, 8.0]]));
    let flat = pair_of(&x, &file("|u1", "False", "(2,)", &[1, 0]), Loss::Logistic, 1).unwrap();
    assert_eq!(flat.targets, Targets::classes(vec![1, 0], 2));
}

#[test]
fn labels_outside_the_classes_are_named() {
    assert_eq!(
        message(csv_of("a,y\n1,0\n2,3\n", CSV, 3)),
        "t.csv, row 2, column `y` is 3; the classes are the integers 0 to 2"
    );
    assert_eq!(
        message(csv_of("a,y\n1,0\n2,0.5\n", Loss::Logistic, 1)),
        "t.csv, row 2, column `y` is 0.5; the classes are the integers 0 to 1"
    );
    for label in ["-1", "NaN", "inf"] {
        assert!(message(csv_of(&format!("a,y\n1,{label}\n"), CSV, 3)).contains("integers 0 to 2"), "{label}");
    }
    assert_eq!(
        message(csv_of("a,y\n1,cat\n2,dog\n", CSV, 3)),
        "t.csv, column `y` holds 2 different labels; the network and its loss tell 3 classes apart"
    );
    let x = f8("(2, 2)", &[1.0, 0.0, 2.0, 7.0]);
    assert_eq!(
        message(npy_of(&x, -1, CSV, 3)),
        "x.npy, row 2, column `1` is 7; the classes are the integers 0 to 2"
    );
    assert!(message(pair_of(&x, &f8("(2, 2)", &[0.0; 4]), CSV, 2)).contains("labels are one column"));
}

#[test]
fn a_target_that_does_not_fit_its_file_is_refused() {
    let x = f8("(2, 2)", &[1.0, 0.0, 2.0, 1.0]);
    assert_eq!(message(npy_of(&x, 2, CSV, 2)), "x.npy has no column `2`; it has 2, counted from 0");
    assert!(
        npy_of(&x, -3, CSV, 2).is_err()
            && npy_of(&x, i64::MIN, CSV, 2).is_err()
            && npy_of(&x, i64::MAX, CSV, 2).is_err()
    );
    assert_eq!(message(pair_of(&x, &f8("(3,)", &[0.0; 3]), CSV, 2)), "x.npy has 2 rows but y.npy has 3");
    assert!(message(npy_of(&f8("(2, 1)", &[0.0; 2]), 0, CSV, 2)).contains("no column beside the target"));
    assert!(message(npy_of(&f8("(2,)", &[0.0; 2]), 0, CSV, 2)).contains("rows and features"));
    assert!(message(npy_of(&f8("(2, 0)", &[]), 0, CSV, 2)).contains("no column"));
    let named = read_with("x.npy", &x, Target::Column("y".to_owned()), b"", CSV, 2);
    assert!(message(named).contains("column's number"));
    let numbered = read_with("t.csv", b"a,y\n1,0\n", Target::ColumnIndex(0), b"", CSV, 2);
    assert!(message(numbered).contains("name of a column"));
    let other = read_with("t.mat", b"", Target::ColumnIndex(0), b"", CSV, 2);
    assert_eq!(message(other), "t.mat: only `.csv`, `.npy` and `.npz` files are read");
}

#[test]
fn values_that_cannot_be_trained_on_are_named() {
    let x = f8("(2, 2)", &[1.0, f64::NAN, 2.0, 1.0]);
    assert_eq!(
        message(npy_of(&x, 0, Loss::Mse, 1)),
        "x.npy, row 1, column `1` is NaN; finite numbers of at most ±1e30 are allowed"
    );
    assert!(message(csv_of("a,y\n1,cat\n", Loss::Mse, 1)).contains("`cat`, which is not a number"));
}

#[test]
fn a_file_that_was_not_handed_over_is_named() {
    let features = Attachment { path: "t.csv".to_owned(), digest: Some(Digest::of(b"other")) };
    let data = DataFile { features, target: Target::Column("y".to_owned()) };
    let error = read(&data, CSV, 2, &|_| None).unwrap_err();
    assert_eq!(error, DataError::NotAtHand { file: "t.csv".to_owned() });
}

#[test]
fn an_npz_gives_both_arrays_by_name() {
    let arrays = |x: &str, y: &str| Target::Arrays { x: x.to_owned(), y: y.to_owned() };
    let saved = super::super::npz::tests::saved();
    let table = read_with("t.npz", &saved, arrays("x", "y"), b"", Loss::Logistic, 1).unwrap();
    assert_eq!(table.features, array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(table.targets, Targets::classes(vec![0, 1, 0], 2));
    let table = read_with("t.npz", &saved, arrays("x", "x"), b"", Loss::Mse, 2).unwrap();
    assert_eq!(table.targets, Targets::Numbers(table.features));
    assert!(
        message(read_with("t.npz", &saved, arrays("y", "y"), b"", Loss::Mse, 1)).contains("two dimensions")
    );
    let column = Target::ColumnIndex(0);
    assert!(message(read_with("t.npz", &saved, column, b"", Loss::Mse, 1)).contains("named by `x` and `y`"));
    assert!(message(read_with("t.npy", &saved, arrays("x", "y"), b"", Loss::Mse, 1)).contains("named by"));
}
