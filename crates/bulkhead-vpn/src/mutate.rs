//! Texts that are wrong in random ways, for tests of what reads texts of others.

/// Change a text in a few places: bytes replaced, inserted, removed, repeated; the same for the same seed (xorshift,
/// Marsaglia 2003).
pub fn mutate(text: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap_or_default()
    };
    let odd = b"\0\n\r\"{}[]:,+-/=.%9\xff\xc3eE ";
    let mut changed = text.to_vec();
    for _ in 0..=random(4) {
        let at = random(changed.len() + 1);
        let byte = odd.get(random(odd.len())).copied().unwrap_or_default();
        match random(5) {
            0 if at < changed.len() => changed[at] = byte,
            1 => changed.insert(at, byte),
            2 if at < changed.len() => drop(changed.remove(at)),
            3 => changed.truncate(at),
            _ => {
                let end = (at + random(20)).min(changed.len());
                let again = changed[at..end].repeat(1 + random(12));
                changed.splice(at..at, again);
            }
        }
    }
    changed
}
