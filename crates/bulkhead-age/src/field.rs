//! Arithmetic modulo a 256-bit prime, for public values only.
//!
//! Two questions about a public key need it: is this Ed25519 key a point of its curve, and what is the other coordinate
//! of a compressed P-256 point. It is not constant-time and must never see a secret.
//!
//! Method: Montgomery multiplication (CIOS, Koç/Acar/Kaliski 1996), four 64-bit limbs, little-endian.

/// A number below 2²⁵⁶: four limbs, the least significant first.
pub(crate) type Limbs = [u64; 4];

/// The field of integers modulo one odd prime above 2²⁵⁴.
pub(crate) struct Field {
    modulus: Limbs,
    /// `-modulus⁻¹ mod 2⁶⁴`.
    negated_inverse: u64,
    /// `2²⁵⁶ mod modulus`: the Montgomery form of one.
    one: Limbs,
    /// `2⁵¹² mod modulus`: what takes a number into Montgomery form.
    square_of_radix: Limbs,
}

/// A field element in Montgomery form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element(Limbs);

impl Field {
    pub(crate) const fn new(modulus: Limbs) -> Self {
        // Newton's iteration doubles the correct bits of the inverse each time: 1, 2, 4 … 64.
        let mut inverse = 1u64;
        let mut round = 0;
        while round < 6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(modulus[0].wrapping_mul(inverse)));
            round += 1;
        }
        let one = power_of_two(256, &modulus);
        let square_of_radix = power_of_two(512, &modulus);
        Self { modulus, negated_inverse: inverse.wrapping_neg(), one, square_of_radix }
    }

    pub(crate) const fn one(&self) -> Element {
        Element(self.one)
    }

    pub(crate) fn element(&self, number: Limbs) -> Element {
        self.multiply(Element(number), Element(self.square_of_radix))
    }

    /// The number below the modulus that `element` stands for.
    pub(crate) fn number(&self, element: Element) -> Limbs {
        self.multiply(element, Element([1, 0, 0, 0])).0
    }

    pub(crate) fn add(&self, left: Element, right: Element) -> Element {
        Element(add_modulo(&left.0, &right.0, &self.modulus))
    }

    pub(crate) fn negate(&self, element: Element) -> Element {
        if element.0 == [0; 4] {
            return element;
        }
        Element(subtract(&self.modulus, &element.0).0)
    }

    pub(crate) fn subtract(&self, left: Element, right: Element) -> Element {
        self.add(left, self.negate(right))
    }

    pub(crate) fn multiply(&self, left: Element, right: Element) -> Element {
        let (a, b) = (&left.0, &right.0);
        let mut sum = [0u64; 4];
        let mut top = 0u64;
        for &b_limb in b {
            let mut carry = 0u128;
            for (limb, &a_limb) in sum.iter_mut().zip(a) {
                let wide = u128::from(*limb) + u128::from(a_limb) * u128::from(b_limb) + carry;
                *limb = wide as u64;
                carry = wide >> 64;
            }
            let above = u128::from(top) + carry;

            let factor = sum[0].wrapping_mul(self.negated_inverse);
            let mut carry = (u128::from(sum[0]) + u128::from(factor) * u128::from(self.modulus[0])) >> 64;
            for i in 1..4 {
                let wide = u128::from(sum[i]) + u128::from(factor) * u128::from(self.modulus[i]) + carry;
                sum[i - 1] = wide as u64;
                carry = wide >> 64;
            }
            let wide = (above & u128::from(u64::MAX)) + carry;
            sum[3] = wide as u64;
            top = ((above >> 64) + (wide >> 64)) as u64;
        }
        let (reduced, borrow) = subtract(&sum, &self.modulus);
        Element(if top != 0 || !borrow { reduced } else { sum })
    }

    /// Does `element` have a root? Nothing for zero, which is its own.
    ///
    /// By the Jacobi symbol (Cohen, A Course in Computational Algebraic Number Theory, algorithm 1.4.10), several times
    /// faster than Euler's criterion. That an element in Montgomery form is multiplied by 2²⁵⁶, a square, changes nothing.
    pub(crate) fn is_square(&self, element: Element) -> Option<bool> {
        let (mut above, mut below) = (element.0, self.modulus);
        let mut is_square = true;
        while above != [0; 4] {
            let zeros = trailing_zeros(&above);
            above = shift_right(&above, zeros);
            if zeros % 2 == 1 && matches!(below[0] & 7, 3 | 5) {
                is_square = !is_square;
            }
            if is_below(&above, &below) {
                std::mem::swap(&mut above, &mut below);
                if above[0] & below[0] & 3 == 3 {
                    is_square = !is_square;
                }
            }
            above = subtract(&above, &below).0;
        }
        (below == [1, 0, 0, 0]).then_some(is_square)
    }

    pub(crate) fn power(&self, base: Element, exponent: Limbs) -> Element {
        let mut result = self.one();
        for limb in exponent.iter().rev() {
            for bit in (0..64).rev() {
                result = self.multiply(result, result);
                if limb >> bit & 1 == 1 {
                    result = self.multiply(result, base);
                }
            }
        }
        result
    }
}

/// Reads 32 bytes, the least significant first.
pub(crate) fn from_little_endian(bytes: &[u8; 32]) -> Limbs {
    let mut limbs = [0u64; 4];
    for (i, byte) in bytes.iter().enumerate() {
        limbs[i / 8] |= u64::from(*byte) << (8 * (i % 8));
    }
    limbs
}

/// Reads 32 bytes, the most significant first.
pub(crate) fn from_big_endian(bytes: &[u8; 32]) -> Limbs {
    let mut reversed = *bytes;
    reversed.reverse();
    from_little_endian(&reversed)
}

/// Writes 32 bytes, the most significant first.
pub(crate) fn to_big_endian(limbs: &Limbs) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    for (i, byte) in bytes.iter_mut().rev().enumerate() {
        *byte = (limbs[i / 8] >> (8 * (i % 8))) as u8;
    }
    bytes
}

/// Is `left` below `right`?
pub(crate) fn is_below(left: &Limbs, right: &Limbs) -> bool {
    subtract(left, right).1
}

/// Of a number that is not zero.
fn trailing_zeros(limbs: &Limbs) -> u32 {
    let empty = limbs.iter().take_while(|limb| **limb == 0).count();
    64 * empty as u32 + limbs.get(empty).map_or(0, |limb| limb.trailing_zeros())
}

fn shift_right(limbs: &Limbs, bits: u32) -> Limbs {
    let (whole, rest) = ((bits / 64) as usize, bits % 64);
    let mut shifted = [0u64; 4];
    for (i, limb) in shifted.iter_mut().enumerate() {
        let low = limbs.get(i + whole).copied().unwrap_or(0);
        let high = limbs.get(i + whole + 1).copied().unwrap_or(0);
        *limb = if rest == 0 { low } else { low >> rest | high << (64 - rest) };
    }
    shifted
}

const fn power_of_two(exponent: u32, modulus: &Limbs) -> Limbs {
    let mut value = [1, 0, 0, 0];
    let mut i = 0;
    while i < exponent {
        value = add_modulo(&value, &value, modulus);
        i += 1;
    }
    value
}

/// `left + right mod modulus`, both below the modulus.
const fn add_modulo(left: &Limbs, right: &Limbs, modulus: &Limbs) -> Limbs {
    let mut sum = [0u64; 4];
    let mut carry = 0u128;
    let mut i = 0;
    while i < 4 {
        let wide = left[i] as u128 + right[i] as u128 + carry;
        sum[i] = wide as u64;
        carry = wide >> 64;
        i += 1;
    }
    let (reduced, borrow) = subtract(&sum, modulus);
    if carry != 0 || !borrow { reduced } else { sum }
}

/// `left - right mod 2²⁵⁶`, and whether it went below zero.
const fn subtract(left: &Limbs, right: &Limbs) -> (Limbs, bool) {
    let mut difference = [0u64; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (step, first) = left[i].overflowing_sub(right[i]);
        let (step, second) = step.overflowing_sub(borrow as u64);
        difference[i] = step;
        borrow = first || second;
        i += 1;
    }
    (difference, borrow)
}
