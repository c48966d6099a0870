//! Many commands at the same time.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pretty_assertions::assert_eq;

use crate::assert_code;
use crate::lab::Lab;
use crate::run::{Finished, Run};

const MANY: u8 = 20;

fn finish(runs: Vec<Run>) -> Vec<Finished> {
    // All of them are listened to at once, so that none waits for a reader.
    let threads: Vec<_> = runs.into_iter().map(|run| std::thread::spawn(move || run.finish())).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn twenty_workspaces_start_and_stop_at_once_with_one_import() {
    let Some(lab) = Lab::new() else { return };
    let before = (lab.listing(), lab.images());
    let specs: Vec<PathBuf> = (1..=MANY).map(|n| lab.workspace(&format!("w{n}"), 10 + n)).collect();
    let finished = finish(specs.iter().map(|spec| lab.begin("start", spec)).collect());
    for run in &finished {
        assert_code(&run.output, 0);
    }
    let imports = finished.iter().filter(|run| run.steps().iter().any(|step| step.starts_with("importing"))).count();
    assert_eq!(imports, 1);

    let (_, status) = lab.status(&[]);
    let workspaces = status["workspaces"].as_array().unwrap();
    assert_eq!(workspaces.len(), usize::from(MANY));
    assert!(workspaces.iter().all(|workspace| workspace["state"] == "ready"), "{status:#}");
    let instances = lab.query("/1.0/instances?recursion=1");
    let bases = instances.as_array().unwrap().iter().map(|found| found["config"]["volatile.idmap.base"].to_string());
    assert_eq!(bases.collect::<BTreeSet<_>>().len(), usize::from(MANY), "each has ids of its own");

    for run in finish(specs.iter().map(|spec| lab.begin("stop", spec)).collect()) {
        assert_code(&run.output, 0);
    }
    specs.iter().for_each(|spec| std::fs::remove_file(spec).unwrap());
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), before);
}

#[test]
fn the_same_workspace_started_twenty_times_at_once_is_one() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    let finished = finish((0..MANY).map(|_| lab.begin("start", &spec)).collect());
    for run in &finished {
        assert_code(&run.output, 0);
    }
    let imports = finished.iter().filter(|run| run.steps().iter().any(|step| step.starts_with("importing"))).count();
    assert_eq!(imports, 1);
    assert_eq!(lab.query("/1.0/instances").as_array().unwrap().len(), 1);
    assert_eq!(lab.state(&spec), "ready");
    let log = std::fs::read_to_string(lab.home("a").join("log")).unwrap();
    assert_eq!(log.matches("started").count(), usize::from(MANY), "each start was a whole one");
    assert_code(&lab.stop(&spec), 0);
    assert_eq!(lab.listing(), before);
}

#[test]
fn starts_stops_and_collections_at_once_end_well() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    let specs: Vec<PathBuf> = (1..=4).map(|n| lab.workspace(&format!("w{n}"), 10 + n)).collect();
    std::thread::scope(|scope| {
        for spec in &specs {
            for command in ["start", "stop", "start"] {
                let run = lab.begin(command, spec);
                scope.spawn(move || assert_code(&run.finish().output, 0));
            }
        }
        for _ in 0..3 {
            assert_code(&lab.gc(&[]), 0);
        }
    });
    for spec in &specs {
        let state = lab.state(spec);
        assert!(["ready", "absent"].contains(&state.as_str()), "{state}");
        assert_code(&lab.stop(spec), 0);
    }
    assert_eq!(lab.listing(), before);
}
