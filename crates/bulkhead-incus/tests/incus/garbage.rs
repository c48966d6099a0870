//! `gc`: what it removes, and what makes it remove nothing.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, shell};
use crate::{assert_code, said};

#[test]
fn gc_removes_what_has_no_spec_and_nothing_else() {
    let Some(mut lab) = Lab::new() else { return };
    let before = (lab.listing(), lab.images());
    let images = lab.dir.join("images");
    shell("cd \"$1\"; echo another >rootfs/etc/other; tar -C rootfs -czf other.tar.gz .", &images);
    let (a, b) = (lab.workspace("a", 10), lab.workspace("b", 11));
    assert_code(&lab.start(&a), 0);
    assert_code(&lab.start(&b), 0);
    let mut other = lab.spec("b", 11);
    other["image"]["rootfs"] = json!(images.join("other.tar.gz"));
    let b = lab.write("b", &other);
    assert_code(&lab.start(&b), 0);
    // Started from elsewhere, so not this folder's.
    let elsewhere = lab.dir.join("c.json");
    fs::write(&elsewhere, lab.spec("c", 12).to_string()).unwrap();
    assert_code(&lab.start(&elsewhere), 0);
    assert_eq!(lab.images().0.len(), 2);
    let all = (lab.listing(), lab.images());

    // All is needed.
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), all);
    // One that can't be read: nobody knows what it needs.
    fs::remove_file(&a).unwrap();
    lab.write("broken", &json!({ "version": 2 }));
    let output = lab.gc(&[]);
    assert_code(&output, 2);
    assert!(said(&output).contains("broken.json:1:") && said(&output).contains("version 2"), "{}", said(&output));
    assert_eq!((lab.listing(), lab.images()), all);
    fs::remove_file(lab.dir.join("specs/broken.json")).unwrap();
    // A folder that is not there is no folder without specs.
    lab.sh("mv \"$lab/specs\" \"$lab/moved\"");
    assert_code(&lab.gc(&[]), 1);
    assert_eq!((lab.listing(), lab.images()), all);
    lab.sh("mv \"$lab/moved\" \"$lab/specs\"");

    let told = lab.gc(&["--dry-run"]);
    assert_code(&told, 0);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains(&format!("would remove the instance `{}`", lab.name("a"))) && told.lines().count() == 1,
        "{told}"
    );
    assert_eq!((lab.listing(), lab.images()), all);

    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.state(&b), "ready");
    assert_eq!(lab.state(&elsewhere), "ready");
    assert_eq!(lab.query("/1.0/instances").as_array().unwrap().len(), 2);
    assert_eq!(lab.images().0.len(), 2, "c is still made from the first image");

    assert_code(&lab.stop(&elsewhere), 0);
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.images().0.len(), 1, "b needs the other one");
    // Which image a spec needs is not known without its files.
    assert_code(&lab.stop(&b), 0);
    fs::rename(images.join("other.tar.gz"), images.join("away")).unwrap();
    let output = lab.gc(&[]);
    assert_code(&output, 0);
    assert!(said(&output).contains("no image is removed"), "{}", said(&output));
    assert_eq!(lab.images().0.len(), 1);
    fs::remove_file(&b).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), before);
}

#[test]
fn a_spec_folder_may_be_named_where_the_spec_lies_elsewhere() {
    let Some(lab) = Lab::new() else { return };
    let before = (lab.listing(), lab.images());
    let mut spec = lab.spec("a", 10);
    spec["specFolder"] = json!(lab.dir.join("specs"));
    let path = lab.dir.join("in-the-store.json");
    fs::write(&path, spec.to_string()).unwrap();
    let kept = lab.write("a", &spec);
    assert_code(&lab.start(&path), 0);
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.state(&path), "ready");
    fs::remove_file(kept).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), before);
}

#[test]
fn gc_leaves_a_start_that_goes_on_alone() {
    let Some(lab) = Lab::new() else { return };
    lab.behave("a", "is-slow");
    let spec = lab.workspace("a", 10);
    let mut run = lab.begin("start", &spec);
    assert!(run.reach("waiting for the"));
    assert_eq!(lab.state(&spec), "unfinished");
    let output = lab.gc(&[]);
    assert_code(&output, 0);
    assert!(said(&output).contains("another command works on"), "{}", said(&output));
    assert_code(&run.finish().output, 0);
    assert_eq!(lab.state(&spec), "ready");
}
