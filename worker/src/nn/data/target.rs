//! From classes or numbers to the targets that a loss is computed against.

use ndarray::Array2;
use seedsweep_common::spec::{Loss, Network};

use super::Labels;
use super::error::DataError;

/// What the rows are to be taught, before the loss is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Targets {
    /// Each row belongs to one of `count` classes.
    Classes {
        /// Class of each row, from 0.
        of_row: Vec<usize>,
        /// How many classes there are.
        count: usize,
        /// What a single output learns for class 0 under mse; class 1 is 1.
        low: f64,
    },
    /// (rows, outputs): numbers, for mse.
    Numbers(Array2<f64>),
}

impl Targets {
    /// Classes that a single output under mse learns as −1 and 1.
    pub(super) fn classes(of_row: Vec<usize>, count: usize) -> Self {
        Self::Classes { of_row, count, low: -1.0 }
    }

    /// Two classes that a single output under mse learns as 0 and 1.
    pub(super) fn zero_one(of_row: Vec<usize>) -> Self {
        Self::Classes { of_row, count: 2, low: 0.0 }
    }

    /// The same where a single output is a sigmoid, which never reaches −1: two classes are 0 and 1.
    pub(super) fn behind_a_sigmoid(self) -> Self {
        match self {
            Self::Classes { of_row, count, .. } => Self::Classes { of_row, count, low: 0.0 },
            Self::Numbers(numbers) => Self::Numbers(numbers),
        }
    }

    /// (rows, outputs) as `loss` and `network` want them, and how accuracy is read from them.
    pub(super) fn encode(
        self,
        what: &str,
        loss: Loss,
        network: &Network,
    ) -> Result<(Array2<f64>, Labels), DataError> {
        let outputs = network.outputs() as usize;
        let key = match network {
            Network::Mlp(_) => "the last of `network.layers` is",
            Network::ReluSum(_) => "the outputs of `network.kind` = \"relu_sum\" are always",
        };
        let refuse = |needed: String| Err(DataError::Outputs { what: what.to_owned(), needed, key, outputs });
        let (of_row, count, low) = match self {
            Self::Numbers(numbers) if numbers.ncols() == outputs => return Ok((numbers, Labels::Regression)),
            Self::Numbers(numbers) => return refuse(plural(numbers.ncols(), "output")),
            Self::Classes { of_row, count, low } => (of_row, count, low),
        };
        match loss {
            Loss::CrossEntropy | Loss::Mse if outputs == count => {
                Ok((one_hot(&of_row, count), Labels::OneHot))
            }
            Loss::CrossEntropy => refuse(format!("{count} outputs, one for each class")),
            Loss::Mse if outputs == 1 && count == 2 => {
                let labels = if low == 0.0 { Labels::Binary } else { Labels::Signed };
                Ok((column(&of_row, low), labels))
            }
            Loss::Mse if count == 2 => refuse("1 output, or 2: one for each class".to_owned()),
            Loss::Mse => refuse(format!("{count} outputs, one for each class")),
            Loss::Logistic if count != 2 => refuse(format!("2 classes (it has {count}) and 1 output")),
            Loss::Logistic if outputs != 1 => refuse("1 output".to_owned()),
            Loss::Logistic => Ok((column(&of_row, 0.0), Labels::Binary)),
            Loss::Population => refuse("a teacher, not classes".to_owned()),
        }
    }
}

fn one_hot(of_row: &[usize], classes: usize) -> Array2<f64> {
    Array2::from_shape_fn((of_row.len(), classes), |(row, class)| f64::from(u8::from(of_row[row] == class)))
}

fn column(of_row: &[usize], low: f64) -> Array2<f64> {
    Array2::from_shape_fn((of_row.len(), 1), |(row, _)| if of_row[row] == 1 { 1.0 } else { low })
}

fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
