//! What goes wrong is told, with what to do, and leaves nothing.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::{Lab, shell};
use crate::{assert_code, said};

/// Start `spec`, which must fail with `code`, tell of all of `words`, and leave everything as it was.
#[track_caller]
fn fails(lab: &Lab, spec: &Path, code: i32, words: &[&str]) {
    let before = (lab.listing(), lab.images());
    let output = lab.start(spec);
    assert_code(&output, code);
    for word in words {
        assert!(said(&output).contains(word), "no word of {word:?} in: {}", said(&output));
    }
    assert_eq!((lab.listing(), lab.images()), before, "{}", said(&output));
}

/// Start a spec that never gets ready, which must tell of all of `words` and leave everything as it was. On a busy machine
/// a short deadline may pass before it has come to that, so it is given longer ones then.
#[track_caller]
fn gives_up(lab: &Lab, change: impl Fn(&mut Value), words: &[&str]) {
    let before = (lab.listing(), lab.images());
    let mut last = String::new();
    for seconds in [3, 15, 75] {
        let spec = with(lab, |spec| {
            change(spec);
            spec["ready"]["deadlineSeconds"] = json!(seconds);
        });
        let output = lab.start(&spec);
        assert_code(&output, 4);
        last = said(&output);
        assert!(last.contains(&format!("gave up after {seconds} s")), "{last}");
        assert_eq!((lab.listing(), lab.images()), before, "{last}");
        if words.iter().all(|word| last.contains(word)) {
            return;
        }
    }
    panic!("not all of {words:?} in: {last}");
}

fn with(lab: &Lab, change: impl FnOnce(&mut Value)) -> std::path::PathBuf {
    let mut spec = lab.spec("a", 10);
    change(&mut spec);
    lab.write("a", &spec)
}

#[test]
fn damaged_and_missing_images() {
    let Some(lab) = Lab::new() else { return };
    let images = lab.dir.join("images");
    shell("cd \"$1\"; head -c 300000 rootfs.tar.gz >truncated; head -c 100000 /dev/urandom >noise; : >empty", &images);
    shell(
        "cd \"$1\"; echo 'no: yaml: {' >metadata.yaml; tar -cf bad-metadata.tar metadata.yaml; tar -cf none.tar noise",
        &images,
    );

    let rootfs = |name: &str| with(&lab, |spec| spec["image"]["rootfs"] = json!(images.join(name)));
    fails(
        &lab,
        &rootfs("absent"),
        1,
        &["can't read the image file", "absent", "No such file", "help: build the image"],
    );
    fails(
        &lab,
        &rootfs("truncated"),
        1,
        &["can't make the instance", "Unpack failed", "help: an image file is damaged"],
    );
    fails(&lab, &rootfs("noise"), 1, &["Incus answered"]);
    fails(&lab, &rootfs("empty"), 1, &["Incus answered"]);
    let metadata = |name: &str| with(&lab, |spec| spec["image"]["metadata"] = json!(images.join(name)));
    for name in ["bad-metadata.tar", "none.tar", "noise", "empty"] {
        fails(&lab, &metadata(name), 1, &["can't import the image", "Incus answered"]);
    }

    // With its fingerprint it is not even sent to the daemon.
    let spec = with(&lab, |spec| {
        spec["image"]["fingerprint"] = json!("0".repeat(64));
        spec["image"]["rootfs"] = json!(images.join("truncated"));
    });
    fails(&lab, &spec, 1, &["its fingerprint is", "the files are damaged or not those", "000000"]);

    assert_code(&lab.start(&lab.workspace("a", 10)), 0);
}

#[test]
fn a_failing_start_leaves_a_ready_workspace_alone_until_it_must_go() {
    let Some(lab) = Lab::new() else { return };
    let good = lab.workspace("a", 10);
    assert_code(&lab.start(&good), 0);
    let missing = with(&lab, |spec| spec["image"]["rootfs"] = json!("/nowhere"));
    assert_code(&lab.start(&missing), 1);
    assert_eq!(lab.state(&good), "ready", "nothing was changed before the image was there");
    let no_mount = with(&lab, |spec| spec["mounts"][0]["source"] = json!("/nowhere"));
    assert_code(&lab.start(&no_mount), 1);
    assert_eq!(lab.state(&good), "ready");
}

#[test]
fn other_kinds_of_images() {
    let Some(mut lab) = Lab::new() else { return };
    let images = lab.dir.join("images");
    shell(
        "cd \"$1\"; mksquashfs rootfs rootfs.squashfs -quiet -no-progress; tar -cf both.tar metadata.yaml rootfs",
        &images,
    );
    let squashfs = with(&lab, |spec| spec["image"]["rootfs"] = json!(images.join("rootfs.squashfs")));
    assert_code(&lab.start(&squashfs), 0);
    let both = with(&lab, |spec| spec["image"] = json!({ "metadata": images.join("both.tar") }));
    assert_code(&lab.start(&both), 0);
    if lab.try_sh(
        "cd \"$lab/images\" && zstd -q rootfs.tar.gz -o /dev/null && gzip -dc rootfs.tar.gz | zstd -q >rootfs.tar.zst",
    ) == "0"
    {
        let zstd = with(&lab, |spec| spec["image"]["rootfs"] = json!(images.join("rootfs.tar.zst")));
        assert_code(&lab.start(&zstd), 0);
    } else {
        println!("SKIPPED an image compressed with zstd: `zstd` is not installed");
    }
    // The fingerprint that the spec names is that of the files, as anybody computes it.
    shell("cd \"$1\"; cat metadata.tar rootfs.tar.gz | sha256sum >sum", &images);
    let sum = lab.read("images/sum");
    let named = with(&lab, |spec| spec["image"]["fingerprint"] = json!(&sum[..64]));
    assert_code(&lab.start(&named), 0);
    let run = lab.begin("start", &named).finish();
    assert_code(&run.output, 0);
    assert!(!run.steps().iter().any(|step| step.contains("reading the image")), "{:#?}", run.steps());
}

#[test]
fn systems_that_do_not_come_up() {
    let Some(lab) = Lab::new() else { return };
    let images = lab.dir.join("images");
    shell("cd \"$1\"; cp -r rootfs no-init; rm no-init/sbin/init; tar -C no-init -czf no-init.tar.gz .", &images);
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    assert_code(&lab.stop(&spec), 0);

    lab.behave("a", "has-no-address");
    gives_up(&lab, |_| (), &["10.9.0.10/24 on eth0", "help:"]);
    lab.behave("a", "fails");
    let spec = lab.workspace("a", 10);
    fails(&lab, &spec, 1, &["stopped by itself", "console: no root file system found"]);
    fs::remove_file(lab.home("a").join("fails")).unwrap();
    fs::remove_file(lab.home("a").join("has-no-address")).unwrap();
    let other = |spec: &mut Value| spec["network"]["addresses"] = json!(["10.9.0.99/24"]);
    gives_up(&lab, other, &["10.9.0.99/24", "it has 10.9.0.10/24"]);

    let no_init = with(&lab, |spec| spec["image"]["rootfs"] = json!(images.join("no-init.tar.gz")));
    let before = lab.listing();
    let output = lab.start(&no_init);
    assert_code(&output, 1);
    assert!(said(&output).contains("Failed to exec \"/sbin/init\""), "{}", said(&output));
    assert!(said(&output).contains("help: the image has no /sbin/init"), "{}", said(&output));
    assert_eq!(lab.listing(), before);
}

#[test]
fn things_that_are_missing_around_it() {
    let Some(mut lab) = Lab::new() else { return };
    // From here on the image is there; it is whole, and stays.
    assert_code(&lab.start(&lab.workspace("a", 10)), 0);
    assert_code(&lab.stop(&lab.workspace("a", 10)), 0);
    let spec = with(&lab, |spec| spec["network"]["bridge"] = json!("br-none"));
    fails(&lab, &spec, 1, &["br-none", "help: the bridge is missing"]);
    let spec = with(&lab, |spec| spec["incus"]["storagePool"] = json!("none"));
    fails(&lab, &spec, 1, &["can't use the storage pool none", "not found", "help: make the pool"]);
    let spec = with(&lab, |spec| spec["incus"]["project"] = json!("none"));
    fails(&lab, &spec, 1, &["can't use the project none", "not found", "help: make the project"]);
    let spec = with(&lab, |spec| spec["mounts"][0]["source"] = json!("/none"));
    fails(&lab, &spec, 1, &["can't mount /none on /home/dev", "help: make it"]);
    let spec = with(&lab, |spec| spec["gpu"] = json!({ "pci": "0000:ff:1f.7", "gid": 303 }));
    fails(&lab, &spec, 1, &["Incus answered", "device \"gpu\"", "0000:ff:1f.7"]);

    let spec = with(&lab, |spec| spec["stateFolder"] = json!(lab.dir.join("open")));
    lab.sh("mkdir -m 0777 \"$lab/open\"");
    fails(&lab, &spec, 1, &["others may write there (mode 777)", "help: chmod 0700"]);

    // The kernel's leftover of a killed daemon goes; an interface that somebody uses does not.
    lab.sh("ip link add ws-a type veth peer name veth-left");
    let spec = lab.workspace("a", 10);
    let output = lab.start(&spec);
    assert_code(&output, 0);
    assert!(said(&output).contains("a killed daemon has left"), "{}", said(&output));
    assert_code(&lab.stop(&spec), 0);
    lab.sh("ip link add ws-a type bridge");
    fails(&lab, &spec, 1, &["has an interface ws-a already", "help:"]);
}

#[test]
fn full_disks() {
    let Some(mut lab) = Lab::without_daemon() else { return };
    lab.sh("truncate -s 8M \"$lab/small.img\" && mkfs.ext4 -q \"$lab/small.img\" && mkdir \"$lab/small\"");
    lab.sh("mount -o loop \"$lab/small.img\" \"$lab/small\"");
    lab.first_start();
    lab.sh("mkdir \"$lab/small/pool\" && incus storage create small dir source=\"$lab/small/pool\"");
    let images = lab.dir.join("images");
    shell(
        "cd \"$1\"; cp -r rootfs large; head -c 12000000 /dev/urandom >large/file; tar -C large -czf large.tar.gz .",
        &images,
    );

    let spec = with(&lab, |spec| {
        spec["image"]["rootfs"] = json!(images.join("large.tar.gz"));
        spec["incus"]["storagePool"] = json!("small");
    });
    fails(&lab, &spec, 1, &["No space left on device", "help: free some space"]);
    let left = fs::read_dir(lab.dir.join("incus/storage-pools/small/containers"));
    assert_eq!(left.map_or(0, Iterator::count), 0);

    // And the disk that images are uploaded to, where the daemon stops reading in the middle.
    lab.signal_daemon("TERM");
    lab.sh("umount -l \"$lab/incus/storage-pools/small\"; umount -l \"$lab/small\"; mkfs.ext4 -qF \"$lab/small.img\"");
    lab.sh("mount -o loop \"$lab/small.img\" \"$lab/incus/images\" && rmdir \"$lab/incus/images/lost+found\"");
    lab.start_daemon();
    let spec = with(&lab, |spec| spec["image"]["rootfs"] = json!(images.join("large.tar.gz")));
    fails(&lab, &spec, 1, &["can't import the image", "no space left on device", "help: free some space"]);
    assert_code(&lab.start(&lab.workspace("a", 10)), 0);
}

#[test]
fn daemons_that_are_not_there() {
    let Some(mut lab) = Lab::new() else { return };
    let spec = lab.workspace("a", 10);
    let no_socket = with(&lab, |spec| spec["incus"]["socket"] = json!("/none/unix.socket"));
    for command in ["start", "stop"] {
        let output = lab.begin(command, &no_socket).finish().output;
        assert_code(&output, 3);
        assert!(said(&output).contains("can't reach Incus at /none/unix.socket"), "{}", said(&output));
        assert!(said(&output).contains("help: is Incus installed"), "{}", said(&output));
    }

    let spec_of_nobody = with(&lab, |spec| spec["stateFolder"] = json!(lab.dir.join("nobody")));
    lab.sh("chmod 0711 \"$lab/incus\"; chmod 0660 \"$lab/incus/unix.socket\"; mkdir -m 0700 \"$lab/nobody\"; chown 65534 \"$lab/nobody\"");
    let program = lab.dir.join("bulkhead-incus");
    fs::copy(env!("CARGO_BIN_EXE_bulkhead-incus"), &program).unwrap();
    let mut nobody = lab.command("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).arg("start").arg(&spec_of_nobody);
    let output = nobody.output().unwrap();
    assert_code(&output, 3);
    assert!(said(&output).contains("Permission denied") && said(&output).contains("incus-admin"), "{}", said(&output));

    lab.signal_daemon("KILL");
    let output = lab.start(&spec);
    assert_code(&output, 3);
    assert!(said(&output).contains("Connection refused"), "{}", said(&output));

    // One that takes the connection and never answers.
    let mute = lab.dir.join("mute.socket");
    let _listener = UnixListener::bind(&mute).unwrap();
    let spec = with(&lab, |spec| {
        spec["incus"]["socket"] = json!(mute);
        spec["ready"]["deadlineSeconds"] = json!(1);
    });
    let output = lab.start(&spec);
    assert_code(&output, 4);
    assert!(said(&output).contains("Incus has not answered"), "{}", said(&output));
}
