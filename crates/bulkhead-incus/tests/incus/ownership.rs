//! What is not this workspace's is not touched.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::Lab;
use crate::{assert_code, said};

#[test]
fn a_workspace_leaves_those_alone_whose_names_begin_alike() {
    let Some(lab) = Lab::new() else { return };
    let specs: Vec<_> = [("a", 10), ("a-b", 11), ("a-b-c", 12)].map(|(name, last)| lab.workspace(name, last)).into();
    specs.iter().for_each(|spec| assert_code(&lab.start(spec), 0));
    let uuid = |name: &str| lab.query(&format!("/1.0/instances/{}", lab.name(name)))["config"]["volatile.uuid"].clone();
    let (b, c) = (uuid("a-b"), uuid("a-b-c"));

    assert_code(&lab.start(&specs[0]), 0);
    assert_code(&lab.stop(&specs[0]), 0);
    assert_eq!((lab.state(&specs[1]), lab.state(&specs[2])), ("ready".to_owned(), "ready".to_owned()));
    assert_eq!((uuid("a-b"), uuid("a-b-c")), (b.clone(), c.clone()));

    assert_code(&lab.start(&specs[0]), 0);
    fs::remove_file(&specs[0]).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.query("/1.0/instances").as_array().unwrap().len(), 2);
    assert_eq!((uuid("a-b"), uuid("a-b-c")), (b, c));
}

#[test]
fn an_instance_that_is_not_ours_is_never_touched() {
    let Some(mut lab) = Lab::new() else { return };
    let name = lab.name("a");
    let spec = lab.workspace("a", 10);
    lab.sh("incus image import \"$lab/images/metadata.tar\" \"$lab/images/rootfs.tar.gz\" --alias theirs");
    lab.sh(&format!(
        "printf 'devices: {{root: {{type: disk, path: /, pool: default}}}}' | incus init theirs {name} --no-profiles"
    ));
    let theirs = lab.query(&format!("/1.0/instances/{name}"));
    let images = lab.images();
    for signs in [None, Some(("user.bulkhead.workspace", "b")), Some(("user.bulkhead.specs", "x"))] {
        if let Some((key, value)) = signs {
            lab.sh(&format!("incus config set {name} {key}={value}"));
        }
        let started = lab.start(&spec);
        assert_code(&started, 5);
        assert!(said(&started).contains("is not Bulkhead's"), "{}", said(&started));
        let stopped = lab.stop(&spec);
        assert_code(&stopped, 0);
        assert!(said(&stopped).contains("left as it is"), "{}", said(&stopped));
        assert_eq!(lab.state(&spec), "foreign");
        if let Some((key, _)) = signs {
            lab.sh(&format!("incus config unset {name} {key}"));
        }
    }
    fs::remove_file(&spec).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.query(&format!("/1.0/instances/{name}")), theirs);
    assert_eq!(lab.images(), images, "an image that somebody else has imported stays too");
}

#[test]
fn another_project_is_another_place() {
    let Some(mut lab) = Lab::new() else { return };
    lab.sh("incus project create other -c features.images=true -c features.profiles=true");
    let before = (lab.listing(), lab.images());
    let here = lab.workspace("a", 10);
    let mut there = lab.spec("a", 11);
    there["incus"]["project"] = json!("other");
    there["network"]["hostInterface"] = json!("ws-other");
    there["mounts"] = json!([{ "source": lab.home("other"), "path": "/home/dev" }]);
    let there = lab.write("other", &there);
    assert_code(&lab.start(&here), 0);
    assert_code(&lab.start(&there), 0);
    assert_code(&lab.stop(&here), 0);
    assert_eq!((lab.state(&here), lab.state(&there)), ("absent".to_owned(), "ready".to_owned()));
    fs::remove_file(&there).unwrap();
    fs::remove_file(&here).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), before);
}

#[test]
fn a_workspace_that_would_share_its_ids_does_not_start() {
    let Some(mut lab) = Lab::new() else { return };
    let name = lab.name("theirs");
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    let path = format!("/1.0/instances/{}", lab.name("a"));
    let ids = lab.query(&path)["config"]["volatile.idmap.next"].as_str().unwrap().to_owned();
    assert_code(&lab.stop(&spec), 0);
    // Incus would not do so by itself: it looks at another key when it chooses.
    let image = &lab.images().0[0];
    let config = "security.idmap.isolated: true, security.idmap.base: 900000000";
    let yaml = format!("config: {{{config}}}, devices: {{root: {{type: disk, path: /, pool: default}}}}")
        .replace(", dev", "\\ndev");
    lab.sh(&format!("printf '{yaml}' | incus init {image} {name} --no-profiles"));
    lab.sh(&format!("incus config set {name} volatile.idmap.next='{ids}'"));
    let before = lab.listing();
    let output = lab.start(&spec);
    assert_code(&output, 1);
    assert!(said(&output).contains("ids that another isolated instance has"), "{}", said(&output));
    assert_eq!(lab.listing(), before);
}
