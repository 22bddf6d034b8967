//! Addresses of coordinators, and the time limits of connections to them.

use std::time::Duration;

use tonic::transport::Endpoint;

use crate::error::{CliError, Kind};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence on a quiet connection before it is probed, so that a `watch` notices a dead machine.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Where `address` points, with time limits set. Nothing is contacted yet.
pub fn endpoint(address: &str) -> Result<Endpoint, CliError> {
    if address.starts_with("https://") {
        let message = format!("`{address}` asks for TLS, which this version does not speak yet: use http://");
        return Err(CliError::new(Kind::Usage, message));
    }
    let wrong =
        || CliError::new(Kind::Usage, format!("`{address}` is not an address: write http://HOST:PORT"));
    if !address.starts_with("http://") {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| wrong())?;
    if endpoint.uri().host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert!(endpoint("http://127.0.0.1:7373").is_ok());
        for wrong in ["", "127.0.0.1:7373", "https://a:1", "http://", "ftp://a", "http://a b"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
