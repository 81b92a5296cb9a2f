//! The whole way: the supervisor sees memory run short, asks, and an application that knows nothing of it gives back.

use super::cgroup::MemoryCgroup;
use super::support::*;

/// Fills the heap with strings of which one in a hundred survives, then goes on working until most is given back.
const FRAGMENTED: &str = "def used(): return int(open('CGROUP/memory.usage_in_bytes').read()) >> 20
held = []
while used() < 106: held.extend('%700d' % n for n in range(1000)); time.sleep(0.002)
held = held[::100]
print('full', flush=True)
end = time.monotonic() + 20
while used() > 60 and time.monotonic() < end: found = [[n] for n in range(3000)]; time.sleep(0.001)
print('ended', flush=True)
time.sleep(600)
";

/// The supervisor listens for three seconds, in which a process on a starved machine may get no CPU.
const TRIES: usize = 5;

#[test]
fn a_fragmented_application_gives_back_when_memory_runs_short() {
    let name = "a_fragmented_application_gives_back_when_memory_runs_short";
    let pythons = pythons_with_agent(name);
    let Some(python) = pythons.last() else {
        return;
    };
    let mut unheard = Vec::new();
    for _ in 0..TRIES {
        let Some(cgroup) = MemoryCgroup::new(name, "134217728") else {
            return;
        };
        let released = fragment(python, &cgroup);
        // it may also have answered before there was anything to give back
        if released["returned_bytes"].as_u64().unwrap() > 30 << 20 && released["count"] == 1 {
            let process = released["processes"][0].as_str().unwrap();
            assert!(process.starts_with("python"), "{released}");
            return;
        }
        unheard.push(released);
    }
    panic!("nothing was given back in time: {unheard:?}");
}

/// What the supervisor says that came back.
fn fragment(python: &Python, cgroup: &MemoryCgroup) -> serde_json::Value {
    let program = Program::new();
    let script = FRAGMENTED.replace("CGROUP", cgroup.folder().to_str().unwrap());
    let within = |command| cgroup.within(&command);
    let run = Run::start_within(&program, python, &[], &script, within);
    run.wait_for("ended");
    run.wait_until("the answer", || {
        run.read("stderr").contains("\"memory_released\"")
    });
    let stderr = run.read("stderr");
    run.terminate();
    assert_eq!(run.finish().0, Some(143));
    let mut events = stderr
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .find(|event| event["event"] == "memory_released")
        .unwrap()
}
