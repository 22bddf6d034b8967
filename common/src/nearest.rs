//! The word that was probably meant: for "did you mean" in messages about specs and data.

use crate::limits;

/// The word of `words` nearest to `word`, if it differs in case or two edits or fewer lead to it, and if those leave
/// some of it. Long words are no slips of the finger and have none.
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let short = |word: &str| word.len() <= limits::NAME_CHARS;
    let wanted = Some(word).filter(|word| short(word))?.to_lowercase();
    words
        .into_iter()
        .filter(|known| short(known))
        .map(|known| (edit_distance(&wanted, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string
/// alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_a_swap_once() {
        for (a, b, distance) in [
            ("", "", 0),
            ("restart", "restarts", 1),
            ("dgits", "digits", 1),
            ("rleu", "relu", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn a_word_in_another_case_is_near_and_a_long_one_is_not() {
        assert_eq!(nearest("LABEL", ["lable", "Label"]), Some("Label"));
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest(&"a".repeat(limits::NAME_CHARS + 1), ["aa"]), None);
    }
}
