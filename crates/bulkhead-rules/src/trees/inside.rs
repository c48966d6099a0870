//! What is inside of a machine has modules of its own, and options of the same names.

use bulkhead_modules::OptionPath;

/// Where its modules begin: of users by home-manager, of variants as a virtual machine, of containers and virtual machines.
/// `*` is any name.
const INSIDE: [&[&str]; 5] = [
    &["home-manager", "users", "*"],
    &["virtualisation", "vmVariant"],
    &["virtualisation", "vmVariantWithBootLoader"],
    &["containers", "*", "config"],
    &["microvm", "vms", "*", "config"],
];

/// How many names of a path lead there, and to what is inside of that; 0 if it is an option of the machine.
pub(crate) fn depth_inside(path: &OptionPath) -> usize {
    let names = path.names();
    let fits = |start: usize, pattern: &[&str]| {
        names.len() >= start + pattern.len()
            && names[start..].iter().zip(pattern).all(|(name, wanted)| *wanted == "*" || **name == **wanted)
    };
    let mut start = 0;
    while let Some(pattern) = INSIDE.iter().find(|pattern| fits(start, pattern)) {
        start += pattern.len();
    }
    start
}

/// What an option is called there.
pub(crate) fn inside(path: &OptionPath) -> OptionPath {
    OptionPath::of(&path.names()[depth_inside(path)..])
}
