//! The daemon killed or restarted between commands, and at each step of one.

use std::path::Path;

use pretty_assertions::assert_eq;

use crate::lab::Lab;
use crate::{assert_code, said};

/// Restart the daemon with `signal` at each step of a start of a workspace that does not exist yet.
fn restarted_at_each_step(signal: &str) {
    std::thread::scope(|scope| {
        scope.spawn(|| restarted_at_every_other_step(signal, 0));
        scope.spawn(|| restarted_at_every_other_step(signal, 1));
    });
}

fn restarted_at_every_other_step(signal: &str, half: usize) {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    lab.slow_at("a", "waiting for the address");
    let first = lab.begin("start", &spec).finish();
    assert_code(&first.output, 0);
    for step in first.steps().into_iter().skip(half).step_by(2) {
        assert_code(&lab.stop(&spec), 0);
        if step.starts_with("importing") || step.starts_with("reading") {
            lab.sh("incus image delete $(incus query /1.0/images | tr -d '[]\",' | sed 's|.*/||')");
        }
        lab.slow_at("a", &step);
        let mut run = lab.begin("start", &spec);
        assert!(run.reach(&step), "{step}");
        lab.signal_daemon(signal);
        lab.start_daemon();
        let run = run.finish();
        println!("{signal} at `{step}`: {:?} {:?}", run.output.status.code(), run.steps());
        assert_code(&run.output, 0);
        assert_eq!(lab.state(&spec), "ready");
    }
    assert_code(&lab.stop(&spec), 0);
    assert_eq!(lab.listing(), before);
}

#[test]
fn a_start_survives_a_killed_daemon_at_each_step() {
    restarted_at_each_step("KILL");
}

#[test]
fn a_start_survives_a_restarted_daemon_at_each_step() {
    restarted_at_each_step("TERM");
}

#[test]
fn a_stop_survives_a_killed_daemon_at_each_step() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    let first = lab.begin("stop", &spec).finish();
    assert_code(&first.output, 0);
    // The last one is told when all is done.
    for step in first.steps().iter().filter(|step| *step != "asking Incus") {
        assert_code(&lab.start(&spec), 0);
        let mut run = lab.begin("stop", &spec);
        assert!(run.reach(step), "{step}");
        lab.signal_daemon("KILL");
        lab.start_daemon();
        let run = run.finish();
        println!("at `{step}`: {:?} {:?}", run.output.status.code(), run.steps());
        assert_code(&run.output, 0);
        assert_eq!(lab.listing(), before);
    }
}

#[test]
fn workspaces_go_on_while_the_daemon_is_restarted() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let (a, b) = (lab.workspace("a", 10), lab.workspace("b", 11));
    assert_code(&lab.start(&a), 0);
    assert_code(&lab.start(&b), 0);
    for signal in ["KILL", "TERM"] {
        lab.signal_daemon(signal);
        lab.start_daemon();
        assert_eq!((lab.state(&a), lab.state(&b)), ("ready".to_owned(), "ready".to_owned()));
        assert_code(&lab.start(&a), 0);
    }
    assert_eq!(lab.read("homes/b/log"), "started\n", "it was never restarted");
    lab.signal_daemon("KILL");
    lab.start_daemon();
    stop_all(&lab, &[&a, &b]);
    assert_eq!(lab.listing(), before);
}

#[test]
fn a_daemon_that_does_not_come_back_is_told_and_what_it_left_goes_later() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    lab.behave("a", "is-slow");
    let spec = lab.workspace("a", 10);
    let mut run = lab.begin("start", &spec);
    assert!(run.reach("waiting for the"));
    lab.signal_daemon("KILL");
    run.reach("waiting for Incus to come back");
    run.signal("TERM");
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(run);
    lab.start_daemon();
    assert_eq!(lab.state(&spec), "unfinished");
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.listing(), before);
    let output = lab.gc(&["--dry-run", "--quiet"]);
    assert_code(&output, 0);
    assert!(said(&output).is_empty() && output.stdout.is_empty(), "{}", said(&output));
}

#[test]
fn a_power_cut_is_got_over() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let specs = [("a", 10), ("b", 11), ("c", 12)].map(|(name, last)| lab.workspace(name, last));
    let [a, b, c] = specs.each_ref().map(|spec| spec.as_path());
    assert_code(&lab.start(a), 0);
    assert_code(&lab.start(b), 0);
    lab.slow_at("c", "waiting for the address");
    let mut run = lab.begin("start", c);
    assert!(run.reach("waiting for the address"));
    drop(run);
    lab.sh("kill -KILL -1; wait; true");
    lab.start_daemon();
    assert_eq!([a, b, c].map(|spec| lab.state(spec)), ["down", "down", "unfinished"]);
    assert_code(&lab.start(a), 0);
    assert_eq!(lab.state(a), "ready");
    assert_code(&lab.gc(&[]), 0);
    assert_eq!([a, b, c].map(|spec| lab.state(spec)), ["ready", "down", "absent"]);
    stop_all(&lab, &[a, b, c]);
    assert_eq!(lab.listing(), before);
}

fn stop_all(lab: &Lab, specs: &[&Path]) {
    for spec in specs {
        assert_code(&lab.stop(spec), 0);
    }
}
