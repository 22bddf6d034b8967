//! What is wrong with a spec, and where: collected while it is read, rendered once at the end.
//!
//! Collecting never stops the reader, so that a user sees all mistakes at once. Nothing here knows what a
//! spec means.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::limits;
use crate::nearest::nearest;

/// A place in the spec file (source 0) or in one of the `--set` texts (1, 2, …), in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(source: usize, range: Range<usize>) -> Self {
        Self { source, start: range.start, end: range.end }
    }
}

/// One text that spans point into.
struct Source<'s> {
    name: &'s str,
    text: &'s str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Error,
    Warning,
}

/// What is said beside the caret, and which experiments it is about (none: not about experiments).
struct Detail {
    label: String,
    experiments: BTreeSet<usize>,
}

/// Errors and warnings, each place and title once, sorted by source and position.
pub(super) struct Diagnostics<'s> {
    sources: Vec<Source<'s>>,
    found: BTreeMap<(Span, Severity, String), Detail>,
    /// Names of all experiments, by number.
    names: Vec<String>,
    /// The experiment under inspection: findings are about it.
    about: Option<usize>,
}

impl<'s> Diagnostics<'s> {
    pub(super) fn new(origin: &'s str, text: &'s str) -> Self {
        let sources = vec![Source { name: origin, text }];
        Self { sources, found: BTreeMap::new(), names: Vec::new(), about: None }
    }

    /// Adds the text of one `--set` and returns the number of its source.
    pub(super) fn add_set(&mut self, text: &'s str) -> usize {
        self.sources.push(Source { name: "--set", text });
        self.sources.len() - 1
    }

    /// Tells the names of all experiments.
    pub(super) fn name_experiments(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Findings from now on are about experiment number `experiment`, or about none in particular.
    pub(super) fn about(&mut self, experiment: Option<usize>) {
        self.about = experiment;
    }

    /// Reports what makes the spec unusable. Of equal reports the first is kept.
    pub(super) fn error(&mut self, at: Span, title: impl Into<String>, label: impl Into<String>) {
        self.add(Severity::Error, at, &title.into(), &label.into());
    }

    /// Reports what is legal but suspicious.
    pub(super) fn warn(&mut self, at: Span, title: impl Into<String>, label: impl Into<String>) {
        self.add(Severity::Warning, at, &title.into(), &label.into());
    }

    fn add(&mut self, severity: Severity, at: Span, title: &str, label: &str) {
        let (title, label) = (printable(title), printable(label));
        let new = || Detail { label, experiments: BTreeSet::new() };
        let detail = self.found.entry((at, severity, title)).or_insert_with(new);
        detail.experiments.extend(self.about);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.keys().any(|(_, severity, _)| *severity == Severity::Error)
    }

    /// All errors rendered, in order; at most [`limits::SPEC_MESSAGES`], then one line that counts the rest.
    pub(super) fn errors(&self) -> Vec<String> {
        self.rendered(Severity::Error)
    }

    /// All warnings rendered, in order; bounded like the errors.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.rendered(Severity::Warning)
    }

    fn rendered(&self, severity: Severity) -> Vec<String> {
        let of_severity = || self.found.iter().filter(move |((_, found, _), _)| *found == severity);
        let mut messages: Vec<String> = of_severity()
            .take(limits::SPEC_MESSAGES)
            .map(|((at, _, title), detail)| self.render(severity, *at, title, detail))
            .collect();
        let left = of_severity().count().saturating_sub(limits::SPEC_MESSAGES);
        if left > 0 {
            messages.push(format!("{left} more like these are not shown"));
        }
        messages
    }

    fn render(&self, severity: Severity, at: Span, title: &str, detail: &Detail) -> String {
        let source = &self.sources[at.source];
        let line = line_of(source.text, at);
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let snippet = Snippet::source(line.shown)
            .line_start(line.number)
            .annotation(AnnotationKind::Primary.span(line.marked).label(&detail.label));
        let title = level.primary_title(title);
        let mut group = if line.cut {
            let origin = Origin::path(source.name).line(line.number).char_column(line.column);
            title.element(origin).element(snippet)
        } else {
            title.element(snippet.path(source.name))
        };
        if let Some(note) = self.note(&detail.experiments) {
            group = group.element(Level::NOTE.message(note));
        }
        Renderer::plain().term_width(110).render(&[group])
    }

    /// Which experiments a finding is about, unless it is about all.
    fn note(&self, experiments: &BTreeSet<usize>) -> Option<String> {
        const NAMED: usize = 3;
        if experiments.is_empty() || experiments.len() == self.names.len() {
            return None;
        }
        let names: Vec<String> =
            experiments.iter().take(NAMED).map(|&index| format!("`{}`", self.names[index])).collect();
        let plural = if experiments.len() > 1 { "s" } else { "" };
        let more = experiments.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("in experiment{plural} {}{more}", names.join(", ")))
    }
}

/// The line of a source in which a span starts.
struct Line {
    /// Counted from 1.
    number: usize,
    /// Characters up to the span, counted from 1.
    column: usize,
    /// What is shown of the line, and whether its start is left out.
    shown: String,
    cut: bool,
    /// The part of `shown` that the span covers, in bytes; never past the line's end.
    marked: Range<usize>,
}

/// Finds the line by hand and shows what is near the span, so that the cost of a message depends neither on
/// the length of the file nor on that of the line. Spans that cut a character or leave the text are moved
/// to the next character before.
fn line_of(text: &str, at: Span) -> Line {
    const BEFORE_BYTES: usize = 300;
    const AFTER_BYTES: usize = 600;
    let start = boundary_before(text, at.start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
    let start = start.min(line_end);
    let from = boundary_before(text, start.saturating_sub(BEFORE_BYTES)).max(line_start);
    let upto = boundary_before(text, start + AFTER_BYTES).min(line_end);
    let end = boundary_before(text, at.end).clamp(start, upto.max(start));
    let cut = from > line_start;
    let mark = if cut { "…" } else { "" };
    let offset = from - mark.len();
    Line {
        number: text[..line_start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        shown: format!("{mark}{}", &text[from..upto]),
        cut,
        marked: start - offset..end - offset,
    }
}

fn boundary_before(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

/// `text` from a user, shortened to what fits a message.
pub(super) fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    let mut short: String = text.chars().take(CHARS).collect();
    if text.chars().nth(CHARS).is_some() {
        short.push('…');
    }
    printable(&short)
}

/// `text` with whatever could break a line, a terminal or the reading order written as an escape.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => printable.push(c),
            c => printable.extend(c.escape_debug()),
        }
    }
    printable
}

/// "did you mean `…`?" for the word of `words` nearest to `word`; empty if none is near.
pub(super) fn did_you_mean(word: &str, words: &[&str]) -> String {
    nearest(word, words.iter().copied()).map_or_else(String::new, |known| format!("did you mean `{known}`?"))
}

/// `words` as "`a`, `b` or `c`".
pub(super) fn any_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_needs_more_agreement_than_difference() {
        assert_eq!(did_you_mean("momentun", &["momentum"]), "did you mean `momentum`?");
        assert_eq!(did_you_mean("xy", &["lr"]), "");
        assert_eq!(did_you_mean("banana", &["batch"]), "");
    }

    #[test]
    fn any_span_is_rendered_without_a_panic() {
        let text = "a = \"é\"\r\nb = 2";
        for start in 0..=text.len() + 3 {
            for end in 0..=text.len() + 3 {
                let mut diagnostics = Diagnostics::new("x.toml", text);
                diagnostics.error(Span { source: 0, start, end }, "title", "label");
                assert!(diagnostics.errors()[0].contains("x.toml:"));
            }
        }
        let mut diagnostics = Diagnostics::new("x.toml", "");
        diagnostics.error(Span { source: 0, start: 0, end: 9 }, "title", "label");
        assert!(diagnostics.errors()[0].starts_with("error: title"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_span_and_keeps_its_column() {
        let text = format!("a = 1\nb = \"{}é!{}\"", "x".repeat(5000), "y".repeat(100_000));
        let at = text.find('!').unwrap();
        let mut diagnostics = Diagnostics::new("x.toml", &text);
        diagnostics.error(Span { source: 0, start: at, end: at + 1 }, "title", "label");
        let rendered = diagnostics.errors().remove(0);
        assert!(rendered.contains("x.toml:2:5007"), "{rendered}");
        assert!(rendered.len() < 2000, "{rendered}");
        let lines: Vec<&str> = rendered.lines().collect();
        let column = |line: &str, c| line.chars().position(|found| found == c);
        let caret = lines.iter().position(|line| line.contains('^')).unwrap();
        assert_eq!(column(lines[caret - 1], '!'), column(lines[caret], '^'), "{rendered}");
    }

    #[test]
    fn shown_text_cannot_break_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m\n\u{202e}é"), "a\\u{1b}[31m\\n\\u{202e}é");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
