//! Tokens as text, and the join file: all that a worker needs to find and enter a coordinator.

use serde::{Deserialize, Serialize};

/// Characters of a token: 32 random bytes in base64url without padding.
pub const TOKEN_CHARS: usize = 43;

/// Whether `text` can be a token.
pub fn is_token(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.len() == TOKEN_CHARS && text.chars().all(legal)
}

/// What a join file holds (`auth/worker.join` in a coordinator's store). Has no `Debug`: it carries a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// `http://host:port`.
    pub address: String,
    /// SHA-256 of the coordinator's certificate; `None` without TLS.
    pub certificate: Option<String>,
    /// The worker token.
    pub token: String,
}

/// A text that is no join file. Does not say what it holds instead: that may be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no join file: copy `auth/worker.join` of the coordinator's store")]
pub struct NotJoin;

impl Join {
    /// Reads the text of a join file.
    pub fn parse(text: &str) -> Result<Self, NotJoin> {
        let join: Self = serde_json::from_str(text).map_err(|_| NotJoin)?;
        if is_token(&join.token) { Ok(join) } else { Err(NotJoin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_file_reads_back_as_written() {
        let token = "aB3_-".repeat(9)[..TOKEN_CHARS].to_owned();
        let join = Join { address: "http://10.0.0.7:7373".into(), certificate: None, token };
        let text = serde_json::to_string_pretty(&join).unwrap();
        assert!(Join::parse(&text) == Ok(join));
    }

    #[test]
    fn other_texts_are_refused_without_showing_a_token() {
        let secret = "s".repeat(TOKEN_CHARS);
        let wrong_address = format!("{{\"address\": 5, \"certificate\": null, \"token\": \"{secret}\"}}");
        let wrong_token =
            format!("{{\"address\": \"http://a:1\", \"certificate\": null, \"token\": \"{secret}=\"}}");
        for text in ["", "{}", &secret, &wrong_address, &wrong_token] {
            let error = Join::parse(text).err().unwrap();
            assert!(!format!("{error:?} {error}").contains(&secret));
        }
    }

    #[test]
    fn only_whole_base64url_texts_are_tokens() {
        assert!(is_token(&"A".repeat(TOKEN_CHARS)));
        for wrong in ["", "short", &"é".repeat(22), &"=".repeat(TOKEN_CHARS), &"A".repeat(TOKEN_CHARS + 1)] {
            assert!(!is_token(wrong), "{wrong}");
        }
    }
}
