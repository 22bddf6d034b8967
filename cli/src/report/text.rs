//! Text from reports as Markdown and as paragraphs.

use seedsweep_shell::output::escape;

/// `text` as Markdown that shows it as it is, in a table or outside.
pub(crate) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escape(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '&' | '!') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// `text`, made harmless, as lines of at most `width` characters where its words allow: the first after `first`, the
/// others indented as far.
pub(crate) fn paragraph(first: &str, text: &str, width: usize) -> String {
    let indent = first.chars().count();
    let mut lines = String::from(first);
    let mut column = indent;
    // a number keeps its unit: `95 %` is one word
    let text = escape(text).replace(" %", "\u{a0}%");
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(&word.replace('\u{a0}', " "));
        column += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_cell() {
        assert_eq!(markdown("a|b <script> *c* _d_\r"), "a\\|b \\<script\\> \\*c\\* \\_d\\_\\\\r");
    }

    #[test]
    fn paragraphs_keep_their_width_and_indent() {
        assert_eq!(paragraph("ab  ", "one two three four", 13), "ab  one two\n    three\n    four\n");
        assert_eq!(paragraph("", "in 95 % of pairs", 6), "in\n95 %\nof\npairs\n");
        assert_eq!(paragraph("", "incomprehensibilities are long", 5), "incomprehensibilities\nare\nlong\n");
    }
}
