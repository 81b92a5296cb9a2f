//! Python is told how many CPUs it may use, and pools of threads keep their size.

use std::fs;
use std::process::Command;

use super::face::Face;
use super::support::*;

/// What a script prints as numbers, behind the face.
fn numbers(face: &Face, mut command: Command, script: &str) -> Vec<u32> {
    command.args(["-c", script]);
    words(&mut face.behind(&command))
        .iter()
        .map(|word| word.parse().unwrap())
        .collect()
}

/// `os.cpu_count`, `os.process_cpu_count` (0 before 3.13), what sizes itself by them as processes, then as threads.
const SIZES: &str = "\
import os, multiprocessing, multiprocessing.pool, concurrent.futures as futures, multiprocessing.dummy
print(os.cpu_count(), getattr(os, 'process_cpu_count', lambda: 0)(), multiprocessing.cpu_count())
with multiprocessing.Pool() as pool: print(pool._processes)
print(futures.ProcessPoolExecutor()._max_workers)
print(futures.ThreadPoolExecutor()._max_workers)
class Mine(multiprocessing.pool.ThreadPool): pass
for kind in (multiprocessing.pool.ThreadPool, multiprocessing.dummy.Pool, Mine):
    with kind() as pool: print(pool._processes)
";

#[test]
fn counts_follow_the_limit_and_pools_of_threads_keep_their_size() {
    let test = "counts";
    let Some(face) = Face::new("agent", test) else {
        return;
    };
    let program = Program::new();
    for python in pythons_with_agent(test) {
        let plain = numbers(&face, python.plainly(), SIZES);
        assert_eq!(plain[0], 64);
        for (limit, told) in [("0.5", 2), ("1.5", 2), ("3", 3)] {
            let packed = numbers(
                &face,
                program.exec_with(&python, &["--cpu-limit", limit]),
                SIZES,
            );
            // never more than Python would say by itself, nor than the affinity, which is the machine's real count
            let affinity = std::thread::available_parallelism().unwrap().get() as u32;
            let told = told.min(affinity.max(2));
            let expected: Vec<u32> = plain[..5].iter().map(|real| told.min(*real)).collect();
            assert_eq!(packed[..5], expected, "{limit}, {:?}", python.version);
            assert_eq!(packed[5..], plain[5..], "{limit}, {:?}", python.version);
        }
    }
}

#[test]
fn an_event_loop_keeps_its_executor() {
    let test = "the event loop's executor";
    let Some(face) = Face::new("agent", test) else {
        return;
    };
    let program = Program::new();
    let script = "import asyncio\n\
        async def main():\n\
        \x20   loop = asyncio.get_running_loop()\n\
        \x20   await loop.run_in_executor(None, abs, -1)\n\
        \x20   print(loop._default_executor._max_workers)\n\
        asyncio.run(main())\n";
    for python in pythons_with_agent(test) {
        let plain = numbers(&face, python.plainly(), script);
        assert_eq!(numbers(&face, program.exec(&python), script), plain);
    }
}

#[test]
fn children_are_told_however_they_were_started() {
    let test = "children";
    let Some(face) = Face::new("agent", test) else {
        return;
    };
    let program = Program::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("children.py");
    let text = "import multiprocessing, os, subprocess, sys\n\
        def count(): print(os.cpu_count(), flush=True)\n\
        if __name__ == '__main__':\n\
        \x20   for method in ('fork', 'spawn', 'forkserver'):\n\
        \x20       process = multiprocessing.get_context(method).Process(target=count)\n\
        \x20       process.start(); process.join()\n\
        \x20   subprocess.run([sys.executable, '-c', 'import os; print(os.cpu_count())'])\n";
    fs::write(&file, text).unwrap();
    for python in pythons_with_agent(test) {
        let mut command = program.exec(&python);
        command.arg(&file);
        assert_eq!(words(&mut face.behind(&command)), ["2"; 4], "{python:?}");
    }
}

#[test]
fn the_users_own_count_decides() {
    let test = "the user's own count";
    let Some(face) = Face::new("agent", test) else {
        return;
    };
    let program = Program::new();
    let script = "import os; print(os.cpu_count())";
    for python in pythons_with_agent(test) {
        let has_own = python.version >= (3, 13);
        let mut by_variable = program.exec(&python);
        by_variable.env("PYTHON_CPU_COUNT", "9");
        let expected = if has_own { 9 } else { 64 };
        assert_eq!(
            numbers(&face, by_variable, script),
            [expected],
            "{python:?}"
        );
        let mut by_option = program.exec(&python);
        by_option.args(["-X", "cpu_count=9"]);
        assert_eq!(numbers(&face, by_option, script), [expected], "{python:?}");
        let off = program.exec_with(&python, &["--cpu-limit", "1", "--python-cpu-count", "off"]);
        assert_eq!(numbers(&face, off, script), [64], "{python:?}");
        let off = program.exec_with(&python, &["--cpu-limit", "1", "--agent", "off"]);
        assert_eq!(numbers(&face, off, script), [64], "{python:?}");
    }
}

#[test]
fn the_told_function_is_pickled_by_name_and_is_no_method() {
    let program = Program::new();
    let script = "import os, pickle, inspect, _thread, time\n\
        told = os.cpu_count\n\
        assert '_dunnage_agent' in __import__('sys').modules\n\
        assert b'dunnage' not in pickle.dumps(told)\n\
        assert pickle.loads(pickle.dumps(told)) is told\n\
        class Settings: count = os.cpu_count\n\
        assert Settings().count() == told()\n\
        assert told.__name__ == 'cpu_count' and told.__doc__\n\
        assert str(inspect.signature(told)) == '()'\n\
        assert list(map(lambda _: told(), [1])) == [told()]\n\
        done = []\n\
        _thread.start_new_thread(map(done.append, iter(told, None)).__next__, ())\n\
        while not done: time.sleep(0.001)\n";
    for python in pythons_with_agent("the told function") {
        words(program.exec(&python).args(["-c", script]));
    }
}
