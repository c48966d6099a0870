//! The keys of the cases, by the name that stands for each between `@` signs. Their private halves are gone.

/// Name and line of a `.pub` file, or recipient of age.
pub const KEYS: &[(&str, &str)] = &[
    ("s0", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG05BpvbKEAOVxxt4dOcsNfCvvA0OV6oPheCQdYsDyWf"),
    ("kif", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7IsUQDySnTx1SRJm2XQAM96ZzITjHKdzNmk7VUEMCu"),
    ("fry", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDC1Uht35ga085VUTjikCkpyyi8jkQLUgBQnkZOg8Olr"),
    ("zoe", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINOW2o7rHzskEwa3xTT/WQde2JQ7TUh7B2R4xd20ESqx"),
    ("ponyo", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSmviOnQrh++uY8u0VrDBCO9D4+mOKzuYCJ4Kn0RWaV"),
    ("boot", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcvYifzxrnEyXSbBTKblvfQwj82jTxjlomZohyW8/tr"),
    ("adm", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINrQEgE1YS7EwscBZ0cboyUuAhXsQgXxZpzhhm3ml+Ed"),
    ("dep", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPX4WCFe5gFrzRvKOSBBFn0q+3K63JRGj7NflqeJxMAt"),
    (
        "rsa",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCsWFc+15uB0g/yWaOuj5QyT/FfMvmkgfenk+gdM9U3Lm4e/Q2+G/E8vJoj5C3zzZRRXsE5AF9z48Zh5lsWouDfq+W9Hd6OZR25qZNR9ezsMYkzJSvMv8BTdxgu0+/8F1/BLjTJ48U56ZWWQvYTwZgGXKt1qxhI1V1vdOs0OpuU6XkVn7YygyNjgfWjeno5dV2+pJ4hQbE/lIUZ+80VWXSbZAzI6nGGjmi1vn+Huuavo3/8DS73JdhrinaDY8XWPx0PNMTxjTuExa3QMIuL+hVUZ1AZojdVruneGYQIVHNV6NjrxvT1U15FgJ3uEHUIsPyuPaZYVQC0XtqZkC0uqPkB",
    ),
    (
        "short",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCwafFiWsBmi6x8UpHq6kVkAiYWHsHZRa0MJ9JRT5qudeV/52bYglYG74eXM0JKbCtQv+QaTE4loyQRTlV7kCJT3N2h96vrjWbl2kS6lG+abnNQZrpEMTCiaVXCedPjqvXC/lxaQLPI3ZWcp3dWbsUHwGJcHvNHU5ANhgw9GqxPKQ==",
    ),
    (
        "ecdsa",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBGmNA1Nq1fjE7eQlfsoYrSIsYTKurR1k9LQFZHFHBj7UDueLPrqxfiu5RlyEdtn16AluG0X+epER6dsMEHBQOk=",
    ),
    ("age1", "age143j52ltdykxvefjgwqka4ag96amnvxztheh2p3sw5qhdffyjlc9s92a0lh"),
    ("age2", "age1hj33va0hwmlqsy0qq4j20ud4evqdh79xevuwaz8rgaf0qyh8r4gqv0stzg"),
    ("yubi", "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt"),
];
