//! Standard output, which only commands write; and how text is made fit for a terminal. What others wrote (askers, files, the
//! names of clients) must not move the cursor, set a title or turn the direction of the text: [`visible`] shows such characters
//! instead. Everything that is printed or logged goes through it.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use super::Error;

/// Narrower terminals are not served.
const COLUMNS_MIN: usize = 20;

/// Line by line as it is, with what a terminal would act on made [`visible`].
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", visible(text)).and_then(|()| out.flush()).map_err(Error::Write)
}

/// One JSON document on one line.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    print(&serde_json::to_string(value).expect("our own records have string keys and finite numbers"))
}

/// For people: on a terminal, lines that are too long for it are broken between words.
pub fn print_wrapped(text: &str) -> Result<(), Error> {
    match terminal_columns() {
        Some(columns) => print(&wrap(&visible(text), columns)),
        None => print(text),
    }
}

/// A message to standard error; there is nowhere to say that it cannot be written.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// A text with `\u001b` in the place of each control character but line break and tab. So JSON stays JSON, and TOML stays TOML.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_a_terminal) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts_on_a_terminal(character) {
            shown += &format!("\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

/// What a terminal does not show but does: escapes and other controls of both sets, what turns the direction of the text, and
/// separators that break a line in some terminals only.
fn acts_on_a_terminal(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        '\u{2028}' | '\u{2029}' => true,
        _ => character.is_control(),
    }
}

/// The lines of a text, those after the first indented: none of them can be taken for a line of ours.
pub fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n    ")
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
    fn no_character_acts_on_the_terminal() {
        for (text, shown) in [
            ("\u{1b}]0;title\u{7}\u{1b}[2J", "\\u001b]0;title\\u0007\\u001b[2J"),
            ("over\rwritten\u{8}\u{7f}", "over\\u000dwritten\\u0008\\u007f"),
            ("\u{9b}31m\u{85}\u{90}", "\\u009b31m\\u0085\\u0090"),
            ("\u{202e}fish\u{2066}\u{2069}\u{200f}\u{61c}", "\\u202efish\\u2066\\u2069\\u200f\\u061c"),
            ("\u{2028}\u{2029}\u{b}\u{c}\0", "\\u2028\\u2029\\u000b\\u000c\\u0000"),
            ("two\nlines\tand 日本語 ü 👩\u{200d}🔧", "two\nlines\tand 日本語 ü 👩\u{200d}🔧"),
        ] {
            assert_eq!(visible(text), shown);
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&visible(&json)).unwrap(), text, "JSON stays JSON");
        }
        assert_eq!(indented("a\r\nreview 確認 1: right\n"), "a\n    review 確認 1: right");
    }

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
