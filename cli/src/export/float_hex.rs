//! Floats as Python's `float.hex` writes them: exact, and readable by `float.fromhex` and C's `strtod`.

/// `value` in hexadecimal.
pub(crate) fn float_hex(value: f64) -> String {
    let sign = if value.is_sign_negative() && !value.is_nan() { "-" } else { "" };
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    match (exponent, fraction) {
        (0x7ff, 0) => format!("{sign}inf"),
        (0x7ff, _) => "nan".to_owned(),
        (0, 0) => format!("{sign}0x0.0p+0"),
        (0, _) => format!("{sign}0x0.{fraction:013x}p-1022"),
        _ => format!("{sign}0x1.{fraction:013x}p{:+}", exponent - 1023),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // python3 -c "for x in (0.0, -0.0, 1.0, -0.1, 1/3, 5e-324, 2.225073858507201e-308, 1.7976931348623157e308):
    //   print(x.hex())"   (CPython 3.11)
    #[test]
    fn writes_what_python_writes() {
        for (value, text) in [
            (0.0, "0x0.0p+0"),
            (-0.0, "-0x0.0p+0"),
            (1.0, "0x1.0000000000000p+0"),
            (-0.1, "-0x1.999999999999ap-4"),
            (1.0 / 3.0, "0x1.5555555555555p-2"),
            (5e-324, "0x0.0000000000001p-1022"),
            (2.225_073_858_507_201e-308, "0x0.fffffffffffffp-1022"),
            (f64::MAX, "0x1.fffffffffffffp+1023"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
        ] {
            assert_eq!(float_hex(value), text);
        }
    }
}
