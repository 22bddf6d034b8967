//! Settings from the environment: `SEEDSWEEP_*`, read where no flag says otherwise.

/// The variable `name`, if it is set to anything.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
