//! `bulkhead-incus` killed, or asked to end, at each of its steps.

use std::path::Path;
use std::time::Duration;

use crate::lab::Lab;
use crate::run::Run;
use crate::{assert_code, said};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// Milliseconds between hearing of a step and the signal: its beginning, and its middle.
const PAUSES: [u64; 2] = [0, 40];

/// The steps of `command` on a workspace that `prepare` has put into the state that it begins with.
fn steps(lab: &Lab, command: &str, spec: &Path, prepare: impl Fn(&Lab, &Path)) -> Vec<String> {
    prepare(lab, spec);
    lab.slow_at("a", "waiting for the address");
    let run = lab.begin(command, spec).finish();
    assert_code(&run.output, 0);
    let steps = run.steps();
    println!("{command}: {steps:#?}");
    steps
}

/// Nothing of the workspace, nor its image.
fn nothing(lab: &Lab, spec: &Path) {
    assert_code(&lab.stop(spec), 0);
    for fingerprint in lab.images().0 {
        let path = format!("/1.0/images/{fingerprint}");
        let removed = lab.command("incus").args(["query", "--wait", "-X", "DELETE", &path]).output().unwrap();
        assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    }
}

/// A running workspace.
fn running(lab: &Lab, spec: &Path) {
    assert_code(&lab.start(spec), 0);
}

/// Begin `command`, and let it come to `step`. On a busy machine it is over before it was heard of, at times.
fn begin_until(lab: &Lab, command: &str, spec: &Path, step: &str, prepare: fn(&Lab, &Path)) -> Run {
    for _ in 0..5 {
        prepare(lab, spec);
        lab.slow_at("a", step);
        let mut run = lab.begin(command, spec);
        if run.reach(step) {
            return run;
        }
    }
    panic!("`{command}` never tells of `{step}`");
}

/// Kill `command` at each of its steps, then let `after` make good for it. Half of the steps go to a second lab.
fn killed_at_each_step(
    command: &str,
    pauses: &[u64],
    prepare: fn(&Lab, &Path),
    after: impl Fn(&Lab, &Path, &Value) + Sync,
) {
    let Some(first) = Lab::new() else { return };
    let empty = first.listing();
    let steps = steps(&first, command, &first.workspace("a", 10), prepare);
    nothing(&first, &first.workspace("a", 10));
    assert_eq!(first.listing(), empty);
    let kill = |lab: Lab, half: usize| {
        let before = lab.listing();
        let spec = lab.workspace("a", 10);
        for step in steps.iter().skip(half).step_by(2) {
            for pause in pauses {
                let run = begin_until(&lab, command, &spec, step, prepare);
                std::thread::sleep(Duration::from_millis(*pause));
                drop(run);
                after(&lab, &spec, &before);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| kill(first, 0));
        scope.spawn(|| kill(Lab::new().expect("there was one before"), 1));
    });
}

#[test]
fn a_start_killed_at_any_step_starts_again() {
    killed_at_each_step("start", &PAUSES, nothing, |lab, spec, before| {
        assert_code(&lab.start(spec), 0);
        assert_eq!(lab.state(spec), "ready");
        assert_code(&lab.stop(spec), 0);
        assert_eq!(lab.listing(), *before);
    });
}

#[test]
fn a_start_killed_at_any_step_can_be_stopped() {
    killed_at_each_step("start", &[20], nothing, |lab, spec, before| {
        assert_code(&lab.stop(spec), 0);
        assert_eq!(lab.listing(), *before);
    });
}

#[test]
fn a_start_killed_at_any_step_can_be_collected() {
    killed_at_each_step("start", &[20], nothing, |lab, spec, before| {
        let ready = lab.state(spec) == "ready";
        assert_code(&lab.gc(&[]), 0);
        if ready {
            assert_code(&lab.stop(spec), 0);
        }
        // What the daemon was still making had no name yet when `gc` looked.
        assert_code(&lab.gc(&[]), 0);
        assert_eq!(lab.listing(), *before);
    });
}

#[test]
fn a_restart_killed_at_any_step_starts_again() {
    killed_at_each_step("start", &[20], running, |lab, spec, before| {
        assert_code(&lab.start(spec), 0);
        assert_eq!(lab.state(spec), "ready");
        assert_code(&lab.stop(spec), 0);
        assert_eq!(lab.listing(), *before);
    });
}

#[test]
fn a_stop_killed_at_any_step_can_be_repeated() {
    killed_at_each_step("stop", &PAUSES, running, |lab, spec, before| {
        assert_code(&lab.stop(spec), 0);
        assert_eq!(lab.listing(), *before);
    });
}

#[test]
fn a_start_asked_to_end_at_any_step_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    let steps = steps(&lab, "start", &spec, nothing);
    for (step, (signal, code)) in steps.iter().zip([("TERM", 143), ("INT", 130), ("HUP", 129)].iter().cycle()) {
        if step == "ready" {
            continue;
        }
        let run = begin_until(&lab, "start", &spec, step, nothing);
        run.signal(signal);
        let run = run.finish();
        // The signal may have come after the last thing that heeds it.
        if run.output.status.code() == Some(0) {
            assert!(run.steps().contains(&"ready".to_owned()));
            assert_code(&lab.stop(&spec), 0);
        } else {
            assert_code(&run.output, *code);
        }
        assert_eq!(lab.listing(), before, "{signal} at `{step}`");
        let (known, files) = lab.images();
        assert!(known.len() * 2 == files.len(), "an image is there or not: {known:?} {files:?}");
    }
}

#[test]
fn a_start_whose_terminal_goes_away_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    lab.behave("a", "has-no-address");
    let mut run = lab.begin("start", &spec);
    assert!(run.reach("waiting for the address"));
    run.close_output();
    run.signal("HUP");
    assert_code(&run.finish().output, 129);
    assert_eq!(lab.listing(), before);
}

#[test]
fn a_start_that_waits_for_another_can_be_ended_and_has_a_deadline() {
    let Some(lab) = Lab::new() else { return };
    let spec = lab.workspace("a", 10);
    lab.behave("a", "is-slow");
    let mut first = lab.begin("start", &spec);
    assert!(first.reach("waiting for the address"));
    let mut second = lab.begin("start", &spec);
    assert!(second.reach("waiting for another command"));
    second.signal("TERM");
    assert_code(&second.finish().output, 143);
    assert_code(&first.finish().output, 0);
    assert_eq!(lab.state(&spec), "ready", "the one that was ended has touched nothing");

    lab.behave("a", "has-no-address");
    let mut first = lab.begin("start", &spec);
    assert!(first.reach("waiting for the address"));
    let mut hurried = lab.spec("a", 10);
    hurried["ready"]["deadlineSeconds"] = json!(1);
    let output = lab.start(&lab.write("hurried", &hurried));
    assert_code(&output, 4);
    assert!(said(&output).contains("gave up after 1 s: still waiting for another command"), "{}", said(&output));
    first.signal("TERM");
    assert_code(&first.finish().output, 143);
}

#[test]
fn what_a_daemon_does_for_a_start_that_is_gone_is_collected() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    assert_code(&lab.stop(&spec), 0);
    // The request lies in the socket while the daemon stands still, and is read when nobody waits for the answer.
    let mut run = lab.begin("start", &spec);
    assert!(run.reach("making the instance"));
    lab.sh("kill -STOP \"$daemon\"");
    std::thread::sleep(Duration::from_millis(300));
    drop(run);
    lab.sh("kill -CONT \"$daemon\"");
    std::thread::sleep(Duration::from_secs(1));
    assert_code(&lab.gc(&[]), 0);
    assert_eq!(lab.listing(), before);
}

#[test]
fn a_start_asked_to_end_before_a_busy_daemon_answers_leaves_nothing() {
    let Some(mut lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    running(&lab, &spec);
    assert_code(&lab.stop(&spec), 0);
    let mut run = lab.begin("start", &spec);
    assert!(run.reach("making the instance"));
    lab.sh("kill -STOP \"$daemon\"");
    run.signal("INT");
    std::thread::sleep(Duration::from_secs(1));
    lab.sh("kill -CONT \"$daemon\"");
    assert_code(&run.finish().output, 130);
    // What it had asked for could be made only now.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(lab.listing(), before);
}
