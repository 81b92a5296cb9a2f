//! The brink, as the user chose it, and whom it leaves alone; a report folder that hangs. In real cgroups and on a real disk.
//! The world of a container is the lab's (`lab/cases/memory-brink-*`).

use super::cgroup::MemoryCgroup;
use super::support::*;
use super::volume::Volume;

/// 128 MiB.
const LIMIT: &str = "134217728";

/// Two workers of one kind, of which the second rises to the brink, stays a moment and comes back; then both answer. What
/// `before` says happens in that one before it rises.
fn workers(before: &str) -> String {
    format!(
        "import mmap,os,sys,threading,time\n\
         own = next(l for l in open('/proc/self/cgroup') if ':memory:' in l).strip().split(':')[2]\n\
         def used(): return int(open('/sys/fs/cgroup/memory' + own + '/memory.usage_in_bytes').read()) / (1 << 20)\n\
         def rise(mib, pause):\n\
         \x20   while used() < mib:\n\
         \x20       block = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n\
         \x20       for page in range(256): block[page << 12] = 1\n\
         \x20       blocks.append(block); time.sleep(pause)\n\
         def say(word): print(word, flush=True)\n\
         blocks, pipes = [], [os.pipe() for _ in range(2)]\n\
         for number, (_, answer) in enumerate(pipes):\n\
         \x20   if os.fork() == 0:\n\
         \x20       if number:\n\
         \x20           {before}\n\
         \x20           rise(119, 0.005); time.sleep(7); rise(126, 0.004); time.sleep(0.3); blocks.clear()\n\
         \x20       os.write(answer, b'x'); time.sleep(600)\n\
         say('up')\n\
         for read, _ in pipes: assert os.read(read, 1) == b'x'\n\
         say('both answer'); time.sleep(600)\n"
    )
}

/// Runs two workers to the brink; what was said of it.
fn to_the_brink(place: Place, cgroup: &MemoryCgroup, before: &str) -> Finished {
    let program = workers(before);
    let words = ["python3", "-c", &program];
    let command = command(place, &["--on-brink", "stop"], &words);
    let run = start_command(cgroup.within(&command));
    run.wait_for("both answer");
    run.signal("TERM");
    run.finish()
}

fn refusal(finished: &Finished) -> String {
    let brink = finished.one("brink");
    assert_eq!(brink["action"], "refused", "{}", finished.stderr);
    assert!(finished.all("oom_kill").is_empty(), "{}", finished.stderr);
    brink["text"].as_str().unwrap().to_owned()
}

#[test]
fn at_the_brink_the_worker_that_grows_stands_still_and_goes_on() {
    let name = "at_the_brink_the_worker_that_grows_stands_still";
    let (true, Some(cgroup)) = (needs_init(name), MemoryCgroup::new(name, LIMIT)) else {
        return;
    };
    let finished = to_the_brink(Place::Init, &cgroup, "pass");
    let actions: Vec<_> = finished
        .all("brink")
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["stopped", "continued"], "{}", finished.stderr);
    let records = finished.all("memory_record");
    let last = records.last().unwrap();
    assert_eq!(
        (&last["why"], &last["complete"]),
        (&"brink".into(), &true.into())
    );
    assert!(finished.all("oom_kill").is_empty(), "{}", finished.stderr);
}

#[test]
fn who_is_not_pid_1_stops_nobody() {
    let name = "who_is_not_pid_1_stops_nobody";
    let Some(cgroup) = MemoryCgroup::new(name, LIMIT) else {
        return;
    };
    let said = refusal(&to_the_brink(Place::Below, &cgroup, "pass"));
    assert!(said.contains("PID 1"), "{said}");
}

#[test]
fn a_worker_with_a_thread_that_waits_for_a_disk_is_not_stopped() {
    let name = "a_worker_with_a_thread_that_waits_for_a_disk";
    let (true, Some(cgroup)) = (needs_init(name), MemoryCgroup::new(name, LIMIT)) else {
        return;
    };
    let Some(volume) = Volume::new(name) else {
        return;
    };
    let frozen = volume.freeze();
    let path = volume.path().join("file");
    let writes =
        format!("threading.Thread(target=lambda: open({path:?}, 'w'), daemon=True).start()");
    let program = workers(&writes);
    let command = command(
        Place::Init,
        &["--on-brink", "stop"],
        &["python3", "-c", &program],
    );
    let run = start_command(cgroup.within(&command));
    let frozen = frozen;
    run.wait_for("both answer");
    // a process in that state dies only when the disk answers
    drop(frozen);
    run.signal("TERM");
    let said = refusal(&run.finish());
    assert!(said.contains("waits for a device"), "{said}");
}

/// Grows to 95 % and stays, says so, and ends with 7 when it is told to.
const FULL: &str = "import mmap,os,signal,sys,time\n\
     signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))\n\
     own = next(l for l in open('/proc/self/cgroup') if ':memory:' in l).strip().split(':')[2]\n\
     def used(): return int(open('/sys/fs/cgroup/memory' + own + '/memory.usage_in_bytes').read()) >> 20\n\
     print('up', flush=True); blocks = []\n\
     while not os.path.exists('go'): time.sleep(0.01)\n\
     while used() < 121: blocks.append(bytearray(1 << 20)); time.sleep(0.01)\n\
     print('full', flush=True)\n\
     while True: time.sleep(60)\n";

#[test]
fn a_report_folder_that_hangs_holds_nobody_up_and_the_loss_is_said() {
    let name = "a_report_folder_that_hangs";
    let (Some(cgroup), Some(volume)) = (MemoryCgroup::new(name, LIMIT), Volume::new(name)) else {
        return;
    };
    let folder = volume.path();
    let options = ["--report-dir", folder.to_str().unwrap()];
    let command = command(Place::Below, &options, &["python3", "-c", FULL]);
    let run = start_command(cgroup.within(&command));
    run.wait_for("up");
    wait_until("the record file", || {
        let names = std::fs::read_dir(&folder).unwrap().flatten();
        names
            .filter(|entry| entry.path().extension().is_some())
            .count()
            == 1
    });
    let frozen = volume.freeze();
    std::fs::write(run.path("go"), "").unwrap();
    run.wait_for("full");
    run.wait_for_event("memory records are not written");
    // signals still arrive, and the end of the application is seen
    run.signal("USR1");
    run.wait_for_event("\"ended\"");
    // its thread can leave the kernel only when the disk answers, and a process ends with its last thread
    drop(frozen);
    let finished = run.finish();
    assert_eq!(finished.code, 7, "{}", finished.stderr);
    assert_eq!(finished.one("ended")["code"], 7);
    let lost: Vec<_> = finished
        .all("degraded")
        .iter()
        .map(|event| event["what"].as_str().unwrap().to_owned())
        .filter(|what| what.contains("memory records"))
        .collect();
    let [hangs, end] = lost.as_slice() else {
        panic!("{}", finished.stderr);
    };
    assert!(hangs.contains("not written"), "{hangs}");
    assert!(end.contains("gets no end"), "{end}");
}

#[test]
fn a_run_that_ends_before_its_report_folder_answers_says_that_and_not_how_long_it_did_not_wait() {
    let name = "a_run_that_ends_before_its_report_folder_answers";
    let (Some(cgroup), Some(volume)) = (MemoryCgroup::new(name, LIMIT), Volume::new(name)) else {
        return;
    };
    let frozen = volume.freeze();
    let folder = volume.path();
    let options = ["--report-dir", folder.to_str().unwrap()];
    let run = start_command(cgroup.within(&command(Place::Below, &options, &["true"])));
    run.wait_for_event("gets no end");
    drop(frozen);
    let finished = run.finish();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let end = finished.one("degraded");
    let reason = end["reason"].as_str().unwrap();
    assert!(reason.contains("still at work when the run ended"), "{end}");
}

#[test]
fn a_report_folder_that_hangs_at_the_start_and_answers_later_is_used_then() {
    let name = "a_report_folder_that_hangs_at_the_start";
    let (Some(cgroup), Some(volume)) = (MemoryCgroup::new(name, LIMIT), Volume::new(name)) else {
        return;
    };
    let frozen = volume.freeze();
    let folder = volume.path();
    let options = ["--report-dir", folder.to_str().unwrap()];
    let command = command(Place::Below, &options, &["python3", "-c", FULL]);
    let run = start_command(cgroup.within(&command));
    let frozen = frozen;
    run.wait_for("up");
    run.wait_for_event("memory records are not written");
    drop(frozen);
    run.wait_for_event("memory records are written again");
    std::fs::write(run.path("go"), "").unwrap();
    run.wait_for_event("\"memory_record\"");
    run.signal("USR1");
    let finished = run.finish();
    assert_eq!(finished.code, 7, "{}", finished.stderr);
    let record = finished.one("memory_record");
    assert_eq!(record["complete"], true, "{}", finished.stderr);
    assert!(
        record["path"]
            .as_str()
            .unwrap()
            .starts_with(folder.to_str().unwrap())
    );
}
