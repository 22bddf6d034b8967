//! What a command says when it fails: one kind per exit code, the chain of causes, and how both are
//! printed. Never a backtrace, never a control character of somebody else's text.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use serde::Serialize;

use crate::cause;
use crate::exit::{self, Exit};
use crate::output;
use crate::secret::SecretError;

/// What kind of failure it is: decides the exit code and the `code` of the JSON error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asks for what cannot be done, or for more than a bound allows.
    Usage,
    /// The spec, or a file that it names, is wrong.
    Spec,
    /// A file of the user's cannot be read or written.
    File,
    /// Nobody answers at the coordinator's address.
    Unreachable,
    /// No such store, sweep or experiment.
    NotFound,
    /// A token is missing, wrong or exposed.
    NotAllowed,
    /// The store is damaged, in use, full or cannot be written.
    Store,
    /// A signal came.
    Interrupted,
    /// The reader of stdout has seen enough: a success, and silent.
    ReaderGone,
    /// This should not happen.
    Bug,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Spec => "spec",
            Self::File => "file",
            Self::Unreachable => "unreachable",
            Self::NotFound => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::Store => "store",
            Self::Interrupted => "interrupted",
            Self::ReaderGone => "reader_gone",
            Self::Bug => "bug",
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Usage | Self::Spec | Self::File => exit::USAGE,
            Self::Unreachable => exit::UNREACHABLE,
            Self::NotFound => exit::NOT_FOUND,
            Self::NotAllowed => exit::NOT_ALLOWED,
            Self::Store => exit::STORE,
            Self::Interrupted => exit::INTERRUPTED,
            Self::ReaderGone => exit::FINE,
            Self::Bug => exit::BUG,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    /// Texts with a layout of their own (carets under a line), printed before the message.
    exhibits: Vec<String>,
}

impl CliError {
    /// A failure of `kind`: `message` names what was asked, the value given and what is allowed.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), exhibits: Vec::new() }
    }

    /// A failure of `kind` whose message is that of `error`.
    pub fn of(kind: Kind, error: &(dyn Error + 'static)) -> Self {
        Self { causes: chain(error.source()), ..Self::new(kind, error.to_string()) }
    }

    /// A failure of `kind` with `source` and all that lies behind it as causes.
    pub fn caused(kind: Kind, message: impl Into<String>, source: &(dyn Error + 'static)) -> Self {
        Self { causes: chain(Some(source)), ..Self::new(kind, message) }
    }

    /// A spec with errors, each rendered with its place in the file.
    pub fn spec(origin: &str, rendered: Vec<String>) -> Self {
        let (count, noun) = (rendered.len(), if rendered.len() == 1 { "error" } else { "errors" });
        let message = format!("`{origin}` has {count} {noun}; nothing was started");
        Self { kind: Kind::Spec, message, causes: Vec::new(), exhibits: rendered }
    }

    /// What the coordinator answered instead of a result.
    pub fn status(status: &tonic::Status) -> Self {
        use tonic::Code;
        let kind = match status.code() {
            _ if cause::is_store(status) => Kind::Store,
            Code::NotFound => Kind::NotFound,
            Code::Unauthenticated | Code::PermissionDenied => Kind::NotAllowed,
            Code::Unavailable | Code::DeadlineExceeded => Kind::Unreachable,
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::ResourceExhausted => Kind::Usage,
            _ => Kind::Bug,
        };
        let text = status.message();
        let message = match (kind, text.is_empty()) {
            (Kind::Unreachable, true) => "the coordinator does not answer".to_owned(),
            (_, true) => format!("the coordinator answered: {}", status.code().description()),
            (_, false) => text.to_owned(),
        };
        match status.source() {
            Some(source) => Self::caused(kind, message, source),
            None => Self::new(kind, message),
        }
    }

    /// Says `message` first where a token was refused: the coordinator does not know which one was sent.
    pub fn about_token(mut self, message: String) -> Self {
        if self.kind == Kind::NotAllowed {
            self.causes.insert(0, std::mem::replace(&mut self.message, message));
        }
        self
    }

    /// The exit code that says so to the shell.
    pub fn exit(&self) -> Exit {
        self.kind.exit()
    }

    /// Writes the error to stderr, and as one JSON value to stdout if programs are listening.
    pub fn print(&self, json: bool) {
        if self.kind == Kind::ReaderGone {
            return;
        }
        let mut text = String::new();
        for exhibit in &self.exhibits {
            let _ = writeln!(text, "{}\n", output::escape_lines(exhibit.trim_end()));
        }
        let _ = writeln!(text, "error: {}", output::escape(&self.message));
        for cause in &self.causes {
            let _ = writeln!(text, "  because: {}", output::escape(cause));
        }
        // Nobody is left to be told if this fails.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        if json {
            self.print_json();
        }
    }

    /// Writes the error as one JSON value to stdout.
    pub fn print_json(&self) {
        let _ = output::line(&self.json());
    }

    fn json(&self) -> String {
        output::json(&Document {
            schema: "seedsweep.error/1",
            error: Body {
                code: self.kind.name(),
                exit: self.exit().0,
                message: &self.message,
                causes: self.exhibits.iter().chain(&self.causes).collect(),
            },
        })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    exit: u8,
    message: &'a str,
    causes: Vec<&'a String>,
}

/// What `next` and all errors behind it say.
fn chain(mut next: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(error) = next {
        let text = error.to_string();
        // Some libraries repeat their source in their own text, and tonic's outermost error says nothing.
        if !["", "transport error"].contains(&text.as_str()) && texts.last() != Some(&text) {
            texts.push(text);
        }
        next = error.source();
    }
    texts
}

impl From<SecretError> for CliError {
    fn from(error: SecretError) -> Self {
        let kind = match &error {
            SecretError::Exposed { .. } => Kind::NotAllowed,
            SecretError::Io { .. } | SecretError::Malformed { .. } => Kind::File,
        };
        Self::of(kind, &error)
    }
}

impl From<tokio::task::JoinError> for CliError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::caused(Kind::Bug, "a part of seedsweep stopped", &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_listed_once_and_in_order() {
        let error = CliError::caused(Kind::File, "cannot read", &Outer(std::io::Error::other("inner")));
        assert_eq!(error.causes, ["outer", "inner"]);
    }

    #[test]
    fn json_error_has_the_exit_code_of_the_process() {
        let error = CliError::spec("s.toml", vec!["error: a\n".into(), "error: b\n".into()]);
        let json: serde_json::Value = serde_json::from_str(&error.json()).unwrap();
        assert_eq!(json["schema"], "seedsweep.error/1");
        assert_eq!(json["error"]["code"], "spec");
        assert_eq!(json["error"]["exit"], 2);
        assert_eq!(json["error"]["causes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn each_grpc_code_has_its_exit_code() {
        use tonic::Status;
        for (status, exit) in [
            (Status::not_found("no sweep `x`"), 4),
            (Status::unauthenticated("wrong token"), 5),
            (Status::permission_denied("worker token"), 5),
            (Status::unavailable(""), 3),
            (Status::invalid_argument("`selector` is empty"), 2),
            (Status::resource_exhausted("1000 watchers are there"), 2),
            (cause::store(Status::resource_exhausted("the disk is full")), 6),
            (cause::store(Status::unavailable("No such file or directory")), 6),
            (cause::store(Status::data_loss("block 7")), 6),
            (Status::internal("oops"), 101),
        ] {
            assert_eq!(CliError::status(&status).exit().0, exit, "{status}");
        }
    }
}
