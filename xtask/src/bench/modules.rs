//! `bench modules`: `bulkhead check` and `bulkhead show` on one machine with many modules.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bulkhead::cli::OK;
use serde_json::Value;

use super::check::{build, duration};
use super::key::Key;
use super::measure::{Program, measure};
use super::table::{Align, Table};
use crate::random::Random;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes fleets of one machine whose modules have what modules have: services, users, units, a firewall, options of their own that
others read, conditions on them, workspaces. Times are those of whole processes.")]
pub struct ModulesArgs {
    /// How many modules the machine has
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "20,200,2000")]
    sizes: Vec<usize>,
    /// How often each program is run
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Make the fleets in this folder, and keep them
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Count instructions, too, with valgrind
    #[arg(long)]
    instructions: bool,
}

pub fn run(args: &ModulesArgs) -> Result<u8> {
    let bulkhead = build()?;
    let temporary = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir().context("can't make a folder")?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    let mut table = Table::new(&[
        ("modules", Align::Right),
        ("definitions", Align::Right),
        ("", Align::Left),
        ("time", Align::Right),
        ("fastest", Align::Right),
        ("memory", Align::Right),
        ("instructions", Align::Right),
    ]);
    for &size in &args.sizes {
        ensure!((1..=20_000).contains(&size), "--sizes: a machine has 1 to 20000 modules here, not {size}");
        let root = folder.join(format!("modules-{size}"));
        make(&root, size)?;
        let check = Program::new(&bulkhead).args(["check", "--format", "json"]).arg(&root);
        let show = Program::new(&bulkhead).args(["show", "web", "networking", "--json", "--root"]).arg(&root);
        let definitions = finish(&bulkhead, &check, &root)?;
        eprintln!("{size} modules: {} runs of each …", args.runs);
        let measured = measure(&[&check, &show], args.runs)?;
        for ((name, program), measured) in [("check", &check), ("show", &show)].into_iter().zip(&measured) {
            let instructions = match args.instructions {
                true => format!("{} M", program.instructions()? / 1_000_000),
                false => "–".to_owned(),
            };
            table.row(vec![
                size.to_string(),
                definitions.to_string(),
                name.to_owned(),
                duration(measured.median()),
                duration(measured.fastest()),
                measured.memory(),
                instructions,
            ]);
        }
    }
    println!("{}", table.aligned());
    Ok(OK)
}

/// Be sure that the modules were read as a whole, and that nothing is wrong with them; gives the number of definitions.
fn finish(bulkhead: &Path, check: &Program, root: &Path) -> Result<usize> {
    Program::new(bulkhead).args(["gen-secrets", "--root"]).arg(root).output()?;
    let report: Value = serde_json::from_str(&check.output()?).context("`bulkhead check` printed no JSON")?;
    ensure!(report["findings"] == Value::Array(Vec::new()), "findings in a fleet that should have none: {report:#}");
    // It ends with 1, for packages are not known.
    let show = Program::new(Path::new("sh")).args(["-c", "\"$1\" show web --json --root \"$2\" || test $? = 1", "sh"]);
    let shown: Value = serde_json::from_str(&show.arg(bulkhead).arg(root).output()?)?;
    ensure!(shown["problems"] == Value::Array(Vec::new()), "modules that can't be read: {}", shown["problems"]);
    Ok(shown["definitions"].as_array().map_or(0, Vec::len))
}

fn make(root: &Path, size: usize) -> Result<()> {
    ensure!(!root.exists(), "{} exists; remove it, or name another folder", root.display());
    let mut random = Random::new(size as u64);
    let write = |path: &str, text: &str| -> Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root)).with_context(|| format!("can't make {}", path.display()))?;
        fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
    };
    let machine = "machines/web";
    write(
        &format!("{machine}/properties.nix"),
        &format!(
            "{{\n  hostNames = [ \"web.example.net\" ];\n  arch = \"x86_64-linux\";\n  systemRoles = [ \"web\" ];\n  hostKey = \"{} root@web\";\n}}\n",
            Key::random(&mut random).line
        ),
    )?;
    let mut imports = String::new();
    for index in 0..size.saturating_sub(1) {
        let _ = writeln!(imports, "    ../../modules/part-{index}.nix");
        write(&format!("modules/part-{index}.nix"), &module(index))?;
    }
    let base = "  networking.hostName = \"web\";\n  networking.useDHCP = false;\n  networking.nftables.enable = true;\n  \
                networking.firewall.enable = true;\n  system.stateVersion = \"25.05\";\n";
    write(&format!("{machine}/default.nix"), &format!("{{ lib, ... }}:\n{{\n  imports = [\n{imports}  ];\n{base}}}\n"))
}

/// One concern of a machine, as people write them.
fn module(index: usize) -> String {
    let port = 1024 + index;
    match index % 6 {
        0 => format!(
            "{{ config, lib, pkgs, ... }}:
let
  cfg = config.site.app{index};
in
{{
  options.site.app{index} = {{
    enable = lib.mkEnableOption \"application {index}\";
    port = lib.mkOption {{
      type = lib.types.port;
      default = {port};
      description = \"Where it listens.\";
    }};
    settings = lib.mkOption {{
      type = lib.types.attrsOf (lib.types.either lib.types.str lib.types.int);
      default = {{ }};
    }};
    sites = lib.mkOption {{
      type = lib.types.attrsOf (
        lib.types.submodule (
          {{ name, ... }}:
          {{
            options.host = lib.mkOption {{
              type = lib.types.str;
              default = \"${{name}}.example.net\";
            }};
            options.aliases = lib.mkOption {{
              type = lib.types.listOf lib.types.str;
              default = [ ];
            }};
          }}
        )
      );
      default = {{ }};
    }};
  }};

  config = lib.mkIf cfg.enable {{
    systemd.services.app{index} = {{
      description = \"Application {index}\";
      wantedBy = [ \"multi-user.target\" ];
      after = [ \"network.target\" ];
      serviceConfig = {{
        ExecStart = \"${{pkgs.hello}}/bin/hello --port ${{toString cfg.port}}\";
        DynamicUser = true;
        Restart = \"on-failure\";
      }};
    }};
    networking.firewall.allowedTCPPorts = [ cfg.port ];
  }};
}}
"
        ),
        1 => {
            let app = index - 1;
            format!(
                "{{ config, lib, ... }}:
{{
  site.app{app} = {{
    enable = true;
    settings = {{
      name = \"app{app}\";
      workers = 4;
    }};
    sites.shop = {{ }};
    sites.blog.aliases = [ \"www.example.org\" ];
  }};
  services.nginx.virtualHosts = lib.mapAttrs' (
    name: site:
    lib.nameValuePair site.host {{
      serverAliases = site.aliases;
      locations.\"/\".proxyPass = \"http://127.0.0.1:${{toString config.site.app{app}.port}}\";
    }}
  ) config.site.app{app}.sites;
}}
"
            )
        }
        2 => format!(
            "{{ pkgs, ... }}:
{{
  users.users.user{index} = {{
    isNormalUser = true;
    description = \"User {index}\";
    extraGroups = [ \"wheel\" \"users\" ];
    packages = with pkgs; [ git ripgrep ];
    openssh.authorizedKeys.keys = [ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI\" ];
  }};
  users.groups.group{index}.members = [ \"user{index}\" ];
}}
"
        ),
        3 => format!(
            "{{ lib, ... }}:
{{
  networking.interfaces.eth{index} = {{
    useDHCP = lib.mkDefault false;
    ipv4.addresses = [
      {{
        address = \"203.0.113.{}\";
        prefixLength = 32;
      }}
    ];
  }};
  networking.hosts.\"203.0.113.{}\" = [ \"host{index}.example.net\" ];
  boot.kernel.sysctl.\"net.core.somaxconn\" = 4096;
}}
",
            index % 250 + 1,
            index % 250 + 1
        ),
        4 => format!(
            "{{ config, lib, pkgs, ... }}:
{{
  environment.etc.\"site/{index}.conf\".text = ''
    listen = {port}
    name = ${{config.networking.hostName}}
  '';
  environment.systemPackages = [ pkgs.hello ] ++ lib.optional config.networking.firewall.enable pkgs.nftables;
  systemd.timers.job{index} = {{
    wantedBy = [ \"timers.target\" ];
    timerConfig.OnCalendar = \"daily\";
  }};
  systemd.services.job{index}.script = ''
    echo ${{lib.escapeShellArg \"job {index}\"}}
  '';
  services.prometheus.exporters.node.enable = lib.mkDefault true;
}}
"
        ),
        _ => format!(
            "{{
  workspaces.box{index} = {{
    type = \"container\";
    ip = \"10.20.{}.{}\";
    resources.memory = 2048;
    extraMounts.\"/home/dev/src\" = {{
      hostPath = \"/srv/src/{index}\";
      readOnly = false;
    }};
  }};
  networking.sandbox = {{
    subnet = \"10.20.0.0/16\";
    upstreams = [ \"eth0\" ];
  }};
}}
",
            index / 6 / 200 + 1,
            index / 6 % 200 + 2
        ),
    }
}
