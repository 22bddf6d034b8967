//! What this machine gives to training: lanes, speed, memory. Read from the environment and measured at the start;
//! no outcome depends on any of it.

use seedsweep_common::spec::Precision;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::{output, settings};

use crate::cost::machine::Machine;
use crate::nn::lane::{Lanes, Level};
use crate::train::{Axis, Prepared};

/// The variable that forces a lane width.
const LANES: &str = "SEEDSWEEP_LANES";
/// The variable that forces what shares a register.
const AXIS: &str = "SEEDSWEEP_AXIS";
/// Share of the free memory that slots may take together: the rest is for data, reports and others.
const SHARE_OF_FREE: f64 = 0.8;
/// What is taken as free where the system does not say.
const UNKNOWN_FREE_BYTES: u64 = 4 << 30;

/// What training runs on.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// The lanes of pods.
    pub lanes: Lanes,
    /// What shares a register, where it is forced.
    pub axis: Option<Axis>,
    /// Most bytes that one trial, or one pod of them, may take.
    pub slot_bytes: u64,
    single: Machine,
    double: Machine,
}

impl Means {
    /// Measures this machine, for `slots` threads that may take `slot_bytes` each, if that is given.
    ///
    /// # Errors
    /// If `SEEDSWEEP_LANES` or `SEEDSWEEP_AXIS` asks for what there is not.
    pub fn of_this_machine(slots: u32, slot_bytes: Option<u64>) -> Result<Self, CliError> {
        let lanes = match settings::variable(LANES) {
            None => Lanes::detect(),
            Some(text) => forced_lanes(&text)
                .map_err(|problem| CliError::new(Kind::Usage, format!("{LANES} is {problem}")))?,
        };
        let axis = match settings::variable(AXIS) {
            None => None,
            Some(text) => Some(
                forced_axis(&text)
                    .map_err(|problem| CliError::new(Kind::Usage, format!("{AXIS} is {problem}")))?,
            ),
        };
        let fair_share = || (free_bytes() as f64 * SHARE_OF_FREE) as u64 / u64::from(slots.max(1));
        Ok(Self {
            lanes,
            axis,
            slot_bytes: slot_bytes.unwrap_or_else(fair_share),
            single: Machine::measure(lanes, Precision::F32),
            double: Machine::measure(lanes, Precision::F64),
        })
    }

    /// Lets the trials of `prepared` run on this.
    pub fn lend(&self, prepared: &mut Prepared) {
        prepared.force_lanes(self.lanes);
        if let Some(axis) = self.axis {
            prepared.force_axis(axis);
        }
    }

    /// Speeds of one slot in `precision`.
    pub fn machine(&self, precision: Precision) -> &Machine {
        match precision {
            Precision::F32 => &self.single,
            Precision::F64 => &self.double,
        }
    }

    /// Fails with the numbers if a trial needs `needed` bytes and may not take them.
    pub fn allow(&self, needed: u64) -> Result<(), String> {
        if needed <= self.slot_bytes {
            return Ok(());
        }
        let (needed, allowed) = (human_bytes(needed), human_bytes(self.slot_bytes));
        Err(format!("a trial needs {needed} of memory, but a slot here may take {allowed} (--slot-memory)"))
    }

    /// Name of the lanes, as in status.
    pub fn lanes_name(&self) -> &'static str {
        match self.lanes.level() {
            Level::Baseline => "plain",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Name of the axis as in status; empty where the network decides.
    pub fn axis_name(&self) -> &'static str {
        match self.axis {
            None => "",
            Some(Axis::Restart) => "restart",
            Some(Axis::Unit) => "unit",
        }
    }

    /// Says what people should know before they wait.
    pub fn announce(&self) {
        tracing::info!(
            lanes = self.lanes_name(),
            axis = self.axis_name(),
            peak_gflops = self.single.peak_flops / 1e9,
            slot_mib = self.slot_bytes >> 20,
            "what trials run on"
        );
        if Level::detect() == Level::Baseline {
            output::note(
                "note: this processor has no AVX2 and FMA, or this build cannot use what it has: training takes tens of \
                 times longer, with the same bits",
            );
        } else if self.lanes != Lanes::detect() {
            output::note(&format!(
                "note: {LANES} forces {} lanes; the bits stay the same",
                self.lanes_name()
            ));
        }
        if self.axis.is_some() {
            output::note(&format!(
                "note: {AXIS} forces lanes by {}; the bits stay the same",
                self.axis_name()
            ));
        }
    }
}

/// The axis that `text` names; else what is wrong.
fn forced_axis(text: &str) -> Result<Axis, String> {
    match text {
        "restart" => Ok(Axis::Restart),
        "unit" => Ok(Axis::Unit),
        _ => Err(format!("`{}`: `restart` and `unit` are allowed", shown(text))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(20).flat_map(char::escape_default).collect()
}

/// The lanes that are `text` numbers of single precision wide; else what is wrong.
fn forced_lanes(text: &str) -> Result<Lanes, String> {
    let level = match text {
        "1" => Level::Baseline,
        "8" => Level::Avx2,
        "16" => Level::Avx512,
        _ => return Err(format!("`{}`: 1, 8 and 16 are allowed", shown(text))),
    };
    Lanes::force(level).ok_or_else(|| {
        let instructions = if level == Level::Avx512 { "AVX-512 (F, DQ and VL)" } else { "AVX2 and FMA" };
        format!("{text}: this processor has no {instructions}")
    })
}

/// Memory that can be had now: the system's, or less where a control group allows less.
fn free_bytes() -> u64 {
    let system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
    });
    let number = |path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|limit| limit.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    system.unwrap_or(UNKNOWN_FREE_BYTES).min(group.unwrap_or(u64::MAX))
}

/// Bytes of a text such as `512MiB`, `2GiB` or `1000000`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return Err("the unit must be KiB, MiB or GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a size such as 512MiB or 2GiB is needed".to_owned())?;
    number.checked_mul(factor).filter(|&bytes| bytes > 0).ok_or_else(|| "the size is out of range".to_owned())
}

/// Bytes for people.
pub fn human_bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..1048576.0 => format!("{:.1} KiB", bytes / 1_024.0),
        ..1073741824.0 => format!("{:.1} MiB", bytes / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_forced_by_their_width() {
        assert_eq!(forced_lanes("1"), Ok(Lanes::force(Level::Baseline).unwrap()));
        for wrong in ["", "0", "2", "avx2", "16 ", "-1"] {
            assert!(forced_lanes(wrong).unwrap_err().contains("1, 8 and 16 are allowed"), "{wrong:?}");
        }
    }

    #[test]
    fn axes_are_forced_by_their_name() {
        assert_eq!(forced_axis("restart"), Ok(Axis::Restart));
        assert_eq!(forced_axis("unit"), Ok(Axis::Unit));
        assert!(forced_axis("Unit").unwrap_err().contains("`restart` and `unit` are allowed"));
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_bytes("4096"), Ok(4_096));
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("2 GiB"), Ok(2 << 30));
        for wrong in ["", "MiB", "0", "-1", "1.5GiB", "99999999999GiB", "5 TB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(human_bytes(1_536), "1.5 KiB");
        assert_eq!(human_bytes(3 << 30), "3.0 GiB");
    }
}
