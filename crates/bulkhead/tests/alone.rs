//! A rule finds its fault where nothing else in the fleet speaks of what rules read: files are looked at for words before any
//! module is, and no word may be missing there.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;

const FLAKE: &str = "{ outputs = { nixpkgs, ... }: { nixosConfigurations.bee = nixpkgs.lib.nixosSystem { modules = [ ./bee.nix ]; }; }; }";

/// What the only module says, and the rule.
const FAULTS: [(&str, &str); 72] = [
    (r#"{ nix.settings.access-tokens = "github.com=ghp_abcdefghijkl"; }"#, "secret-in-store"),
    (r#"{ nix.extraOptions = "access-tokens = github.com=ghp_abcdefghijkl"; }"#, "secret-in-store"),
    (r#"{ fileSystems."/mnt".options = [ "username=a" "password=hunter2222" ]; }"#, "secret-in-store"),
    (r#"{ fileSystems."/mnt".options = [ "pass=hunter2222" ]; }"#, "secret-in-store"),
    (r#"{ environment.etc."wpa.conf".text = "psk=hunter2222"; }"#, "secret-in-store"),
    (r#"{ environment.etc."my.cnf".text = "password: hunter2222"; }"#, "secret-in-store"),
    (r#"{ environment.etc."ssh/ssh_host_rsa_key".source = ./file; }"#, "secret-in-store"),
    (r#"{ environment.sessionVariables.API_TOKEN = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ systemd.services.x.environment.DISCORD_SECRET = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ systemd.services.x.environment.ACCESS_KEY = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ systemd.services.x.environment.DB_PASSWD = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ systemd.services.x.serviceConfig.Environment = [ "APIKEY=abcdefgh" ]; }"#, "secret-in-store"),
    (r#"{ virtualisation.oci-containers.containers.x.environment.PRIVATE_KEY = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.k3s.token = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.coturn.static-auth-secret = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.transmission.settings.rpc-password = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.borgbackup.jobs.x.encryption.passphrase = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.grafana.settings.security.secret_key = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.x.settings.api_key = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.x.settings.clientSecret = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.x.preAuthKey = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ services.x.environmentFile = ./file; }"#, "secret-in-store"),
    (
        r#"{ pkgs, ... }: { services.x.environmentFile = pkgs.writeText "env" "DB_PASSWORD=hunter22"; }"#,
        "secret-in-store",
    ),
    (r#"{ services.x.admin_password_file = ./file; }"#, "secret-in-store"),
    (r#"{ services.x.authKeyFile = ./file; }"#, "secret-in-store"),
    (r#"{ services.x.passFile = ./file; }"#, "secret-in-store"),
    (r#"{ services.openssh.hostKeys = [ { path = ./file; type = "rsa"; } ]; }"#, "secret-in-store"),
    (r#"{ age.identityPaths = [ ./file ]; }"#, "secret-in-store"),
    (r#"{ networking.networkmanager.ensureProfiles.profiles.a."802-1x".password = "abcdefgh"; }"#, "secret-in-store"),
    (r#"{ environment.etc.crypttab.text = "data /dev/sda1 ${./file} luks"; }"#, "unlock-key-in-store"),
    (r#"{ boot.initrd.secrets."/key" = ./file; }"#, "unlock-key-in-store"),
    (r#"{ environment.etc.pgpass.text = "a:1:b:c:correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc.git-credentials.text = "https://a:correcthorse@b"; }"#, "secret-in-store"),
    (r#"{ environment.etc."nslcd.conf".text = "bindpw correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc."ppp/chap-secrets".text = "a b correcthorse"; }"#, "secret-in-store"),
    (r#"{ systemd.services.x.script = "cryptsetup open -d ${./file} /dev/sda1 x"; }"#, "unlock-key-in-store"),
    (r#"{ systemd.services.x.script = "bcachefs unlock -f ${./file} /dev/sda1"; }"#, "unlock-key-in-store"),
    (r#"{ systemd.services.x.script = "zfs load-key -L file://${./file} x"; }"#, "unlock-key-in-store"),
    (r#"{ systemd.services.x.script = "zpool create -O keylocation=file://${./file} x"; }"#, "unlock-key-in-store"),
    (r#"{ systemd.services.x.script = "chmod 644 /run/agenix/x"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "chmod -R 755 /etc/ssh"; }"#, "world-readable-secret"),
    (r#"{ systemd.tmpfiles.rules = [ "z /etc/ssh/ssh_host_rsa_key 0644" ]; }"#, "world-readable-secret"),
    (r#"{ systemd.tmpfiles.rules = [ "z /run/agenix/* 0644" ]; }"#, "world-readable-secret"),
    (r#"{ boot.loader.grub.extraInitrd = ./file; }"#, "unlock-key-in-store"),
    (
        r#"{ networking.nftables.ruleset = "table inet f { chain c { type filter hook forward priority 0; ip daddr 10.0.0.0/8 drop } }"; }"#,
        "private-range-open",
    ),
    (r#"{ networking.firewall.extraCommands = "iptables -A FORWARD -d 10.0.0.0/8 -j DROP"; }"#, "private-range-open"),
    (r#"{ environment.etc.fetchmailrc.text = "poll a user b pass correcthorse"; }"#, "secret-in-store"),
    (r#"{ networking.wireless.extraConfig = "pin=\"12345678\""; }"#, "secret-in-store"),
    (r#"{ networking.wireless.extraConfig = "wep_key0=correcthorse"; }"#, "secret-in-store"),
    (r#"{ networking.supplicant.wlan0.extraConf = "pin=correcthorse"; }"#, "secret-in-store"),
    (r#"{ services.pppd.peers.x.config = "pass correcthorse"; }"#, "secret-in-store"),
    (r#"{ services.xl2tpd.extraPppdOptions = "pass correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc.htpasswd.text = "a:correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc.netrc.text = "machine a login b password correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc."ldap.conf".text = "pass correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc.msmtprc.text = "pass correcthorse"; }"#, "secret-in-store"),
    (r#"{ environment.etc."swanctl/conf.d/x.conf".text = "secret = correcthorse"; }"#, "secret-in-store"),
    (
        r#"{ systemd.services.x.script = "echo correcthorse | cryptsetup luksOpen /dev/sda1 x"; }"#,
        "unlock-key-in-store",
    ),
    (r#"{ systemd.services.x.script = "install /etc/ssh/ssh_host_rsa_key /srv/x"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "cat /run/agenix/x > /etc/x"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "setfacl -m o::r /run/agenix/x"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "chmod -R a+rX /etc"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "cd /etc && chmod 644 ssh/ssh_host_rsa_key"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "find /etc -type f -exec chmod 644 {} +"; }"#, "world-readable-secret"),
    (r#"{ systemd.services.x.script = "setfacl -R -m o::rX /etc"; }"#, "world-readable-secret"),
    (r#"{ systemd.tmpfiles.rules = [ "C /srv/x 0644 - - - /etc/ssh/ssh_host_rsa_key" ]; }"#, "world-readable-secret"),
    (r#"{ systemd.tmpfiles.rules = [ "Z /etc 0755" ]; }"#, "world-readable-secret"),
    (r#"{ environment.etc."tmpfiles.d/x.conf".text = "z /etc/ssh/ssh_host_rsa_key 0644"; }"#, "world-readable-secret"),
    (r#"{ environment.etc."tmpfiles.d/x.conf".text = "Z /etc 0755"; }"#, "world-readable-secret"),
    (r#"{ systemd.nspawn.x.filesConfig.Bind = [ "/etc" ]; }"#, "secrets-folder-mounted"),
    (r#"{ containers.x.bindMounts.x.hostPath = "/etc"; }"#, "secrets-folder-mounted"),
    (r#"{ virtualisation.oci-containers.containers.x.volumes = [ "/etc:/x" ]; }"#, "secrets-folder-mounted"),
];

#[test]
fn no_word_is_missing_without_which_modules_are_not_read() {
    for (module, rule) in FAULTS {
        let fleet = Folder::empty();
        fleet.write("flake.nix", FLAKE).write("bee.nix", module).write("file", "DB_PASSWORD=hunter22\n");
        let run = fleet.bulkhead(&["check", "--format", "json"]);
        assert_eq!(run.stderr, "", "{module}");
        assert!(run.rules().contains(&rule.to_owned()), "{module}: {}", run.stdout);
    }
}
