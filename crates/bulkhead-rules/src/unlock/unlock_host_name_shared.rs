//! `unlock-host-name-shared`: a boot environment that is reached under the name of a machine.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashMap, HashMapExt};

use crate::context::Context;
use crate::machines::duplicate_host_name::plain;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "unlock-host-name-shared",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "A boot environment is reached under a name that is also a machine's host name.",
    docs: "\
`remoteUnlock.clearnetHost` or `onionHost` is among the `hostNames` of this or another machine.

**Why it matters.** The running system and the boot environment have different keys. Under one name SSH either warns
each time, until people ignore it, or takes the key in `/boot`, which anybody with the disk has, for the machine
itself.

**Fix.** Give the boot environment a name of its own, such as `kif-boot.example.org`, in DNS or in the SSH
configuration.

```nix
# bad
{ hostNames = [ \"kif.example.org\" ]; remoteUnlock.clearnetHost = \"kif.example.org\"; … }
# good
{ hostNames = [ \"kif.example.org\" ]; remoteUnlock.clearnetHost = \"kif-boot.example.org\"; … }
```

**Limits.** Only names are compared, not the addresses behind them. Names that are not known make the rule *undecided*.

**Data.** `machine`: whose boot environment. `name`: the name. `owner`: whose host name it is.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    if fleet.machines.iter().all(|machine| machine.remote_unlock.is_absent()) {
        return;
    }
    let mut owners: HashMap<String, (&str, &Place)> = HashMap::new();
    for machine in &fleet.machines {
        for name in &machine.host_names {
            owners.entry(plain(&name.value)).or_insert((&machine.name, &name.place));
        }
    }
    let mut gaps: Vec<_> = fleet.machines.iter().flat_map(|machine| &machine.host_names.gaps).collect();
    for machine in &fleet.machines {
        gaps.extend(machine.remote_unlock.gap());
        let Some(unlock) = machine.remote_unlock.known() else { continue };
        for (property, host) in [("clearnetHost", &unlock.clearnet_host), ("onionHost", &unlock.onion_host)] {
            gaps.extend(host.gap());
            let Some(host) = host.known() else { continue };
            let Some((owner, place)) = owners.get(&plain(reached(&host.value))) else { continue };
            let message = format!(
                "the boot environment of `{}` is reached as `{}`, a host name of `{owner}`",
                machine.name, host.value
            );
            found.push(
                RULE.finding(host.place.clone(), message)
                    .with_related((*place).clone(), format!("a host name of `{owner}`"))
                    .with_note("its key lies in clear in /boot; under this name it would be trusted as the machine")
                    .with_help(format!(
                        "give the boot environment a name of its own\n{property} = \"{}-boot.…\";",
                        machine.name
                    ))
                    .with_data("machine", &*machine.name)
                    .with_data("name", &*host.value)
                    .with_data("owner", *owner),
            );
        }
    }
    RULE.undecided(gaps, "whether a boot environment shares its name with a machine", found);
}

/// The name in what is given to `ssh`: without the user, the port and the scheme of `ssh://root@kif:2222` (ssh(1)).
pub(super) fn reached(host: &str) -> &str {
    let host = host.trim();
    let host = host.strip_prefix("ssh://").unwrap_or(host).trim_end_matches('/');
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if let Some((inside, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return inside;
    }
    match host.split_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
