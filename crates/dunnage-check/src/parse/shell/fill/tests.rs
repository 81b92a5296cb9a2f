use super::{MAX_FILLED, Variables, fill};
use crate::parse::shell::parse;
use crate::source::{FileId, Location, Span, Stated};
use proptest::prelude::*;

const ELSEWHERE: Location = Location {
    file: FileId(7),
    span: Span { start: 1, end: 3 },
};

/// `WORKERS=16 EMPTY= SECRET?`: a name with `?` holds what is not known.
fn environment(pairs: &str, is_open: bool) -> Variables {
    let held = pairs
        .split_whitespace()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => {
                let value = Stated::new(value.replace('_', " "), ELSEWHERE);
                (name.to_owned(), Some(value))
            }
            None => (pair.trim_end_matches('?').to_owned(), None),
        });
    Variables::of(held.collect(), is_open)
}

/// The words of the last command.
fn last(text: &str, variables: &Variables) -> String {
    let mut script = parse(text, 0, FileId(0));
    fill(&mut script, text, 0, variables);
    let command = script.commands.last().unwrap();
    let words = command.words.iter().map(|word| word.text.as_str());
    words.collect::<Vec<_>>().join("|")
}

#[test]
fn what_the_environment_says_is_filled_in_and_what_it_does_not_say_stays() {
    let known = environment("WORKERS=16 EMPTY= SECRET?", false);
    assert_eq!(last("g -w $WORKERS", &known), "g|-w|16");
    assert_eq!(last("g --workers=${WORKERS}", &known), "g|--workers=16");
    assert_eq!(last("g -w \"$WORKERS\"", &known), "g|-w|16");
    assert_eq!(last("g -w $SECRET $OTHER", &known), "g|-w|$SECRET|$OTHER");
    assert_eq!(last("g -w '$WORKERS'", &known), "g|-w|$WORKERS");
    assert_eq!(last("g -w \\$WORKERS", &known), "g|-w|$WORKERS");
    assert_eq!(
        last("g $EMPTY x", &known),
        "g|x",
        "an empty value is no word"
    );
    assert_eq!(last("g \"$EMPTY\" x", &known), "g||x", "but in quotes");
}

#[test]
fn arithmetic_over_what_is_known_is_computed() {
    let known = environment("CORES=4 SECRET?", false);
    assert_eq!(last("g -w $((2 * CORES + 1))", &known), "g|-w|9");
    assert_eq!(last("N=$(($CORES * 2))\ng -w \"$N\"", &known), "g|-w|8");
    let raw = "g|-w|$((SECRET + 1))|$((2 * $(nproc) + 1))";
    let text = "g -w $((SECRET + 1)) $((2 * $(nproc) + 1))";
    assert_eq!(last(text, &known), raw);
}

#[test]
fn a_default_holds_only_where_nothing_can_have_set_the_name() {
    let known = environment("WORKERS=16 EMPTY= SECRET?", false);
    assert_eq!(last("g -w ${WORKERS:-4}", &known), "g|-w|16");
    assert_eq!(last("g -w ${OTHER:-4}", &known), "g|-w|4");
    assert_eq!(last("g -w ${OTHER-4} ${EMPTY:-5}", &known), "g|-w|4|5");
    assert_eq!(last("g -w ${OTHER:-${WORKERS:-2}}", &known), "g|-w|16");
    assert_eq!(last("g -w \"${OTHER:-4}\"", &known), "g|-w|4");
    assert_eq!(last("g -w ${SECRET:-4}", &known), "g|-w|${SECRET:-4}");
    assert_eq!(last("g -w ${OTHER:-$(nproc)}", &known), "g|-w|$(nproc)");
    assert_eq!(
        last("g -w ${OTHER:+4} ${OTHER%x}", &known),
        "g|-w|${OTHER:+4}|${OTHER%x}"
    );
    let open = environment("WORKERS=16", true);
    assert_eq!(last("g -w ${OTHER:-4}", &open), "g|-w|${OTHER:-4}");
    assert_eq!(last("g -w ${WORKERS:-4}", &open), "g|-w|16");
    assert_eq!(
        last("g ${1:-4} $1 $@ $# $$", &known),
        "g|${1:-4}|$1|$@|$#|$$"
    );
    assert_eq!(
        last("g -w $WORKERS", &Variables::unknown()),
        "g|-w|$WORKERS"
    );
}

#[test]
fn an_unquoted_value_with_blanks_is_several_words() {
    let known = environment("ARGS=--workers_16_-t_5", false);
    assert_eq!(last("g $ARGS a:b", &known), "g|--workers|16|-t|5|a:b");
    assert_eq!(last("g \"$ARGS\" a:b", &known), "g|--workers 16 -t 5|a:b");
    assert_eq!(last("g x$ARGS", &known), "g|x--workers|16|-t|5");
}

#[test]
fn what_a_script_sets_on_every_path_holds_from_there_on() {
    let known = environment("WORKERS=16", false);
    for (text, words) in [
        ("W=4\ng $W", "g|4"),
        ("W=${WORKERS:-4}\ng $W", "g|16"),
        ("W=\"${X:-4}\"; export W\ng $W", "g|4"),
        ("export WORKERS=2\ng $WORKERS", "g|2"),
        (": ${W:=3}\ng $W", "g|3"),
        ("W=$(nproc)\ng $W", "g|$W"),
        ("W=$WORKERS$UNKNOWN\ng $W", "g|$W"),
        (
            "if [ -z \"$WORKERS\" ]; then WORKERS=4; fi\ng $WORKERS",
            "g|$WORKERS",
        ),
        ("[ -f x ] && WORKERS=4\ng $WORKERS", "g|$WORKERS"),
        ("(WORKERS=4)\ng $WORKERS", "g|$WORKERS"),
        ("for WORKERS in 1 2; do :; done\ng $WORKERS", "g|$WORKERS"),
        ("read WORKERS < f\ng $WORKERS", "g|$WORKERS"),
        ("unset WORKERS\ng ${WORKERS:-1}", "g|${WORKERS:-1}"),
        (". /env\ng $WORKERS", "g|$WORKERS"),
        (". /venv/bin/activate\ng $WORKERS", "g|16"),
        ("eval \"$X\"\ng ${Y:-1}", "g|${Y:-1}"),
        ("W=(1 2)\ng $W", "g|$W"),
        ("WORKERS+=1\ng $WORKERS", "g|$WORKERS"),
        ("g $W\nW=1\ng2 $W", "g2|1"),
        ("W=4\n[ -f x ] && W=5\ng $W", "g|$W"),
        ("W=$1\ng $W ${W:-2}", "g|$W|${W:-2}"),
    ] {
        assert_eq!(last(text, &known), words, "{text}");
    }
}

#[test]
fn a_value_is_where_it_is_written() {
    let text = "W=${X:-4}\nV=$WORKERS\ng $W $V";
    let mut script = parse(text, 0, FileId(0));
    fill(&mut script, text, 0, &environment("WORKERS=16", false));
    let words = &script.commands[0].words;
    assert_eq!(words[1].filled[0].at.span, Span::new(2..9));
    assert_eq!(words[2].filled[0].at, ELSEWHERE);
}

#[test]
fn what_is_exported_is_there_for_the_program() {
    let text = "A=1\nexport B=2 C D\nC=3\nD=$1\nWORKERS=5\nexec g";
    let mut script = parse(text, 0, FileId(0));
    let after = fill(&mut script, text, 0, &environment("WORKERS=16", false));
    let exports: Vec<(&str, &str)> = after
        .exports()
        .map(|(name, value)| (name.as_str(), value.value.as_str()))
        .collect();
    assert_eq!(exports, [("B", "2"), ("C", "3"), ("WORKERS", "5")]);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[A-C={}:\\-$\"' \\\\`()\n;&|<é1]{0,60}") {
        let mut script = parse(&text, 0, FileId(0));
        fill(&mut script, &text, 0, &environment("A=1_2 B= C?", false));
    }
}

#[test]
fn a_text_that_asks_for_a_value_again_and_again_does_not_grow_without_bound() {
    let value = "a ".repeat(1000);
    let many = format!("A=\"{value}\"\n{}", "g $A\n".repeat(10_000));
    let wide = format!("A=\"{value}\"\ng {}\n", "$A".repeat(1000));
    let long = format!("A=\"{value}\"\nB={}\ng $B\n", "$A".repeat(1000));
    let names: Vec<String> = (0..10_000)
        .map(|number| format!("B{number}=$A\n"))
        .collect();
    let names = names.concat();
    let named = format!("A=\"{value}\"\n{names}g $B9999\n");
    for (text, end) in [(many, "$A"), (wide, "$A"), (long, "$B"), (named, "$B9999")] {
        let mut script = parse(&text, 0, FileId(0));
        let after = fill(&mut script, &text, 0, &environment("", false));
        let words = || script.commands.iter().flat_map(|command| &command.words);
        let filled = words().flat_map(|word| &word.filled);
        let bytes: usize = words().map(|word| word.text.len()).sum::<usize>()
            + filled.map(|one| one.value.len()).sum::<usize>()
            + after
                .held
                .values()
                .flatten()
                .map(|one| one.value.len())
                .sum::<usize>();
        assert!(bytes < text.len() + 2 * MAX_FILLED, "{bytes}");
        let last = words().last().unwrap();
        assert!(
            last.text.ends_with(end),
            "what is too much stays as it is written"
        );
    }
}
