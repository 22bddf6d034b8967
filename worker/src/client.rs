//! Talks to the coordinator: register, lease, renew, report, back off.
