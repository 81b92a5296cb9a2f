use super::{Call, Module, Value, parse};
use crate::source::{FileId, Source};
use proptest::prelude::*;
use thin_vec::thin_vec;

fn module(text: &str) -> Module {
    try_module(text).unwrap()
}

fn try_module(text: &str) -> Result<Module, super::Problem> {
    let source = Source {
        path: "a.py".to_owned(),
        text: text.to_owned(),
    };
    parse(&source, FileId(0))
}

fn names(module: &Module) -> Vec<&str> {
    module.calls.iter().map(|call| call.name.as_str()).collect()
}

#[test]
fn a_callee_has_the_name_that_its_import_gives_it() {
    let module = module(
        "import os, concurrent.futures as cf\nfrom multiprocessing import Pool as P, cpu_count\n\
         from .tasks import run\nimport xml.etree\nfrom flask import Flask\n\
         P(); cf.ProcessPoolExecutor(); cpu_count(); os.cpu_count(); run(); xml.etree.parse(); other.thing()\n\
         Flask(__name__).run()\n",
    );
    let expected = [
        "multiprocessing.Pool",
        "concurrent.futures.ProcessPoolExecutor",
        "multiprocessing.cpu_count",
        "os.cpu_count",
        ".tasks.run",
        "xml.etree.parse",
        "other.thing",
        "flask.Flask().run",
        "flask.Flask",
    ];
    assert_eq!(names(&module), expected);
}

#[test]
fn an_import_below_its_use_and_one_inside_a_function_are_known() {
    let module = module("def f():\n    return cpu_count()\n\nfrom os import cpu_count\n");
    assert_eq!(names(&module), ["os.cpu_count"]);
    let module = self::module("def f():\n    from os import cpu_count as n\n    return n()\n");
    assert_eq!(names(&module), ["os.cpu_count"]);
    assert!(module.imports[0].is_lazy);
}

#[test]
fn a_value_says_what_it_is_computed_from_and_what_bounds_it() {
    let text = "import os\na = os.cpu_count() * 2 + 1\nb = max(1, (os.cpu_count() or 2) - 1)\nc = min(4, os.cpu_count())\n\
                d = 60 * 5\ne = -1\nf = [1, 'x', None]\ng = int(os.environ.get('N', 2))\nh = len(os.sched_getaffinity(0))\n\
                i = 4 if os.cpu_count() > 8 else 2\n";
    let module = module(text);
    let value = |name: &str| {
        let found = module.assignments.iter().find(|(other, ..)| other == name);
        found.map(|(_, value, _)| value.clone()).unwrap()
    };
    let cpus = || Value::Expression(thin_vec!["os.cpu_count".into()]);
    assert_eq!((value("a"), value("b")), (cpus(), cpus()));
    assert_eq!(value("c"), Value::Call("min".into()));
    assert_eq!((value("d"), value("e")), (Value::Int(300), Value::Int(-1)));
    let list = vec![Value::Int(1), Value::Text("x".into()), Value::None];
    assert_eq!(value("f"), Value::List(list.into()));
    assert_eq!(value("g").names(), ["os.environ.get"]);
    assert_eq!(value("h").names(), ["os.sched_getaffinity"]);
    assert_eq!(value("i").names(), [""; 0]);
}

#[test]
fn what_becomes_of_a_calls_value_is_known() {
    let text = "import subprocess\nclass W:\n    def run(self):\n        self.p = subprocess.Popen(['a'])\n        \
                subprocess.Popen(['b'])\n        with subprocess.Popen(['c']) as p:\n            pass\n        \
                return subprocess.Popen(['d'])\n";
    let module = module(text);
    let fates: Vec<_> = module
        .calls
        .iter()
        .map(|call| (call.assigned.as_deref(), call.is_dropped, call.is_managed))
        .collect();
    let expected = [
        (Some("self.p"), false, false),
        (None, true, false),
        (Some("p"), false, true),
        (None, false, false),
    ];
    assert_eq!(fates, expected);
    assert!(module.calls.iter().all(|call| &*call.function == "W.run"));
    assert_eq!(module.functions[0].parameters, ["self"]);
}

#[test]
fn what_stands_in_a_lambda_is_known_to_run_later() {
    let module = module("def f():\n    a(lambda: b(c()), d())\n    e()\n");
    let of = |call: &Call| (call.name.to_string(), call.is_in_lambda);
    let found: Vec<_> = module.calls.iter().map(of).collect();
    let expected = [
        ("a", false),
        ("b", true),
        ("c", true),
        ("d", false),
        ("e", false),
    ];
    assert_eq!(
        found,
        expected.map(|(name, is_in)| (name.to_owned(), is_in))
    );
}

#[test]
fn handlers_decorators_and_main_are_found() {
    let text = "import functools\n@functools.lru_cache(maxsize=None)\ndef f(a): ...\ntry:\n    f(1)\n\
                except (KeyboardInterrupt, SystemExit):\n    pass\nexcept:\n    pass\n\
                if __name__ == '__main__':\n    f(2)\n    f(3)\n";
    let module = module(text);
    assert_eq!(module.functions[0].decorators[0].0, "functools.lru_cache");
    assert_eq!(module.calls_of("functools.lru_cache").count(), 1);
    assert_eq!(module.handlers[0].0, ["KeyboardInterrupt", "SystemExit"]);
    assert!(module.handlers[1].0.is_empty());
    assert_eq!(&text[module.main.unwrap().range()], "f(2)\n    f(3)");
}

#[test]
fn an_import_can_be_inserted_without_breaking_a_statement() {
    let at = |text: &str| module(text).after_imports as usize;
    for (text, before) in [
        (
            "\"\"\"Doc.\"\"\"\n\nimport os\nx = 1\n",
            "\"\"\"Doc.\"\"\"\n\nimport os\n",
        ),
        (
            "#!/usr/bin/python3\n# words\n\nx = 1\n",
            "#!/usr/bin/python3\n# words\n",
        ),
        ("import os; x = (\n1)\ny = 2\n", "import os; x = (\n1)\n"),
        ("x = 1\nimport os\n", ""),
        (
            "from __future__ import annotations",
            "from __future__ import annotations",
        ),
    ] {
        assert_eq!(&text[..at(text)], before);
    }
}

#[test]
fn python_2_is_a_problem_with_a_place() {
    let problem = try_module("import os\nprint 'hello'\n").unwrap_err();
    assert!(problem.span.start >= 10, "{problem:?}");
    assert!(problem.message.starts_with(char::is_lowercase), "{problem}");
}

#[test]
fn what_cpython_would_not_compile_is_refused_before_it_is_built() {
    let million = 1_000_000;
    for text in [
        "(".repeat(million),
        "[".repeat(million),
        "-".repeat(million),
        "not ".repeat(million),
        "lambda a, b: ".repeat(million),
        "1+".repeat(million),
        "a.".repeat(million),
        "f(".repeat(million),
        "f'{".repeat(million),
        "f'{x:{".repeat(million),
        "x if y else ".repeat(million),
        "{1: ".repeat(million),
        "if x: ".repeat(million),
        (0..2000).fold(String::new(), |text, depth| {
            text + &" ".repeat(depth) + "if x:\n"
        }),
        format!("match x:\n case {}", "[".repeat(million)),
        format!("def f(x: {}", "[".repeat(million)),
    ] {
        let start: String = text.chars().take(12).collect();
        assert!(try_module(&text).is_err(), "{start}");
    }
}

#[test]
fn what_is_deep_but_legal_is_read_on_a_small_stack() {
    let chain = format!("import os\nx = {}os.cpu_count()\n", "1 + ".repeat(2_900));
    let brackets = format!(
        "import os\nx = {}os.cpu_count(){}\n",
        "[".repeat(190),
        "]".repeat(190)
    );
    let method = format!("import os\nos.cpu_count(){}\n", ".x()".repeat(900));
    let blocks = (0..95).fold("import os\n".to_owned(), |text, depth| {
        text + &" ".repeat(depth) + "if os.cpu_count():\n"
    }) + &" ".repeat(95)
        + "pass\n";
    for text in [chain, brackets, method, blocks] {
        let calls = names(&module(&text)).contains(&"os.cpu_count");
        assert!(calls, "{}", &text[..40]);
    }
}

#[test]
fn long_data_is_not_deep() {
    let list = format!("x = [{}]\n", "(1, -2, 'a'), ".repeat(100_000));
    assert!(module(&list).assignments[0].1 == Value::Other);
    let text = format!("x = ({})\n", "'a'\n".repeat(10_000));
    module(&text);
}

proptest! {
    #[test]
    fn any_text_is_read_or_is_a_problem(text in "\\PC*") {
        let _ = try_module(&text);
    }

    #[test]
    fn any_row_of_python_words_is_read_or_is_a_problem(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..60)
    ) {
        let text: String = words.concat();
        if let Ok(module) = try_module(&text) {
            prop_assert!(text.is_char_boundary(module.after_imports as usize));
            let with_import = format!(
                "{}\nimport dunnage\n{}",
                &text[..module.after_imports as usize],
                &text[module.after_imports as usize..]
            );
            prop_assert!(try_module(&with_import).is_ok(), "{with_import}");
            for call in &module.calls {
                prop_assert!(text.get(call.at.span.range()).is_some());
                prop_assert!(text.get(call.callee.span.range()).is_some());
            }
        }
    }
}

const WORDS: &[&str] = &[
    "import os",
    "from a import b",
    "\n",
    "\n",
    "\n    ",
    "    ",
    " ",
    "x",
    "x.y",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "=",
    "+",
    "-",
    "*",
    "**",
    ":=",
    "1",
    "'a'",
    "f'{x}'",
    "\"\"\"",
    "'",
    "f'{",
    "}'",
    "#",
    "\\\n",
    ";",
    "def f(a):",
    "class C:",
    "lambda a:",
    "if x:",
    "else:",
    "with a as b:",
    "try:",
    "except:",
    "except A as e:",
    "await ",
    "async ",
    "return ",
    "pass",
    "@a",
    "match x:",
    "case 1:",
    "é",
    "\u{feff}",
    "\r",
    "\r\n",
    "\t",
    "for x in y:",
    "not ",
    " and ",
    " if ",
    " else ",
];
