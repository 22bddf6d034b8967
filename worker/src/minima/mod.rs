//! From an end point to a minimum: polish, certificate, fingerprint.
