//! What can be said about a public point: is it on its curve, and does it have a small order.
//!
//! A point off the curve, or of small order, makes age refuse to encrypt. Neither shows in the key's length, and SSH keys
//! have no checksum, so that a mistyped character is found here or when somebody rekeys.

use crate::field::{Element, Field, Limbs, from_big_endian, from_little_endian, is_below, to_big_endian};

/// 2²⁵⁵ − 19 (RFC 7748, 4.1).
const CURVE25519: Field = Field::new([0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff]);
/// The constant `d` of edwards25519 (RFC 8032, 5.1).
const EDWARDS_D: Limbs = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];

/// 2²⁵⁶ − 2²²⁴ + 2¹⁹² + 2⁹⁶ − 1 (SEC 2, 2.4.2).
const P256_MODULUS: Limbs = [u64::MAX, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
const P256: Field = Field::new(P256_MODULUS);
/// (p + 1) / 4: raises a square to its root, because p mod 4 is 3.
const P256_ROOT: Limbs = [0, 0x0000_0000_4000_0000, 0x4000_0000_0000_0000, 0x3fff_ffff_c000_0000];
/// The constant `b` of P-256 (SEC 2, 2.4.2).
const P256_B: Limbs = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];

/// The `y` coordinates of the Ed25519 points whose order divides 8, little-endian and without the sign bit; the last two
/// are the numbers above the modulus that mean 0 and 1.
const EDWARDS_SMALL_ORDER: [[u8; 32]; 7] = [
    small(0),
    small(1),
    hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    near_modulus(0xec),
    near_modulus(0xed),
    near_modulus(0xee),
];

/// The `u` coordinates of the Curve25519 points whose order divides 8, without the top bit (RFC 7748, section 6.1 asks
/// to check for the all-zero result that they give).
const MONTGOMERY_SMALL_ORDER: [[u8; 32]; 7] = [
    small(0),
    small(1),
    hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    near_modulus(0xec),
    near_modulus(0xed),
    near_modulus(0xee),
];

/// Do these 32 bytes encode a point of edwards25519 (RFC 8032, 5.1.3)?
pub(crate) fn is_ed25519_point(key: &[u8; 32]) -> bool {
    let field = &CURVE25519;
    let y = field.element(from_little_endian(&without_top_bit(key)));
    let y_squared = field.multiply(y, y);
    let numerator = field.subtract(y_squared, field.one());
    let denominator = field.add(field.multiply(field.element(EDWARDS_D), y_squared), field.one());
    // x² = numerator / denominator has a root exactly when their product has one.
    let product = field.multiply(numerator, denominator);
    field.is_square(product).unwrap_or(true)
}

/// Is this Ed25519 key one of the few points for which a Diffie-Hellman result is the same for everybody?
pub(crate) fn is_ed25519_small_order(key: &[u8; 32]) -> bool {
    EDWARDS_SMALL_ORDER.contains(&without_top_bit(key))
}

/// The same question for an X25519 key.
pub(crate) fn is_x25519_small_order(key: &[u8; 32]) -> bool {
    MONTGOMERY_SMALL_ORDER.contains(&without_top_bit(key))
}

/// The uncompressed form (`04 ‖ x ‖ y`) of a compressed P-256 point (`02` or `03 ‖ x`; SEC 1, 2.3.4), or nothing if it is
/// no point of the curve.
pub(crate) fn decompress_p256(compressed: &[u8; 33]) -> Option<[u8; 65]> {
    let [sign @ (2 | 3), x_bytes @ ..] = compressed else {
        return None;
    };
    let x_limbs = from_big_endian(x_bytes);
    if !is_below(&x_limbs, &P256_MODULUS) {
        return None;
    }
    let square = p256_right_side(P256.element(x_limbs));
    let root = P256.power(square, P256_ROOT);
    if P256.multiply(root, root) != square {
        return None;
    }
    let number = P256.number(root);
    let wants_odd = *sign == 3;
    let is_odd = number[0] & 1 == 1;
    if number == [0; 4] && wants_odd {
        return None;
    }
    let y = if is_odd == wants_odd { number } else { P256.number(P256.negate(root)) };

    let mut uncompressed = [4u8; 65];
    uncompressed[1..33].copy_from_slice(x_bytes);
    uncompressed[33..].copy_from_slice(&to_big_endian(&y));
    Some(uncompressed)
}

/// Is `04 ‖ x ‖ y` a point of P-256?
pub(crate) fn is_p256_point(uncompressed: &[u8; 65]) -> bool {
    let [4, coordinates @ ..] = uncompressed else {
        return false;
    };
    let mut x = [0u8; 32];
    let mut y = [0u8; 32];
    x.copy_from_slice(&coordinates[..32]);
    y.copy_from_slice(&coordinates[32..]);
    let (x, y) = (from_big_endian(&x), from_big_endian(&y));
    if !is_below(&x, &P256_MODULUS) || !is_below(&y, &P256_MODULUS) {
        return false;
    }
    let y = P256.element(y);
    P256.multiply(y, y) == p256_right_side(P256.element(x))
}

/// `x³ − 3x + b`.
fn p256_right_side(x: Element) -> Element {
    let cube = P256.multiply(P256.multiply(x, x), x);
    let triple = P256.add(P256.add(x, x), x);
    P256.add(P256.subtract(cube, triple), P256.element(P256_B))
}

fn without_top_bit(key: &[u8; 32]) -> [u8; 32] {
    let mut masked = *key;
    masked[31] &= 0x7f;
    masked
}

const fn small(number: u8) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    bytes[0] = number;
    bytes
}

/// 2²⁵⁵ − 256 + `lowest`.
const fn near_modulus(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xffu8; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}

const fn hex(digits: &str) -> [u8; 32] {
    const fn value(digit: u8) -> u8 {
        if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
    }
    let digits = digits.as_bytes();
    let mut bytes = [0u8; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = value(digits[2 * i]) << 4 | value(digits[2 * i + 1]);
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_points_are_points() {
        // RFC 8032: the base point has y = 4/5, 0x6666…58.
        let mut base = [0x66u8; 32];
        base[0] = 0x58;
        assert!(is_ed25519_point(&base));
        assert!(!is_ed25519_small_order(&base));
        assert!(!is_x25519_small_order(&small(9)));

        // SEC 2, 2.4.2: the base point of P-256, compressed and not.
        let x = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
        let y = hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
        let mut compressed = [3u8; 33];
        compressed[1..].copy_from_slice(&x);
        let mut expected = [4u8; 65];
        expected[1..33].copy_from_slice(&x);
        expected[33..].copy_from_slice(&y);
        assert_eq!(decompress_p256(&compressed), Some(expected));
        assert!(is_p256_point(&expected));
        expected[64] ^= 1;
        assert!(!is_p256_point(&expected));
        compressed[0] = 4;
        assert_eq!(decompress_p256(&compressed), None);
    }

    #[test]
    fn about_half_of_all_strings_are_no_points() {
        let on_curve = |lowest: u8| is_ed25519_point(&small(lowest));
        let count = (0..=255).filter(|lowest| on_curve(*lowest)).count();
        assert!((90..170).contains(&count), "{count}");
        // y = 2 is the well-known smallest one that is off the curve.
        assert!(!on_curve(2));
        let p256 = |lowest: u8| {
            let mut point = [0u8; 33];
            point[0] = 2;
            point[32] = lowest;
            decompress_p256(&point)
        };
        let points: Vec<_> = (0..=255).filter_map(p256).collect();
        assert!((90..170).contains(&points.len()), "{}", points.len());
        assert!(points.iter().all(is_p256_point));
    }

    #[test]
    fn points_of_small_order_are_points() {
        for point in EDWARDS_SMALL_ORDER {
            assert!(is_ed25519_point(&point));
            assert!(is_ed25519_small_order(&point));
            let mut signed = point;
            signed[31] |= 0x80;
            assert!(is_ed25519_small_order(&signed));
        }
        assert!(is_x25519_small_order(&near_modulus(0xed)));
    }

    #[test]
    fn the_symbol_agrees_with_eulers_criterion() {
        // (2²⁵⁵ − 19 − 1) / 2
        const HALF: Limbs = [0xffff_ffff_ffff_fff6, u64::MAX, u64::MAX, 0x3fff_ffff_ffff_ffff];
        let mut state = 7_u64;
        for _ in 0..200 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state
            };
            let element = CURVE25519.element([next(), next(), next(), next() >> 2]);
            let euler = CURVE25519.power(element, HALF) == CURVE25519.one();
            assert_eq!(CURVE25519.is_square(element), Some(euler));
        }
        assert_eq!(CURVE25519.is_square(CURVE25519.element([0; 4])), None);
    }
}
