use super::{append_words, remove_instruction, set_env, split_plain, to_json_form, use_dunnage};
use crate::fix::testing::{place, target};
use crate::fix::{Edit, apply};
use crate::parse::command::Word;
use crate::parse::dockerfile::{Form, Stage, Start};
use crate::source::Stated;

fn start(text: &str, instruction: &str) -> Start {
    let at = place(text, instruction);
    let arguments = instruction.split_once(' ').unwrap().1;
    let word = |word: &str| Word::new(word.trim_matches('"'), place(text, word));
    let form = match arguments.strip_prefix('[') {
        Some(list) => Form::Exec(list.trim_end_matches(']').split(", ").map(word).collect()),
        None => Form::Shell(arguments.to_owned()),
    };
    Start {
        form,
        at,
        arguments: place(text, arguments),
    }
}

fn stage(text: &str) -> Stage {
    Stage {
        span: place(text, text.trim_end()).span,
        ..Stage::new(Stated::new("python".to_owned(), place(text, "FROM")))
    }
}

fn mend(text: &str, edits: &[Edit]) -> String {
    apply(text, edits).unwrap()
}

#[test]
fn a_shell_form_becomes_a_json_form_and_its_neighbours_stay() {
    let text = "FROM a\r\n# server\r\nCMD gunicorn  app:app # not a comment\r\n";
    let start = start(text, "CMD gunicorn  app:app");
    let edit = to_json_form(target(text), &start, &["gunicorn", "app:app"]);
    assert_eq!(
        mend(text, &[edit]),
        "FROM a\r\n# server\r\nCMD [\"gunicorn\", \"app:app\"] # not a comment\r\n"
    );
}

#[test]
fn words_are_added_to_a_json_form() {
    let text = "FROM a\nCMD [\"a\", \"b\"]";
    let edit = append_words(target(text), &start(text, "CMD [\"a\", \"b\"]"), &["-g"]).unwrap();
    assert_eq!(mend(text, &[edit]), "FROM a\nCMD [\"a\", \"b\", \"-g\"]");
}

#[test]
fn a_variable_is_set_where_it_is_set_or_before_the_command_and_its_comment() {
    let text = "FROM a\nENV X=1\n\n# serve\n# all\nCMD a\n";
    let mut stage = stage(text);
    stage.command = Some(start(text, "CMD a"));
    stage.environment.push((
        "X".to_owned(),
        Stated::new("1".to_owned(), place(text, "1")),
    ));
    let set = |name: &str, value: &str| mend(text, &[set_env(target(text), &stage, name, value)]);
    assert_eq!(set("X", "2"), text.replace("X=1", "X=2"));
    assert_eq!(
        set("Y", "a b"),
        text.replace("# serve", "ENV Y=\"a b\"\n# serve")
    );
    let bare = "FROM a\nRUN b";
    let edit = set_env(target(bare), &self::stage(bare), "Y", "1");
    assert_eq!(mend(bare, &[edit]), "FROM a\nRUN b\nENV Y=1");
}

#[test]
fn an_instruction_goes_with_all_its_lines() {
    let text = "FROM a\nENV A=1 \\\n  B=2\nCMD a\n";
    let edit = remove_instruction(target(text), place(text, "ENV A=1 \\\n  B=2").span);
    assert_eq!(mend(text, &[edit]), "FROM a\nCMD a\n");
}

#[test]
fn dunnage_is_installed_by_root_and_stands_before_the_command() {
    let text = "FROM a\nUSER app\nCMD [\"a\", \"b\"]\n";
    let mut stage = stage(text);
    stage.command = Some(start(text, "CMD [\"a\", \"b\"]"));
    stage.user = Some(Stated::new("app".to_owned(), place(text, "app")));
    let fix = use_dunnage(target(text), &stage).unwrap();
    assert_eq!(
        mend(text, &fix.edits),
        "FROM a\nRUN pip install --no-cache-dir dunnage\nUSER app\n\
         ENTRYPOINT [\"dunnage\", \"run\", \"--\"]\nCMD [\"a\", \"b\"]\n"
    );
    stage.user = None;
    let fix = use_dunnage(target(text), &stage).unwrap();
    assert_eq!(
        mend(text, &fix.edits),
        "FROM a\nUSER app\nRUN pip install --no-cache-dir dunnage\n\
         ENTRYPOINT [\"dunnage\", \"run\", \"--\"]\nCMD [\"a\", \"b\"]\n"
    );
}

#[test]
fn dunnage_stands_before_the_words_of_an_entrypoint() {
    let text = "FROM a\nENTRYPOINT [\"python\"]\nCMD [\"a.py\"]\n";
    let mut stage = stage(text);
    stage.entrypoint = Some(start(text, "ENTRYPOINT [\"python\"]"));
    stage.command = Some(start(text, "CMD [\"a.py\"]"));
    let fix = use_dunnage(target(text), &stage).unwrap();
    assert_eq!(
        mend(text, &fix.edits),
        "FROM a\nRUN pip install --no-cache-dir dunnage\n\
         ENTRYPOINT [\"dunnage\", \"run\", \"--\", \"python\"]\nCMD [\"a.py\"]\n"
    );
}

#[test]
fn only_a_text_that_needs_no_shell_is_split() {
    let words = |text: &str| split_plain(text);
    assert_eq!(
        words("a -b 'c d' \"e\"f").unwrap(),
        ["a", "-b", "c d", "ef"]
    );
    for text in [
        "a $B", "a && b", "A=1 b", "a > b", "a *.py", "a 'b", "", "a \"$B\"", "a\\ b",
    ] {
        assert_eq!(words(text), None, "{text}");
    }
}
