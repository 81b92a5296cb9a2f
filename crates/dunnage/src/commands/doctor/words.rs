//! What a command line says: Python's own options, which server it starts, and how that is told to stop.

/// What Python was told on its command line (`python -h`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-E` or `-I`: variables that begin with PYTHON do not count.
    pub ignores_environment: bool,
    /// `-u`.
    pub is_unbuffered: bool,
    /// `-X cpu_count=N`.
    pub cpu_count: Option<String>,
}

/// Reads Python's options, which end at the first word that is none, or at `-m` or `-c`.
pub fn read_flags(words: &[String]) -> Flags {
    let mut flags = Flags::default();
    let mut words = words.iter().skip(1).map(String::as_str);
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            break;
        };
        if letters.starts_with('-') {
            // `--check-hash-based-pycs` is the only long one that takes a word
            if letters == "-check-hash-based-pycs" {
                words.next();
            }
            continue;
        }
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            match letter {
                'E' | 'I' => flags.ignores_environment = true,
                'u' => flags.is_unbuffered = true,
                'm' | 'c' => return flags,
                'X' | 'W' => {
                    let value = if rest.is_empty() {
                        words.next().unwrap_or_default()
                    } else {
                        rest
                    };
                    if let Some(count) = value.strip_prefix("cpu_count=").filter(|_| letter == 'X')
                    {
                        flags.cpu_count = Some(count.to_owned());
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    flags
}

/// The value of a long option: `--name VALUE` or `--name=VALUE`.
pub fn option<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        if let Some(value) = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(value);
        }
    }
    None
}

/// The last part of a path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a program or module of this name is what the command line starts: as the program, as the script of an
/// interpreter, or after `-m`.
fn starts(words: &[String], name: &str) -> Option<usize> {
    let is = |word: &String| base(word) == name;
    let first = words.first().map(|word| base(word))?;
    if first == name {
        return Some(0);
    }
    if !first.starts_with("python") {
        return None;
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "-m" => return words.get(at + 1).filter(|word| is(word)).map(|_| at + 1),
            code if code.starts_with("-c") => return None,
            // these take a word
            "-X" | "-W" => at += 2,
            option if option.starts_with('-') => at += 1,
            script => return (base(script) == name).then_some(at),
        }
    }
    None
}

/// A server that is made for developing, not for production, and by which words it is known.
pub fn development_server(words: &[String]) -> Option<&'static str> {
    let has = |word: &str| words.iter().any(|found| found == word);
    let after = |name: &str, command: &str| {
        starts(words, name).is_some_and(|at| words.iter().skip(at + 1).any(|word| word == command))
    };
    if after("flask", "run") {
        return Some("flask run");
    }
    if after("manage.py", "runserver")
        || after("django-admin", "runserver")
        || after("django", "runserver")
    {
        return Some("runserver");
    }
    if after("fastapi", "dev") {
        return Some("fastapi dev");
    }
    for (server, told) in [
        ("uvicorn", "uvicorn --reload"),
        ("gunicorn", "gunicorn --reload"),
        ("hypercorn", "hypercorn --reload"),
    ] {
        if starts(words, server).is_some() && has("--reload") {
            return Some(told);
        }
    }
    None
}

/// Does it start a server whose work is to answer requests over the network?
pub fn is_web_server(words: &[String]) -> bool {
    const SERVERS: [&str; 8] = [
        "gunicorn",
        "uvicorn",
        "hypercorn",
        "daphne",
        "granian",
        "waitress-serve",
        "fastapi",
        "streamlit",
    ];
    SERVERS.iter().any(|name| starts(words, name).is_some()) || development_server(words).is_some()
}

/// How long a server waits for what it has begun, once it is told to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// The server.
    pub server: &'static str,
    /// Seconds; `None` is for ever.
    pub seconds: Option<u64>,
    /// Who says so.
    pub source: String,
}

/// What the command line says of the server's patience; a configuration file is not looked into.
pub fn patience(words: &[String]) -> Option<Patience> {
    if starts(words, "gunicorn").is_some() {
        let told = option(words, "--graceful-timeout").and_then(|text| text.parse().ok());
        let by_file = option(words, "--config").or_else(|| option(words, "-c"));
        return Some(Patience {
            server: "gunicorn",
            seconds: told.or(Some(30)),
            source: match (told, by_file) {
                (Some(_), _) => "--graceful-timeout".to_owned(),
                (None, Some(file)) => {
                    format!("its default, if {} does not say otherwise", base(file))
                }
                (None, None) => "its default".to_owned(),
            },
        });
    }
    if starts(words, "uvicorn").is_some() {
        let told = option(words, "--timeout-graceful-shutdown").and_then(|text| text.parse().ok());
        return Some(Patience {
            server: "uvicorn",
            seconds: told,
            source: if told.is_some() {
                "--timeout-graceful-shutdown"
            } else {
                "its default"
            }
            .to_owned(),
        });
    }
    None
}

/// Programs that start the application as their child, where a container needs none between.
pub fn wrapper(words: &[String]) -> Option<&'static str> {
    const WRAPPERS: [&str; 6] = ["uv", "poetry", "pipenv", "pdm", "hatch", "conda"];
    WRAPPERS.into_iter().find(|name| {
        starts(words, name).is_some_and(|at| words.get(at + 1).is_some_and(|word| word == "run"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn pythons_options_end_where_the_program_begins() {
        let flags = |line| read_flags(&words(line));
        let told = flags("python3 -bEu -X dev -Xcpu_count=4 app.py -I");
        assert_eq!(
            told,
            Flags {
                ignores_environment: true,
                is_unbuffered: true,
                cpu_count: Some("4".to_owned()),
            }
        );
        assert_eq!(flags("python3 -m app -u"), Flags::default());
        assert_eq!(flags("python3 -c pass -E"), Flags::default());
        assert_eq!(flags("python3 -W error app.py -u"), Flags::default());
        assert_eq!(read_flags(&[]), Flags::default());
    }

    #[test]
    fn servers_for_developing_are_known_and_others_are_not() {
        for (line, expected) in [
            (
                "/usr/bin/python3 /usr/local/bin/flask --app shop run",
                Some("flask run"),
            ),
            ("python -m flask run", Some("flask run")),
            ("python manage.py runserver 0.0.0.0:80", Some("runserver")),
            ("uvicorn shop:app --reload", Some("uvicorn --reload")),
            ("python3 -m uvicorn shop:app", None),
            ("fastapi run shop.py", None),
            ("python run.py flask run", None),
            ("python3 -c flask run", None),
        ] {
            assert_eq!(development_server(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn web_servers_are_known_by_how_they_are_started() {
        for line in [
            "/usr/bin/python3 /usr/local/bin/uvicorn shop:app",
            "python3 -m gunicorn shop:app",
            "python manage.py runserver",
        ] {
            assert!(is_web_server(&words(line)), "{line}");
        }
        for line in [
            "python3 train.py",
            "python3 -m celery worker",
            "python3 manage.py migrate",
        ] {
            assert!(!is_web_server(&words(line)), "{line}");
        }
    }

    #[test]
    fn a_servers_patience_is_its_option_or_its_default() {
        let seconds = |line| patience(&words(line)).map(|found| found.seconds);
        assert_eq!(seconds("gunicorn shop:app"), Some(Some(30)));
        assert_eq!(
            seconds("python3 -m gunicorn --graceful-timeout=5 shop:app"),
            Some(Some(5))
        );
        assert_eq!(seconds("uvicorn shop:app"), Some(None));
        assert_eq!(seconds("python3 app.py"), None);
    }

    #[test]
    fn wrappers_are_known_by_run() {
        assert_eq!(wrapper(&words("uv run app.py")), Some("uv"));
        assert_eq!(wrapper(&words("python3 -m poetry run app")), Some("poetry"));
        assert_eq!(wrapper(&words("uv pip list")), None);
    }
}
