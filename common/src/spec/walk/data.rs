//! `[data]`.

use super::reader::{Mode, Reader, Within, string, wrong_type};
use crate::digest::Digest;
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span, shown};
use crate::spec::document::{Entry, Table, Value};
use crate::spec::keys;
use crate::spec::model::{
    Attachment, Data, DataFile, DataSource, PreimageScheme, SphereLabels, Target, XorEncoding,
};

const DATASETS: [&str; 16] = [
    "xor",
    "noisy_xor",
    "parity",
    "moons",
    "circles",
    "two_spirals",
    "gauss_mix",
    "teacher_student",
    "teacher_population",
    "teacher_stream",
    "sphere_random",
    "preimage",
    "digits",
    "iris",
    "wine",
    "breast_cancer",
];

/// Reads the table `data`.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Data> {
    let mut reader = Reader::new("`[data]`", table, at, mode, out);
    reader.keys(&keys::DATA);
    let source = source(&mut reader);
    let test_fraction = reader.number("test_fraction", Within::HalfOpenUnit, Some(0.0));
    let standardize = reader.boolean("standardize", false);
    Some(Data { source: source?, test_fraction: test_fraction?, standardize: standardize? })
}

fn source(reader: &mut Reader<'_, '_, '_>) -> Option<DataSource> {
    match (reader.entry("dataset"), reader.entry("file")) {
        (Some(_), Some(file)) => {
            let label = "remove this or `dataset`";
            reader.out().error(file.key_at, "`file` and `dataset` exclude each other", label);
            None
        }
        (Some(_), None) => built_in(reader),
        (None, Some(file)) => user_file(reader, file).map(DataSource::File),
        (None, None) => {
            let hint =
                "for instance `dataset = \"moons\"` or `file = \"train.csv\"` with `target = \"label\"`";
            reader.missing("`dataset` or `file`", hint);
            // what parameters stand here is still looked at
            samples(reader, 64);
            reader.number("noise", Within::NotNegative, Some(0.0));
            None
        }
    }
}

fn built_in(reader: &mut Reader<'_, '_, '_>) -> Option<DataSource> {
    let words = DATASETS.map(|name| (name, name));
    let name = reader.choice("dataset", &words, &[], None)?;
    reader.only(name, parameters(name), keys::DATA_SOURCE);
    match name {
        "xor" => Some(DataSource::Xor { encoding: encoding(reader)? }),
        "parity" => {
            let dims = reader.count("dims", 2, limits::PARITY_DIMS, Some(3));
            Some(DataSource::Parity { encoding: encoding(reader)?, dims: dims? })
        }
        "noisy_xor" => {
            let samples = samples(reader, 200);
            let noise = reader.number("noise", Within::NotNegative, Some(0.5));
            Some(DataSource::NoisyXor { samples: samples?, noise: noise? })
        }
        "two_spirals" => Some(DataSource::TwoSpirals),
        "teacher_student" => {
            let label_noise = reader.number("label_noise", Within::NotNegative, Some(0.0));
            let ((samples, dims, teacher_units), label_noise) = (teacher(reader)?, label_noise?);
            Some(DataSource::TeacherStudent { samples, dims, teacher_units, label_noise })
        }
        "teacher_stream" => {
            let (samples, dims, teacher_units) = teacher(reader)?;
            Some(DataSource::TeacherStream { samples, dims, teacher_units })
        }
        "teacher_population" => {
            let teacher_units = reader.count("teacher_units", 1, limits::LAYER_WIDTH, None)?;
            Some(DataSource::TeacherPopulation { teacher_units })
        }
        "sphere_random" => {
            let shape = samples_and_dims(reader, 100, 10);
            let words = [("signs", SphereLabels::Signs), ("normal", SphereLabels::Normal)];
            let labels = reader.choice("labels", &words, &[], Some(SphereLabels::Signs));
            let ((samples, dims), labels) = (shape?, labels?);
            Some(DataSource::SphereRandom { samples, dims, labels })
        }
        "preimage" => preimage(reader),
        "wine" => Some(DataSource::Wine),
        "breast_cancer" => Some(DataSource::BreastCancer),
        "moons" => {
            let (samples, noise) = (even_samples(reader), noise(reader));
            Some(DataSource::Moons { samples: samples?, noise: noise? })
        }
        "circles" => {
            let (samples, noise) = (even_samples(reader), noise(reader));
            let factor = reader.number("factor", Within::OpenUnit, Some(0.8));
            Some(DataSource::Circles { samples: samples?, factor: factor?, noise: noise? })
        }
        "gauss_mix" => gauss_mix(reader),
        "digits" => Some(DataSource::Digits),
        _ => Some(DataSource::Iris),
    }
}

/// The keys that `name` takes, `dataset` among them.
fn parameters(name: &str) -> &'static [&'static str] {
    match name {
        "xor" => &["dataset", "encoding"],
        "parity" => &["dataset", "dims", "encoding"],
        "noisy_xor" => &["dataset", "samples", "noise"],
        "teacher_student" => &["dataset", "samples", "dims", "teacher_units", "label_noise"],
        "teacher_population" => &["dataset", "teacher_units"],
        "teacher_stream" => &["dataset", "samples", "dims", "teacher_units"],
        "sphere_random" => &["dataset", "samples", "dims", "labels"],
        "preimage" => &["dataset", "samples", "dims", "scheme"],
        "moons" => &["dataset", "samples", "noise"],
        "circles" => &["dataset", "samples", "factor", "noise"],
        "gauss_mix" => &["dataset", "samples", "classes", "dims", "radius"],
        _ => &["dataset"],
    }
}

fn encoding(reader: &mut Reader<'_, '_, '_>) -> Option<XorEncoding> {
    let words = [("signed", XorEncoding::Signed), ("binary", XorEncoding::Binary)];
    reader.choice("encoding", &words, &[], Some(XorEncoding::Signed))
}

/// Inputs that a known matrix maps to nothing above 0.
fn preimage(reader: &mut Reader<'_, '_, '_>) -> Option<DataSource> {
    let shape = samples_and_dims(reader, 50, 128);
    let words = PreimageScheme::ALL.map(|scheme| (scheme.name(), scheme));
    let scheme = reader.choice("scheme", &words, &[], None);
    let ((samples, dims), scheme) = (shape?, scheme?);
    if scheme == PreimageScheme::Hadamard && !dims.is_power_of_two() {
        if let Some(entry) = reader.entry("dims").or(reader.entry("scheme")) {
            let title = "`dims` must be a power of two for `hadamard`: else its rows are not orthogonal";
            reader.out().error(entry.node.at, title, format!("{dims} dimensions"));
        }
        return None;
    }
    Some(DataSource::Preimage { samples, dims, scheme })
}

/// Rows, dimensions and units of a teacher.
fn teacher(reader: &mut Reader<'_, '_, '_>) -> Option<(u32, u32, u32)> {
    let shape = samples_and_dims(reader, 1000, 10);
    let units =
        reader.count("teacher_units", 1, limits::LAYER_WIDTH, Some(shape.map_or(1, |(_, dims)| dims)));
    let ((samples, dims), teacher_units) = (shape?, units?);
    if teacher_units > dims {
        if let Some(entry) = reader.entry("teacher_units") {
            let title = "`teacher_units` must be at most `dims`: their directions are orthogonal";
            reader.out().error(entry.node.at, title, format!("{teacher_units} units, {dims} dimensions"));
        }
        return None;
    }
    Some((samples, dims, teacher_units))
}

/// `samples` and `dims`, which together must fit a worker's memory.
fn samples_and_dims(reader: &mut Reader<'_, '_, '_>, rows: u32, columns: u32) -> Option<(u32, u32)> {
    let samples = samples(reader, rows);
    let dims = reader.count("dims", 1, limits::LAYER_WIDTH, Some(columns));
    let (samples, dims) = (samples?, dims?);
    let values = u64::from(samples) * u64::from(dims);
    if values > limits::DATA_VALUES {
        if let Some(entry) = reader.entry("samples").or(reader.entry("dims")) {
            let title = format!("`samples` × `dims` must be at most {}", limits::DATA_VALUES);
            reader.out().error(entry.node.at, title, format!("this is {values}"));
        }
        return None;
    }
    Some((samples, dims))
}

fn samples(reader: &mut Reader<'_, '_, '_>, default: u32) -> Option<u32> {
    // two columns at least
    let most = u32::try_from(limits::DATA_VALUES / 2).unwrap_or(u32::MAX);
    reader.count("samples", 2, most, Some(default))
}

fn even_samples(reader: &mut Reader<'_, '_, '_>) -> Option<u32> {
    let samples = samples(reader, 64)?;
    if samples % 2 != 0 {
        if let Some(entry) = reader.entry("samples") {
            let title = "`samples` must be even: half the rows belong to each class";
            reader.out().error(entry.node.at, title, format!("this is {samples}"));
        }
        return None;
    }
    Some(samples)
}

fn noise(reader: &mut Reader<'_, '_, '_>) -> Option<f64> {
    reader.number("noise", Within::NotNegative, Some(0.0))
}

fn gauss_mix(reader: &mut Reader<'_, '_, '_>) -> Option<DataSource> {
    let samples = samples(reader, 300);
    let classes = reader.count("classes", 2, limits::LAYER_WIDTH, Some(3));
    let dims = reader.count("dims", 1, limits::LAYER_WIDTH, Some(2));
    let radius = reader.number("radius", Within::Positive, Some(3.0));
    let (samples, classes, dims) = (samples?, classes?, dims?);
    let at =
        |reader: &Reader<'_, '_, '_>, key| reader.entry(key).or(reader.entry("dataset")).map(|e| e.node.at);
    if samples < classes {
        if let Some(at) = at(reader, "samples") {
            let title = "`samples` must be at least `classes`: each class needs a row";
            reader.out().error(at, title, format!("{samples} samples, {classes} classes"));
        }
        return None;
    }
    let values = u64::from(samples) * u64::from(dims);
    if values > limits::DATA_VALUES {
        if let Some(at) = at(reader, "samples") {
            let title = format!("`samples` × `dims` must be at most {}", limits::DATA_VALUES);
            reader.out().error(at, title, format!("this is {values}"));
        }
        return None;
    }
    Some(DataSource::GaussMix { samples, classes, dims, radius: radius? })
}

fn user_file(reader: &mut Reader<'_, '_, '_>, file: &Entry) -> Option<DataFile> {
    let digest = digest(reader);
    let path = string(file, reader.out())?;
    let features = path_with(path, file.node.at, &[".csv", ".npy", ".npz"], reader.out());
    if path.ends_with(".npz") {
        reader.only(".npz", &["file", "digest", "x", "y"], keys::DATA_SOURCE);
        let (x, y) = (array(reader, "x"), array(reader, "y"));
        let features = Attachment { path: features?, digest: digest? };
        return Some(DataFile { features, target: Target::Arrays { x: x?, y: y? } });
    }
    reader.only("file", &["file", "digest", "target"], keys::DATA_SOURCE);
    let hint = "the column to predict, for instance `target = \"label\"`";
    let entry = reader.required("target", hint);
    let path = features?;
    let target = target(entry?, path.ends_with(".csv"), reader.out())?;
    Some(DataFile { features: Attachment { path, digest: digest? }, target })
}

/// The name of an array of a `.npz`; by default the key itself.
fn array(reader: &mut Reader<'_, '_, '_>, key: &str) -> Option<String> {
    match reader.entry(key) {
        Some(entry) => string(entry, reader.out()).map(str::to_owned),
        None => Some(key.to_owned()),
    }
}

/// The target: a column's name in a `.csv`, a column's number or a second file beside a `.npy`.
fn target(entry: &Entry, csv: bool, out: &mut Diagnostics<'_>) -> Option<Target> {
    match &entry.node.value {
        Value::String(name) if csv && name.is_empty() => {
            out.error(entry.node.at, "`target` must name a column", "this is empty");
            None
        }
        Value::String(_) if csv => string(entry, out).map(|name| Target::Column(name.to_owned())),
        Value::Integer(index) if !csv => Some(Target::ColumnIndex(*index)),
        Value::Table(table) if !csv => target_file(table, entry.key_at, out).map(Target::File),
        _ if csv => wrong_type(entry, "the name of a column of the `.csv`", out),
        _ => wrong_type(entry, "a column's number (-1 is the last) or `{ file = \"y.npy\" }`", out),
    }
}

fn target_file(table: &Table, at: Span, out: &mut Diagnostics<'_>) -> Option<Attachment> {
    let mut reader = Reader::new("`target`", table, at, Mode::Whole, out);
    reader.keys(&keys::Keys { known: &["file", "digest"], later: &[] });
    attachment(&mut reader, &[".npy"])
}

/// The file named by `file`, with `digest` if it stands there.
pub(super) fn attachment(reader: &mut Reader<'_, '_, '_>, endings: &[&str]) -> Option<Attachment> {
    let digest = digest(reader);
    let (path, at) = reader.string("file", "a path relative to the spec")?;
    let path = path_with(path, at, endings, reader.out())?;
    Some(Attachment { path, digest: digest? })
}

fn digest(reader: &mut Reader<'_, '_, '_>) -> Option<Option<Digest>> {
    let Some(entry) = reader.entry("digest") else { return Some(None) };
    let digest = string(entry, reader.out())?.parse();
    if digest.is_err() {
        let label = "this is what seedsweep writes for a file's content: 64 lower-case hex digits";
        reader.out().error(entry.node.at, "`digest` is not a digest", label);
    }
    digest.ok().map(Some)
}

fn path_with(path: &str, at: Span, endings: &[&str], out: &mut Diagnostics<'_>) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let legal = |ending: &&str| name.len() > ending.len() && name.ends_with(*ending);
    if endings.iter().any(legal) {
        return Some(path.to_owned());
    }
    let allowed = endings.join(" or ");
    out.error(at, format!("a file here must end in {allowed}"), format!("this is `{}`", shown(name)));
    None
}
