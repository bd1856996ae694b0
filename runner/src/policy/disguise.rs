//! Paths of URLs that a server may take for others than `--allow-data` compares.

use percent_encoding::percent_decode_str;

/// Nobody encodes a name more often than this in good faith.
const MOST_ENCODINGS: usize = 8;

/// Whether a path holds `..` in any disguise, or a character that no path needs. The plain `..` is gone: parsing the URL has
/// dealt with it. Servers differ in how often they decode, which characters they take for `.` and `/`, and what
/// they cut off from a name, so a path is refused if any of them could leave its folder by it.
pub(super) fn is_disguised(path: &str) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MOST_ENCODINGS {
        // What is not UTF-8 may be a dot in a longer encoding (`%c0%ae`).
        let Ok(decoded) = percent_decode_str(&path).decode_utf8() else {
            return true;
        };
        if decoded.contains(char::is_control) {
            return true;
        }
        let plain: String = decoded.chars().flat_map(plain).collect();
        if plain == path {
            return path.split('/').any(climbs) || holds_wide_encoding(&path);
        }
        path = plain;
    }
    true
}

/// What some servers take a character for. Those that some servers leave out are gone: white space and signs beyond ASCII.
fn plain(each: char) -> Vec<char> {
    match each {
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff0e}' | '\u{ff61}' => vec!['.'],
        '\u{2025}' => vec!['.'; 2],
        '\u{2026}' => vec!['.'; 3],
        '\\' | '\u{2044}' | '\u{2215}' | '\u{29f5}' | '\u{29f8}' | '\u{fe68}' | '\u{ff0f}'
        | '\u{ff3c}' => vec!['/'],
        '\u{fe6a}' | '\u{ff05}' => vec!['%'],
        each if each.is_ascii() || each.is_alphanumeric() => vec![each],
        _ => Vec::new(),
    }
}

/// Whether a name is `..`, alone or before something that a server may cut off: `..;x`, `..?x`, `.. `.
fn climbs(name: &str) -> bool {
    let rest = name.trim_start_matches(['.', ' ']);
    let dots = name[..name.len() - rest.len()].matches('.').count();
    let is_a_name = |first: char| first.is_alphanumeric() || "_-".contains(first);
    dots >= 2 && !rest.starts_with(is_a_name)
}

/// `%u002e`, as old servers of Microsoft's have it.
fn holds_wide_encoding(path: &str) -> bool {
    path.to_ascii_lowercase().split("%u").skip(1).any(|rest| {
        let digits = rest.bytes().take(4);
        digits.filter(u8::is_ascii_hexdigit).count() == 4
    })
}
