//! The raw shapes of the files that people write, as serde types. Their doc comments are the descriptions in the JSON
//! Schemas, which is where operators and editors read them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a machine's processor and system are, as Nix names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64-linux")]
    X86_64Linux,
    /// 64-bit ARM.
    #[serde(rename = "aarch64-linux")]
    Aarch64Linux,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Arch; 2] = [Arch::X86_64Linux, Arch::Aarch64Linux];

    /// The name as Nix writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Arch::X86_64Linux => "x86_64-linux",
            Arch::Aarch64Linux => "aarch64-linux",
        }
    }
}

/// Who a machine is: the content of its `properties.nix`, which makes the folder a machine of that name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineProperties {
    /// The names under which the machine is reached over SSH, the main one first.
    #[schemars(length(min = 1), inner(regex(pattern = r#"^[^\s,*?!|"'`$\\]+$"#)))]
    pub host_names: Vec<String>,
    /// The architecture of the machine, as Nix names it.
    pub arch: Arch,
    /// The roles of the machine. A role exists because machines have it; secrets are granted by role.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")))]
    pub system_roles: Vec<String>,
    /// The machine's SSH host key: a line as in `/etc/ssh/ssh_host_ed25519_key.pub`, or the path of a file with that
    /// line. Secrets for the machine are encrypted to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub host_key: Option<String>,
    /// The SSH keys of the people who administer the fleet from this machine: lines or paths of `.pub` files. They can
    /// decrypt every secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_keys: Vec<String>,
    /// SSH keys with which this machine deploys to others: lines or paths of `.pub` files. They log in, but never
    /// decrypt a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deploy_keys: Vec<String>,
    /// How to reach the SSH server of the boot environment, to unlock the disk from afar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RemoteUnlockProperties")]
    pub remote_unlock: Option<RemoteUnlockProperties>,
    /// The public IPv4 or IPv6 address of the machine, if it has a fixed one.
    #[serde(default, rename = "publicIP", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub public_ip: Option<String>,
    /// Anything else that the fleet's own modules want to know about the machine.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// How to reach the SSH server of the boot environment, to unlock the disk from afar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RemoteUnlockProperties {
    /// The SSH host key of the boot environment. It lies in the clear in `/boot`: it must be used for nothing else.
    pub host_key: String,
    /// The name or address under which the boot environment is reached directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub clearnet_host: Option<String>,
    /// The Tor v3 onion address of the boot environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub onion_host: Option<String>,
}

/// Who may read which shared secret: the content of `secrets/properties.nix`, by secret name (without `.age`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transparent)]
#[serde(transparent)]
pub struct SecretProperties(pub BTreeMap<String, SecretEntry>);

/// Who may read a secret, and how the machines get it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretEntry {
    /// Every machine with one of these roles can read the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// These machines can read the secret, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// Every machine of the fleet can read the secret.
    #[serde(default)]
    pub everyone: bool,
    /// Whether the admin keys (all `userKeys`, and `admins` of `bulkhead.toml`) can read the secret. Default: true.
    #[serde(default = "yes")]
    #[schemars(default = "yes")]
    pub admins: bool,
    /// Whether the file is ASCII-armored.
    #[serde(default)]
    pub armor: bool,
    /// What the secret is for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub description: Option<String>,
    /// The mode of the decrypted file on the machines, in octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = r"^[0-7]{3,4}$"))]
    pub mode: Option<String>,
    /// The user who owns the decrypted file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub owner: Option<String>,
    /// The group of the decrypted file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub group: Option<String>,
}

fn yes() -> bool {
    true
}

/// An agenix rules file (`secrets.nix`): which keys a file is encrypted to, by the file's name relative to the folder
/// of the rules file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transparent)]
#[serde(transparent)]
pub struct AgenixRules(pub BTreeMap<String, AgenixRule>);

/// The keys that a file is encrypted to. agenix ignores attributes other than these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgenixRule {
    /// Public keys: SSH keys of the types ed25519 and RSA, or age recipients. ragenix wants at least one, and each
    /// only once.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub public_keys: Vec<String>,
    /// Whether the file is ASCII-armored.
    #[serde(default)]
    pub armor: bool,
}
