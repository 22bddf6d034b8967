//! Parameters as a `.safetensors` file: a `weight` (out, in) and a `bias` (out) of each layer, named `0.weight` or
//! `layers.0.weight` and so on; the layers stand in the order of their numbers. Nothing is allocated that the header
//! promises and the file does not hold. Written files have the names that PyTorch gives the layers of a `Sequential` with
//! an activation after each but the last: `0.weight`, `2.weight`, ….

use std::collections::BTreeMap;

use seedsweep_common::limits;
use seedsweep_common::spec::Precision;

use super::StartError;
use crate::nn::layer::Layer;
use crate::nn::network::Network;

/// Weight and bias by the number of the layer.
type Layers<'a> = BTreeMap<u32, [Option<Tensor<'a>>; 2]>;

/// One tensor of the header.
#[derive(Debug, Default)]
struct Tensor<'a> {
    dtype: &'a str,
    shape: Vec<usize>,
    /// First byte and the one behind the last.
    offsets: Vec<usize>,
}

/// Weight and bias of each layer by its number, and the bytes behind the header. `file` is the file's name for messages.
fn layers<'a>(file: &str, bytes: &'a [u8]) -> Result<(Layers<'a>, &'a [u8]), StartError> {
    let refuse = |cause: String| StartError::Safetensors { file: file.to_owned(), cause };
    let (header, data) = split(bytes).map_err(|cause| refuse(cause.to_owned()))?;
    let tensors =
        tensors(header).ok_or_else(|| refuse("its header is not what the format says".to_owned()))?;
    let mut layers = Layers::new();
    for (name, tensor) in tensors {
        let (number, part) = place(name).ok_or_else(|| {
            refuse(format!("tensor `{}` is no `N.weight` or `N.bias`", name.escape_debug()))
        })?;
        if layers.entry(number).or_default()[part].replace(tensor).is_some() {
            return Err(refuse(format!("layer {number} has two of a kind")));
        }
    }
    Ok((layers, data))
}

/// The widths of the network that the file holds, from inputs to outputs, as its weights say.
pub fn widths(file: &str, bytes: &[u8]) -> Result<Vec<u32>, StartError> {
    let refuse = |cause: &str| StartError::Safetensors { file: file.to_owned(), cause: cause.to_owned() };
    let mut widths: Vec<u32> = Vec::new();
    for [weight, _] in layers(file, bytes)?.0.values() {
        let shape = weight.as_ref().map_or(&[][..], |weight| &weight.shape);
        let &[outputs, inputs] = shape else { return Err(refuse("a layer has no weight of two dimensions")) };
        let narrow = |width: usize| {
            u32::try_from(width).ok().filter(|width| (1..=limits::LAYER_WIDTH).contains(width))
        };
        let (Some(inputs), Some(outputs)) = (narrow(inputs), narrow(outputs)) else {
            return Err(refuse("a layer has no unit, or more than a network may have"));
        };
        if *widths.last().unwrap_or(&inputs) != inputs {
            return Err(refuse("a layer takes another number of values than the one before gives"));
        }
        if widths.is_empty() {
            widths.push(inputs);
        }
        widths.push(outputs);
    }
    if widths.is_empty() { Err(refuse("it holds no layer")) } else { Ok(widths) }
}

/// All parameters in drawing order. `file` is the file's name for messages.
pub fn read(file: &str, bytes: &[u8], network: &Network) -> Result<Vec<f64>, StartError> {
    let refuse = |cause: String| StartError::Safetensors { file: file.to_owned(), cause };
    let (layers, data) = layers(file, bytes)?;
    if layers.len() != network.layers().len() {
        let (found, expected) = (layers.len(), network.layers().len());
        return Err(refuse(format!("it holds {found} layers, but the network has {expected}")));
    }
    let mut theta = Vec::with_capacity(network.parameter_count());
    for ((number, parts), layer) in layers.into_iter().zip(network.layers()) {
        let shapes = [vec![layer.outputs, layer.inputs], vec![layer.outputs]];
        for ((part, shape), name) in parts.into_iter().zip(shapes).zip(["weight", "bias"]) {
            let part = part.ok_or_else(|| refuse(format!("layer {number} has no `{name}`")))?;
            if part.shape != shape {
                let found = part.shape;
                return Err(refuse(format!("{number}.{name} has shape {found:?}, but {shape:?} is needed")));
            }
            let count = shape.iter().product();
            let values = values(&part, count, data);
            theta.extend(values.map_err(|cause| refuse(format!("{number}.{name} {cause}")))?);
        }
    }
    Ok(theta)
}

/// The parameters `theta` (drawing order) of `network`, as `F32` or `F64`; what `f32` cannot hold is rounded.
pub fn write(network: &Network, theta: &[f64], precision: Precision) -> Vec<u8> {
    let (dtype, width) = match precision {
        Precision::F32 => ("F32", 4),
        Precision::F64 => ("F64", 8),
    };
    let mut tensors = Vec::new();
    let mut from = 0;
    for (name, shape) in shapes(network) {
        let to = from + width * shape.iter().product::<usize>();
        tensors.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#
        ));
        from = to;
    }
    let mut header = format!("{{{}}}", tensors.join(","));
    // the format wants the data to begin at a multiple of eight
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    for &value in theta {
        match precision {
            Precision::F32 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
            Precision::F64 => bytes.extend_from_slice(&value.to_le_bytes()),
        }
    }
    bytes
}

/// Names and shapes of the parameters, in drawing order. The signs of a sum of relus are what follows its units.
fn shapes(network: &Network) -> Vec<(String, Vec<usize>)> {
    if let Some(sum) = network.sum() {
        let mut shapes = vec![("0.weight".to_owned(), vec![sum.units, sum.inputs])];
        if sum.has_signs {
            shapes.push(("2.weight".to_owned(), vec![1, sum.units]));
        }
        return shapes;
    }
    let layers = network.layers().iter().enumerate();
    layers
        .flat_map(|(l, &Layer { inputs, outputs, .. })| {
            let weight = (format!("{}.weight", 2 * l), vec![outputs, inputs]);
            [weight, (format!("{}.bias", 2 * l), vec![outputs])]
        })
        .collect()
}

/// Header and what follows it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), &'static str> {
    if bytes.len() as u64 > limits::DATA_BYTES {
        return Err("it is larger than a data file may be");
    }
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("it ends within its header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "it ends within its header")?;
    let (header, data) = rest.split_at_checked(length).ok_or("it ends within its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    Ok((header, data))
}

/// Number of the layer, and 0 for its weight or 1 for its bias.
fn place(name: &str) -> Option<(u32, usize)> {
    let (stem, part) = name.rsplit_once('.')?;
    let part = ["weight", "bias"].iter().position(|known| *known == part)?;
    let number = stem.rsplit('.').next()?;
    number.parse().ok().map(|number| (number, part))
}

fn values(tensor: &Tensor<'_>, count: usize, data: &[u8]) -> Result<Vec<f64>, String> {
    let width = match tensor.dtype {
        "F32" => 4,
        "F64" => 8,
        other => return Err(format!("is of type `{}`; F32 and F64 are read", other.escape_debug())),
    };
    let bytes = match tensor.offsets[..] {
        [from, to] => data.get(from..to),
        _ => None,
    };
    let bytes = bytes.filter(|bytes| bytes.len() == count * width).ok_or("lies outside the file")?;
    Ok(if width == 4 {
        let (values, _) = bytes.as_chunks::<4>();
        values.iter().map(|value| f64::from(f32::from_le_bytes(*value))).collect()
    } else {
        let (values, _) = bytes.as_chunks::<8>();
        values.iter().map(|value| f64::from_le_bytes(*value)).collect()
    })
}

/// The tensors of the header, a JSON object; `None` if it is anything else. Names with escapes are not read.
fn tensors(header: &str) -> Option<Vec<(&str, Tensor<'_>)>> {
    let mut json = Json(header);
    let mut tensors = Vec::new();
    json.object(|json, name| {
        let mut tensor = Tensor::default();
        json.object(|json, key| {
            match key {
                "dtype" => tensor.dtype = json.string()?,
                "shape" => tensor.shape = json.numbers()?,
                "data_offsets" => tensor.offsets = json.numbers()?,
                // of `__metadata__`
                _ => drop(json.string()?),
            }
            Some(())
        })?;
        if name != "__metadata__" {
            tensors.push((name, tensor));
        }
        // two tensors for each of the most layers
        (tensors.len() <= 2 * limits::LAYERS).then_some(())
    })?;
    json.0.trim().is_empty().then_some(tensors)
}

/// What is left to read of a JSON text.
struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    fn take(&mut self, symbol: char) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(symbol)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take('"')?;
        let (text, rest) = self.0.split_once('"')?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn numbers(&mut self) -> Option<Vec<usize>> {
        self.take('[')?;
        let (inside, rest) = self.0.split_once(']')?;
        self.0 = rest;
        if inside.trim().is_empty() {
            return Some(Vec::new());
        }
        let numbers: Vec<usize> =
            inside.split(',').take(3).map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
        // no tensor of a network has more than two dimensions
        (numbers.len() <= 2).then_some(numbers)
    }

    fn object(&mut self, mut entry: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take('{')?;
        if self.take('}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.take(':')?;
            entry(self, key)?;
            if self.take(',').is_none() {
                return self.take('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};
    use seedsweep_common::spec::{self, Activation};

    use super::*;

    fn network() -> Network {
        let (activation, output_activation) = (Activation::Relu, Activation::Identity);
        Network::new(&spec::Network::Mlp(spec::Mlp { layers: vec![2, 2, 1], activation, output_activation }))
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    /// `safetensors.numpy.save({"0.weight": np.array([[1, 2], [3, 4]], "f4"), "0.bias": np.array([5, 6], "f4"),
    /// "2.weight": np.array([[7, 8]], "f8"), "2.bias": np.array([9], "f8")}, {"format": "pt"})`, safetensors 0.8.0.
    const SAVED: &str = r#"{"__metadata__":{"format":"pt"},"2.bias":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"2.weight":{"dtype":"F64","shape":[1,2],"data_offsets":[8,24]},"0.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},"0.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[32,48]}}   "#;

    fn saved() -> Vec<u8> {
        let singles = [5.0_f32, 6.0_f32, 1.0_f32, 2.0_f32, 3.0_f32, 4.0_f32];
        let doubles = [9.0_f64, 7.0_f64, 8.0_f64];
        let data: Vec<u8> = doubles
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .chain(singles.iter().flat_map(|value| value.to_le_bytes()))
            .collect();
        file(SAVED, &data)
    }

    #[test]
    fn layers_of_a_sequential_come_in_the_order_of_their_numbers() {
        assert_eq!(read("s", &saved(), &network()).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let renamed = SAVED.replace("\"0.", "\"layers.9.").replace("\"2.", "\"layers.10.");
        let data = &saved()[8 + SAVED.len()..];
        assert_eq!(read("s", &file(&renamed, data), &network()).unwrap()[0], 1.0);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let theta = [1.0, 2.5, -0.0, 4.0, 5.0, 0.1_f32.into(), 7.0, 8.0, 1e-30_f32.into()];
        for precision in [Precision::F32, Precision::F64] {
            let bytes = write(&network(), &theta, precision);
            let again = read("s", &bytes, &network()).unwrap();
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&again), bits(&theta));
            let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            assert_eq!(
                ((8 + header) % 8, bytes.len() - 8 - header),
                (0, if precision == Precision::F32 { 36 } else { 72 })
            );
        }
    }

    #[test]
    fn a_file_tells_the_widths_of_its_network() {
        assert_eq!(widths("s", &saved()).unwrap(), [2, 2, 1]);
        let data = &saved()[8 + SAVED.len()..];
        let said = |header: &str| widths("s", &file(header, data)).unwrap_err().to_string();
        assert!(said(&SAVED.replace("[1,2]", "[2,1]")).contains("another number of values"));
        assert!(said(&SAVED.replace("[2,2]", "[4]")).contains("no weight of two dimensions"));
        assert!(said(&SAVED.replace("[2,2]", "[0,2]")).contains("no unit"));
        assert!(said("{}").contains("no layer"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let data = saved()[8 + SAVED.len()..].to_vec();
        let said = |header: &str| read("s", &file(header, &data), &network()).unwrap_err().to_string();
        assert!(said(&SAVED.replace("F64", "F16")).contains("F32 and F64 are read"));
        assert!(said(&SAVED.replace("2.bias", "2.gamma")).contains("`2.gamma` is no"));
        assert!(said(&SAVED.replace("2.bias", "3.bias")).contains("3 layers, but the network has 2"));
        assert!(said(&SAVED.replace("[1,2]", "[2,1]")).contains("shape [2, 1], but [1, 2]"));
        assert!(said(&SAVED.replace("[1,2]", "[1,2,3]")).contains("not what the format says"));
        assert!(said("[]").contains("not what the format says"));
        assert!(read("s", &[1, 2], &network()).unwrap_err().to_string().contains("ends within its header"));
        let endless = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(read("s", &endless, &network()).unwrap_err().to_string().contains("ends within its header"));
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let sound = saved();
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = read("s", &bytes, &network());
        }
    }
}
