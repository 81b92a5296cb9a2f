//! With the agent Python prints what it prints without, on stdout and stderr, and ends with the same code.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::*;

/// What a case does to a command that ends with an interpreter.
type Arguments<'a> = &'a dyn Fn(&mut Command);

/// Compares each interpreter with itself below `dunnage exec`; `since` is the oldest that the case's code is written for.
fn assert_same(case: &str, since: (u32, u32), arguments: Arguments<'_>) {
    let program = Program::new();
    let mut tried = 0;
    for python in pythons() {
        if python.version < since {
            continue;
        }
        tried += 1;
        let mut plain = python.plainly();
        let mut packed = program.exec(&python);
        arguments(&mut plain);
        arguments(&mut packed);
        let (plain, packed) = (steady(printed(&mut plain)), steady(printed(&mut packed)));
        assert_eq!(plain, packed, "{case}, Python {:?}", python.version);
    }
    assert!(tried > 0, "no interpreter for {case}");
}

/// Without what differs between two runs of one program: `unittest` prints how long it took, a warning the process id.
fn steady(mut printed: Printed) -> Printed {
    let lines = printed.stderr.split_inclusive('\n');
    let lines = lines.map(
        |line| match (line.split_once("(pid="), line.starts_with("Ran ")) {
            (_, true) => "Ran\n".to_owned(),
            (Some((before, after)), _) => {
                before.to_owned() + after.trim_start_matches(|letter: char| letter.is_ascii_digit())
            }
            (None, false) => line.to_owned(),
        },
    );
    printed.stderr = lines.collect();
    printed
}

fn script(case: &str, since: (u32, u32), text: &str) {
    assert_same(case, since, &|command| {
        command.args(["-c", text]);
    });
}

fn script_with(option: &str, text: &str) {
    assert_same(option, OLD, &|command| {
        command.args([option, "-c", text]);
    });
}

const OLD: (u32, u32) = (2, 7);
const NEW: (u32, u32) = (3, 6);

#[test]
fn a_program_prints_and_ends_as_before() {
    script("hello", OLD, "print('hello')");
    script("an error", OLD, "print('so far'); {}['no']");
    script("an exit code", OLD, "import sys; sys.exit(7)");
    script("words at exit", OLD, "import sys; sys.exit('not today')");
    script(
        "a warning",
        OLD,
        "import warnings; warnings.warn('old', DeprecationWarning)",
    );
}

#[test]
fn the_interpreters_state_is_as_the_user_made_it() {
    let seen = "import sys\n\
        print(sys.path, sys.argv, sys.flags, sys.warnoptions, len(sys.meta_path), len(sys.path_hooks))\n\
        print(sorted(sys.path_importer_cache))\n\
        print(sorted(set(sys.modules) - {'_dunnage_agent'}))\n";
    script("state", OLD, seen);
    assert_same("state with a path", OLD, &|command| {
        command
            .args(["-c", seen])
            .env("PYTHONPATH", "/nowhere:/usr/lib/nothing");
    });
    assert_same(
        "state with warnings and development mode",
        (3, 7),
        &|command| {
            command.args(["-X", "dev", "-W", "error", "-bb", "-c", seen]);
        },
    );
}

#[test]
fn interpreters_that_read_no_environment_are_as_before() {
    // without `site` nobody takes the program off sys.path, and nobody runs the agent
    script_with("-S", "import sys; print('_dunnage_agent' in sys.modules)");
    for option in ["-I", "-E", "-s", "-O", "-B"] {
        let since = if option == "-I" { NEW } else { OLD };
        assert_same(option, since, &|command| {
            command.args([
                option,
                "-c",
                "import sys; print(sys.path, sorted(set(sys.modules) - {'_dunnage_agent'}))",
            ]);
        });
    }
}

#[test]
fn a_script_from_a_file_from_a_module_and_from_stdin_is_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.py");
    fs::write(
        &file,
        "import sys\nprint(__name__, sys.argv[1:], sys.path[:2])\n",
    )
    .unwrap();
    assert_same("a file", OLD, &|command| {
        command.arg(&file).args(["--port", "80"]);
    });
    assert_same("a module", OLD, &|command| {
        command.args(["-m", "shop", "x"]).current_dir(folder.path());
    });
    assert_same("stdin", OLD, &|command| {
        command.arg("-").stdin(fs::File::open(&file).unwrap());
    });
}

#[test]
fn an_application_in_a_zip_is_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("shop");
    fs::create_dir(&application).unwrap();
    let text = "import sys\nprint(__file__, sys.path[0])\n";
    fs::write(application.join("__main__.py"), text).unwrap();
    let status = Command::new("python3")
        .args(["-m", "zipapp"])
        .arg(&application)
        .status();
    assert!(status.unwrap().success());
    assert_same("a zipapp", OLD, &|command| {
        command.arg(application.with_extension("pyz"));
    });
}

#[test]
fn tests_are_discovered_and_run_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let text = "import os, unittest\n\
        try:\n    from unittest import mock\n\
        except ImportError:\n    mock = None\n\
        class Case(unittest.TestCase):\n\
        \x20   def test_patch(self):\n\
        \x20       if mock:\n\
        \x20           with mock.patch('os.cpu_count', return_value=11):\n\
        \x20               self.assertEqual(os.cpu_count(), 11)\n\
        \x20           with mock.patch('os.cpu_count', autospec=True) as count:\n\
        \x20               os.cpu_count(); count.assert_called_once_with()\n\
        \x20   def test_failure(self): self.assertEqual(1, 2)\n";
    fs::write(folder.path().join("test_shop.py"), text).unwrap();
    assert_same("unittest", OLD, &|command| {
        command
            .args(["-m", "unittest", "discover"])
            .current_dir(folder.path());
    });
}

#[test]
fn forking_prints_no_warning_that_it_did_not_print() {
    script(
        "fork",
        OLD,
        "import os, sys\n\
        if os.fork() == 0:\n    print('child'); sys.stdout.flush(); os._exit(3)\n\
        print(os.wait()[1])\n",
    );
    script(
        "a fork beside a pool of threads, which has a warning of its own",
        NEW,
        "import os, sys, concurrent.futures\n\
        with concurrent.futures.ThreadPoolExecutor() as pool:\n\
        \x20   print(pool.submit(abs, -1).result()); sys.stdout.flush()\n\
        \x20   if os.fork() == 0: os._exit(3)\n\
        \x20   print(os.wait()[1])\n",
    );
}

#[test]
fn multiprocessing_prints_what_it_printed() {
    for method in ["fork", "spawn", "forkserver"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("work.py");
        let text = format!(
            "import multiprocessing, os, sys, pickle\n\
            def work(n):\n    print('work', n, sys.path[1:]); sys.stdout.flush(); return n * n\n\
            if __name__ == '__main__':\n\
            \x20   context = multiprocessing.get_context('{method}')\n\
            \x20   with context.Pool(1) as pool: print(pool.map(work, [1, 2, 3]))\n\
            \x20   process = context.Process(target=sys.exit, args=(5,))\n\
            \x20   process.start(); process.join(); print(process.exitcode)\n"
        );
        fs::write(&file, text).unwrap();
        // those that are too old for the agent have shown what they do with `fork` and `subprocess`
        assert_same(method, (3, 9), &|command| {
            command.arg(&file);
        });
    }
}

#[test]
fn a_child_by_subprocess_is_as_before() {
    script(
        "subprocess",
        OLD,
        "import subprocess, sys\n\
        child = [sys.executable, '-c', 'import sys; print(sys.path); sys.exit(4)']\n\
        print(subprocess.call(child)); sys.stdout.flush()\n\
        print(subprocess.call(child, env={}, close_fds=True))\n",
    );
}

/// A `sitecustomize` of the user's own, which does `text`.
fn with_sitecustomize(case: &str, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sitecustomize.py"), text).unwrap();
    let seen =
        "import sys; print(getattr(sys.modules.get('sitecustomize'), '__file__', None), sys.path)";
    let same = |path: &Path| {
        assert_same(case, OLD, &|command| {
            command.args(["-c", seen]).env("PYTHONPATH", path);
        });
    };
    same(folder.path());
}

#[test]
fn a_sitecustomize_of_the_users_own_runs_and_fails_as_before() {
    with_sitecustomize(
        "one that prints",
        "import sys; print(__name__, __file__, sys.path)",
    );
    with_sitecustomize("one that fails", "{}['no']");
    with_sitecustomize("one that imports what is not there", "import nowhere");
    with_sitecustomize("one that is no Python", "def (");
    with_sitecustomize(
        "one that calls the next",
        "import sys, os\n\
        sys.path.remove(os.path.dirname(__file__)); this = sys.modules.pop('sitecustomize')\n\
        try:\n    import sitecustomize\nexcept ImportError:\n    sys.modules['sitecustomize'] = this\n",
    );
}
