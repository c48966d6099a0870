//! Folders, keys and files for the tests of whole fleets.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::fs;

use tempfile::TempDir;

pub const S0: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnrwTMPJIXNryDOefMTE+gePVgiSRidvtodMSrfyKbx root@s0";
pub const KIF: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYVmzJqi2q0EQDGBoZyxh8QpixpwAIOcTswRxt69G1l root@kif";
pub const HOWL: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFLGOASoWTzmy02r0+WFV8h3+S927pQdbQbzkC7VkjQE howl";
pub const PONYO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEW/A8uHbY0a7T7VQd7AYFB6bia5qBJLXggrx0BbBGeF ponyo";

/// An age file for `s0` and `howl`.
pub const AGE: &str = "age-encryption.org/v1
-> ssh-ed25519 6aMtrw OequVv5lN5NfTAW/ggBN0Y1DUepbuuJe1om5DduVAC0
0pvDJgfeTd4f5VBhbKgzHfcC5+GIig5KqO9FUWWtIks
-> ssh-ed25519 akpUdg yFN1qZW3ckkgF+6Oq4/zDKYk9utWpUSkrVr+eRM7U30
jwMdL8mei7KB1NLvJDPaEo+5qvHb89PX/QWGfdpEJqU
--- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s
0123456789abcdef0123456789abcdef0123456789abcdef";

/// A folder with these files.
pub fn write(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// The properties of a machine, with further lines.
pub fn properties(name: &str, roles: &str, more: &str) -> String {
    format!(
        "{{\n  hostNames = [ \"{name}\" ];\n  arch = \"x86_64-linux\";\n  systemRoles = [ {roles} ];\n  {more}\n}}\n"
    )
}

/// A fleet with one of each: shared, role's and machine's secrets, an unlock key, a personal machine.
pub fn example() -> Vec<(&'static str, String)> {
    let unlock = format!(
        "hostKey = \"{KIF}\"; remoteUnlock = {{ hostKey = \"{PONYO}\"; clearnetHost = \"unlock.example.org\"; }};"
    );
    vec![
        ("machines/storage/s0/properties.nix", properties("s0", "\"pia\" \"server\"", &format!("hostKey = \"{S0}\";"))),
        ("machines/kif/properties.nix", properties("kif", "\"server\"", &unlock)),
        ("machines/howl/properties.nix", properties("howl", "\"personal\"", &format!("userKeys = [ \"{HOWL}\" ];"))),
        ("machines/storage/s0/secrets/disk.age", AGE.to_owned()),
        ("secrets/server/token.age", AGE.to_owned()),
        ("secrets/pia-login.age", AGE.to_owned()),
        ("secrets/forgotten.age", AGE.to_owned()),
        (
            "secrets/properties.nix",
            "{\n  pia-login = { roles = [ \"pia\" ]; description = \"VPN\"; };\n  later = { everyone = true; admins = false; };\n  named.machines = [ \"kif\" \"nobody\" ];\n}\n"
                .to_owned(),
        ),
        ("bulkhead.toml", format!("admins = [ \"{PONYO}\" ]\n")),
    ]
}
