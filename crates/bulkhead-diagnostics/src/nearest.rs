//! "Did you mean …?"

/// Words longer than this, in characters, are no slip of the pen; not comparing them bounds the work.
const LONGEST: usize = 64;

/// The candidate that `word` was probably meant to be: the one with the fewest slips (a letter too many, missing,
/// wrong, or two swapped; the optimal string alignment distance), at most one slip per three letters. Upper and lower
/// case count as the same. The first of several equally near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word)?;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let Some(slips) = letters(candidate).and_then(|other| between(&word, &other)) else { continue };
        if best.is_none_or(|(least, _)| slips < least) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many slips lie between two words, if [`nearest`] would take the one for the other.
pub fn slips(word: &str, other: &str) -> Option<usize> {
    between(&letters(word)?, &letters(other)?)
}

fn between(word: &[char], other: &[char]) -> Option<usize> {
    let longer = word.len().max(other.len());
    let allowed = (longer / 3).max(1);
    if word.len().abs_diff(other.len()) > allowed {
        return None;
    }
    let slips = distance(word, other);
    // A word with nothing in common, like `a` for `b`, is no suggestion.
    (slips <= allowed && slips < longer).then_some(slips)
}

fn letters(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    (!letters.is_empty() && letters.len() <= LONGEST).then_some(letters)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let wrong = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (previous[j] + 1).min(current[j - 1] + 1).min(previous[j - 1] + wrong);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            current[j] = least;
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}
