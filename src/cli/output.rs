//! Standard output, which only commands write.

use std::io::{self, IsTerminal as _, Write as _};

use super::Error;

/// Narrower terminals are not served.
const COLUMNS_MIN: usize = 20;

/// As it is: for files and programs.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::Write)
}

/// One JSON document on one line.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    print(&serde_json::to_string(value).expect("our own records have string keys and finite numbers"))
}

/// For people: on a terminal, lines that are too long for it are broken between words.
pub fn print_wrapped(text: &str) -> Result<(), Error> {
    match terminal_columns() {
        Some(columns) => print(&wrap(text, columns)),
        None => print(text),
    }
}

fn terminal_columns() -> Option<usize> {
    let out = io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten()?;
    (usize::from(size.ws_col) >= COLUMNS_MIN).then_some(size.ws_col.into())
}

/// Lines of at most `columns`, but for longer words, which stay whole. What goes on another line is indented by two
/// more than the line it came from.
fn wrap(text: &str, columns: usize) -> String {
    text.lines().map(|line| wrap_line(line, columns)).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, columns: usize) -> String {
    let words = line.trim_start();
    let indent = line.len() - words.len();
    let mut wrapped = line[..indent].to_owned();
    let (mut used, mut line_is_empty) = (indent, true);
    for piece in pieces(words) {
        let width: usize = piece.trim_end().chars().map(columns_of).sum();
        if !line_is_empty && used + width > columns {
            wrapped.truncate(wrapped.trim_end().len());
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent + 2));
            used = indent + 2;
        }
        wrapped.push_str(piece);
        used += width + (piece.len() - piece.trim_end().len());
        line_is_empty = false;
    }
    wrapped
}

/// A text cut where a line may end: behind spaces, and beside full-width characters, but not before those that close
/// something.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (at, now) in text.char_indices() {
        let may_end = before.is_some_and(|before| {
            now != ' ' && !closes(now) && (before == ' ' || is_full_width(before) || is_full_width(now))
        });
        if may_end {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(now);
    }
    pieces.push(&text[start..]);
    pieces
}

/// No line of Japanese begins with these.
fn closes(character: char) -> bool {
    "、。，．・：；！？）」』】〉》ーッャュョァィゥェォっゃゅょぁぃぅぇぉ々,.:;!?)]}%".contains(character)
}

fn columns_of(character: char) -> usize {
    if is_full_width(character) { 2 } else { 1 }
}

/// Kana, kanji and their punctuation; half-width kana take one column.
fn is_full_width(character: char) -> bool {
    let cjk = '\u{2e80}'..='\u{a4cf}';
    let compatibility_ideographs = '\u{f900}'..='\u{faff}';
    let full_width_forms = '\u{ff01}'..='\u{ff60}';
    let emoji = '\u{1f300}'..='\u{1faff}';
    let later_extensions = '\u{20000}'..='\u{3fffd}';
    [cjk, compatibility_ideographs, full_width_forms, emoji, later_extensions]
        .iter()
        .any(|range| range.contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_cut() {
        assert_eq!(wrap("  rationale: power 2*3=6 W", 16), "  rationale:\n    power 2*3=6\n    W");
        assert_eq!(wrap("an unbreakable word", 5), "an\n  unbreakable\n  word");
        assert_eq!(wrap("short\n\n  lines stay", 80), "short\n\n  lines stay");
    }

    #[test]
    fn japanese_breaks_between_characters_of_two_columns() {
        assert_eq!(wrap("理由: 工具が摩耗しました。", 12), "理由: 工具が\n  摩耗しまし\n  た。");
        assert_eq!(wrap("型番M-12を確認", 8), "型番M-12\n  を確認");
    }
}
