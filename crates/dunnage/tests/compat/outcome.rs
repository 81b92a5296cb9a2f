//! Command lines: the same exit code and the same output of the program.

use super::support::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What the init says of its own accord.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// Nothing, or failures and warnings on stderr: that much must be the same.
    Few,
    /// Help, version, or what `-v` asks for, of which the real tini says some on stdout: ours are our own, on one stream.
    Own,
}

/// Runs `words` with `variables` under both and compares.
fn compare(pair: &Pair, words: &[&str], variables: &[(&str, &str)], texts: Texts) {
    pair.same(&format!("{words:?} {variables:?}"), |program, place| {
        let mut prepared = command(place, program, words);
        prepared.envs(variables.iter().copied());
        let mut got = outcome(place, prepared);
        if texts == Texts::Own {
            got.spoke |= !std::mem::take(&mut got.stdout).is_empty();
        }
        got
    });
}

const EXIT_7: [&str; 3] = ["sh", "-c", "exit 7"];

#[test]
fn tini_reads_its_options_as_the_real_one() {
    let Some(pair) = Pair::of("tini") else { return };
    let with = |options: &[&'static str]| -> Vec<&'static str> {
        options
            .iter()
            .copied()
            .chain(["--"])
            .chain(EXIT_7)
            .collect()
    };
    for options in [
        &[] as &[_],
        &["-s"],
        &["-g"],
        &["-sgw"],
        &["-p", "SIGTERM"],
        &["-pSIGKILL"],
        &["-p", "SIGSYS"],
        &["-s", "-e", "7"],
        &["-se7"],
        &["-s", "-e", "8", "-e", "7"],
        &["-s", "-e", "7", "-e", "8"],
        &["-s", "-e", " 07"],
        &["-s", "-e", "+7"],
        &["-s", "-e", ""],
        &["-s", "-e", "-0"],
        &["-s", "-e", "255"],
        &["-e", "256"],
        &["-e", "-1"],
        &["-e", "7 "],
        &["-e", "0x7"],
        &["-e", "+"],
        &["-e", "seven"],
        &["-e", "4294967303"],
        &["-e", "99999999999999999999"],
        &["-e"],
        &["-p", "TERM"],
        &["-p", "sigterm"],
        &["-p", "15"],
        &["-p", ""],
        &["-p"],
        &["-p", "SIGIO"],
        &["-p", "SIGPWR"],
        &["-p", "SIGSTKFLT"],
        &["-p", "SIGRTMIN"],
        &["-p", "SIGPOLL"],
        &["-p", "SIGTERM", "-p", "no"],
        &["-x"],
        &["-sx"],
        &["--subreaper"],
        &["-V"],
    ] {
        compare(&pair, &with(options), &[], Texts::Few);
    }
    for options in [&["-v"] as &[_], &["-s", "-vvv"], &["-sv"]] {
        compare(&pair, &with(options), &[], Texts::Own);
    }
    for words in [
        &[] as &[_],
        &["-s"],
        &["--"],
        &["-s", "--"],
        &["--", "--version"],
        &["-s", "-"],
        &["-s", "--", "--"],
        &["-s", ""],
    ] {
        compare(&pair, words, &[], Texts::Few);
    }
    for words in [
        &["-h"] as &[_],
        &["-h", "true"],
        &["-sh"],
        &["-h", "-e", "300"],
        &["-e", "300", "-h"],
        &["-l"],
        &["--version"],
        &["-s", "--version"],
        &["--version", "-s"],
        &["--help"],
    ] {
        compare(&pair, words, &[], Texts::Own);
    }
}

#[test]
fn tini_reads_its_variables_as_the_real_one() {
    let Some(pair) = Pair::of("tini") else { return };
    for value in [
        "0",
        "1",
        "2",
        "3",
        "9",
        "",
        "x",
        " 2x",
        "-1",
        "4294967296",
        "4294967298",
    ] {
        for options in [&[] as &[&str], &["-s"], &["-vvv"]] {
            let words: Vec<_> = options
                .iter()
                .copied()
                .chain(["--"])
                .chain(EXIT_7)
                .collect();
            compare(&pair, &words, &[("TINI_VERBOSITY", value)], Texts::Own);
        }
    }
    for value in ["", "0", "1"] {
        let words: Vec<_> = ["--"].into_iter().chain(EXIT_7).collect();
        compare(&pair, &words, &[("TINI_SUBREAPER", value)], Texts::Few);
        compare(
            &pair,
            &["-s", "no-such-program"],
            &[("TINI_VERBOSITY", value)],
            Texts::Few,
        );
    }
}

#[test]
fn tini_stops_at_the_first_word_that_is_no_option_as_the_real_one_does_where_the_c_library_lets_it()
{
    let Some(pair) = Pair::of("tini") else { return };
    let posix = [("POSIXLY_CORRECT", "1")];
    compare(&pair, &["-s", "sh", "-c", "exit 7"], &posix, Texts::Few);
    compare(&pair, &["-s", "echo", "-s", "--", "-x"], &posix, Texts::Few);
    // and ours without being told
    for place in places() {
        let got = outcome(
            place,
            command(place, &pair.ours, &["-s", "echo", "-s", "--", "-x"]),
        );
        assert_eq!((got.code, got.stdout.as_str()), (0, "-s -- -x\n"));
    }
}

#[test]
fn dumb_init_reads_its_options_as_the_real_one() {
    let Some(pair) = Pair::of("dumb-init") else {
        return;
    };
    let with = |options: &[&'static str]| -> Vec<&'static str> {
        options.iter().copied().chain(EXIT_7).collect()
    };
    for options in [
        &[] as &[_],
        &["--"],
        &["-c"],
        &["-c", "--"],
        &["--single-child"],
        &["--si"],
        &["-v"],
        &["-cv"],
        &["--verbose"],
        &["--verb"],
        &["-r", "15:3"],
        &["-r15:3"],
        &["-cr", "15:3"],
        &["--rewrite", "15:3"],
        &["--rewrite=15:3"],
        &["--r=15:3"],
        &["-r", "15:0"],
        &["-r", "31:31"],
        &["-r", "15:3x"],
        &["-r", " 15: 3"],
        &["-r", "+15:+3"],
        &["-r", "4294967311:3"],
        &["-r", "9:15"],
        &["-r", "17:15"],
        &["-r", "15"],
        &["-r", "15:"],
        &["-r", ":15"],
        &["-r", ""],
        &["-r", "15 :3"],
        &["-r", "15:TERM"],
        &["-r", "TERM:3"],
        &["-r", "0:3"],
        &["-r", "32:3"],
        &["-r", "31:32"],
        &["-r", "15:-1"],
        &["-r", "-1:15"],
        &["-r", "99999999999999999999:1"],
        &["-x"],
        &["-cx"],
        &["--no-such"],
        &["--ver"],
        &["--v"],
        &["--single-child=1"],
        &["--="],
    ] {
        compare(&pair, &with(options), &[], Texts::Few);
    }
    for words in [
        &[] as &[_],
        &["--"],
        &["-c"],
        &["-r"],
        &["--rewrite"],
        &["-"],
        &["--", "--"],
        &[""],
        &["echo", "-v", "--", "-x"],
    ] {
        compare(&pair, words, &[], Texts::Few);
    }
    for words in [
        &["-h"] as &[_],
        &["--help", "true"],
        &["-h", "--no-such"],
        &["--no-such", "-h"],
        &["-V"],
        &["--version"],
        &["--vers", "-x"],
        &["-cV"],
    ] {
        compare(&pair, words, &[], Texts::Own);
    }
}

#[test]
fn dumb_init_reads_its_variables_as_the_real_one() {
    let Some(pair) = Pair::of("dumb-init") else {
        return;
    };
    for value in ["0", "1", "", "00", "11", "true", "no"] {
        for name in ["DUMB_INIT_DEBUG", "DUMB_INIT_SETSID"] {
            compare(&pair, &EXIT_7, &[(name, value)], Texts::Few);
        }
    }
}

#[test]
fn the_end_of_the_program_gives_the_same_code() {
    for name in ["tini", "dumb-init"] {
        let Some(pair) = Pair::of(name) else { continue };
        for code in [0, 1, 2, 42, 125, 126, 127, 128, 143, 255] {
            compare(
                &pair,
                &["--", "sh", "-c", &format!("exit {code}")],
                &[],
                Texts::Few,
            );
        }
        for signal in [1, 2, 3, 6, 9, 11, 13, 15, 40, 64] {
            let script = format!("ulimit -c 0; kill -{signal} $$");
            compare(&pair, &["--", "sh", "-c", &script], &[], Texts::Few);
        }
    }
    let Some(pair) = Pair::of("tini") else { return };
    for code in ["143", "137", "127"] {
        compare(
            &pair,
            &["-s", "-e", code, "--", "sh", "-c", "kill -TERM $$"],
            &[],
            Texts::Few,
        );
        compare(
            &pair,
            &["-s", "-e", code, "--", "no-such-program"],
            &[],
            Texts::Few,
        );
    }
}

#[test]
fn what_cannot_be_executed_gives_the_same_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let words = [
        "no-such-program".to_owned(),
        "/no/such/program".to_owned(),
        Path::new("/etc").to_str().unwrap().to_owned(),
        file("plain", "exit 7\n", 0o644),
        file("below", "", 0o644) + "/program",
        file("empty", "", 0o755),
        file("no-first-line", "echo $1; exit 7\n", 0o755),
        file("lost-interpreter", "#!/no/such/interpreter\n", 0o755),
    ];
    for name in ["tini", "dumb-init"] {
        let Some(pair) = Pair::of(name) else { continue };
        for word in &words {
            compare(&pair, &["--", word, "argument"], &[], Texts::Few);
        }
    }
}
