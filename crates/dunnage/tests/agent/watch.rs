//! The whole way: the supervisor sees memory run short, asks, and an application that knows nothing of it gives back.

use super::cgroup::MemoryCgroup;
use super::support::*;

/// Fills the heap with strings of which one in a hundred survives, then goes on working.
const FRAGMENTED: &str = "def used(): return int(open('CGROUP/memory.usage_in_bytes').read()) >> 20
held = []
while used() < 106: held.extend('%700d' % n for n in range(1000)); time.sleep(0.002)
held = held[::100]
print('full', flush=True)
while used() > 60: found = [[n] for n in range(3000)]; time.sleep(0.001)
print('returned', flush=True)
time.sleep(600)
";

#[test]
fn a_fragmented_application_gives_back_when_memory_runs_short() {
    let name = "a_fragmented_application_gives_back_when_memory_runs_short";
    let pythons = pythons_with_agent(name);
    let (Some(python), Some(cgroup)) = (pythons.last(), MemoryCgroup::new(name, "134217728"))
    else {
        return;
    };
    let program = Program::new();
    let script = FRAGMENTED.replace("CGROUP", cgroup.folder().to_str().unwrap());
    let within = |command| cgroup.within(&command);
    let run = Run::start_within(&program, python, &[], &script, within);
    run.wait_for("returned");
    run.wait_until("the answer", || {
        run.read("stderr").contains("\"memory_released\"")
    });
    let stderr = run.read("stderr");
    let events = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let events: Vec<serde_json::Value> = events.collect();
    let released = events
        .iter()
        .find(|event| event["event"] == "memory_released")
        .unwrap();
    assert_eq!(released["count"], 1, "{released}");
    assert!(
        released["returned_bytes"].as_u64().unwrap() > 30 << 20,
        "{released}"
    );
    assert!(
        released["processes"][0]
            .as_str()
            .unwrap()
            .starts_with("python"),
        "{released}"
    );
    run.terminate();
    assert_eq!(run.finish().0, Some(143));
}
