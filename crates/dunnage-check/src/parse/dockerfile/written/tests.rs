use super::super::{Stage, parse};
use crate::parse::shell::fill::Variables;
use crate::source::{FileId, Source};
use proptest::prelude::*;

fn stage(text: &str) -> Stage {
    let source = Source {
        path: "Dockerfile".to_owned(),
        text: text.to_owned(),
    };
    parse(&source, FileId(0)).unwrap().stages.pop().unwrap()
}

/// Each file with its text.
fn files(text: &str) -> Vec<(String, String)> {
    let written = stage(text).written.into_iter();
    written.map(|file| (file.path, file.text)).collect()
}

fn text_of(text: &str) -> String {
    let mut files = files(text);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0).1
}

#[test]
fn a_quoted_document_is_the_file_byte_for_byte() {
    let text = "FROM a\nCOPY <<'EOF' /run.sh\nexec \"$@\" \\\n  $A\nEOF\n";
    assert_eq!(text_of(text), "exec \"$@\" \\\n  $A\n");
    let tabs = "FROM a\nCOPY <<-\"EOF\" /run.sh\n\tif x; then\n\t\ty\n\tEOF\n";
    assert_eq!(text_of(tabs), "if x; then\ny\n");
}

#[test]
fn the_builder_fills_in_an_unquoted_document_and_takes_its_backslashes() {
    let text = "FROM a\nARG A=1\nARG U\nENV E=2 V=$U\nCOPY <<EOF /run.sh\n$A '$E' ${X:-3} $U $V \\$A \\\\ \"$@\" $1 $(id)\nEOF\n";
    assert_eq!(text_of(text), "1 '2' 3 $U $V $A \\ \"\"  $(id)\n");
}

#[test]
fn a_shell_fills_in_what_run_writes_by_its_own_rules() {
    let text =
        "FROM a\nENV E=2\nRUN cat <<EOF > /run.sh\n$E \\$E \\n \"$@\" $HOME $(id) a\\\nb\nEOF\n";
    assert_eq!(text_of(text), "2 $E \\n \"\" $HOME $(id) ab\n");
}

#[test]
fn run_writes_by_documents_of_its_own_and_of_the_builder() {
    for text in [
        "RUN cat <<'EOF' > /run.sh\nexec a\nEOF",
        "RUN cat > /run.sh <<'EOF' && chmod +x /run.sh\nexec a\nEOF",
        "RUN mkdir -p /x \\\n # why\n && cat > /run.sh <<'EOF'\nexec a\nEOF",
        "RUN <<EOF\nset -e\ncat > /run.sh <<'SH'\nexec a\nSH\nchmod +x /run.sh\nEOF",
        "RUN --mount=type=cache,target=/c tee /run.sh <<'EOF'\nexec a\nEOF",
        "RUN printf 'exec a\\n' > /run.sh",
        "RUN printf '%s\\n' 'exec a' > /run.sh && chmod +x /run.sh",
        "RUN echo 'exec a' > /run.sh",
        "WORKDIR /\nRUN echo \"exec a\" > run.sh",
    ] {
        assert_eq!(text_of(&format!("FROM a\n{text}\n")), "exec a\n", "{text}");
    }
    let text =
        "FROM debian\nRUN echo '#!/bin/sh\\n' > /run.sh; echo \"exec \\\"\\$@\\\"\" >> /run.sh\n";
    assert_eq!(text_of(text), "#!/bin/sh\n\nexec \"$@\"\n");
}

#[test]
fn what_depends_on_something_is_not_known() {
    for text in [
        "RUN echo \"exec $A\" > /run.sh",
        "RUN echo 'a\\nb' > /run.sh",
        "RUN echo 'a\\033b' > /run.sh",
        "RUN printf 'a\\\"' > /run.sh",
        "RUN echo 'a\\033b' > /run.sh",
        "RUN printf 'a\\\"' > /run.sh",
        "RUN echo -e 'a' > /run.sh",
        "RUN printf '%d' 1 > /run.sh",
        "RUN echo a >> /run.sh",
        "RUN test -f /x || echo a > /run.sh",
        "RUN if true; then echo a > /run.sh; fi",
        "RUN cd /x && echo a > run.sh",
        "RUN echo a > $F",
        "RUN curl x > /run.sh",
        "RUN pip install 'x>1'",
        "RUN [\"sh\", \"-c\", \"echo a > /run.sh\"]",
        "SHELL [\"powershell\"]\nRUN echo a > /run.sh",
        "RUN <<EOF\n#!/usr/bin/env python3\necho > /run.sh\nEOF",
    ] {
        assert_eq!(files(&format!("FROM a\n{text}\n")), [], "{text}");
    }
}

#[test]
fn a_file_has_its_place_in_the_image() {
    let paths =
        |text: &str| -> Vec<String> { files(text).into_iter().map(|(path, _)| path).collect() };
    let text = "FROM a AS b\nWORKDIR /app\nCOPY <<a.sh <<b.sh ./bin/\nx\na.sh\ny\nb.sh\nCOPY <<EOF c.sh\nz\nEOF\n";
    assert_eq!(paths(text), ["/app/bin/a.sh", "/app/bin/b.sh", "/app/c.sh"]);
    let on =
        format!("{text}FROM c\nCOPY --from=b /app/bin/a.sh /run.sh\nCOPY --from=b /app /srv\n");
    assert_eq!(
        paths(&on),
        ["/run.sh", "/srv/bin/a.sh", "/srv/bin/b.sh", "/srv/c.sh"]
    );
    assert_eq!(paths(&format!("{text}FROM b\n")), paths(text));
}

#[test]
fn places_are_those_of_the_dockerfile() {
    let text = "FROM a\nARG N=sixteen\nCOPY <<-EOF /run.sh\n\techo $N\n\texec gunicorn -w $N app:app\n\tEOF\n";
    let file = stage(text).written.pop().unwrap();
    assert!(file.is_verbatim());
    let script = file.script(&mut Variables::unknown());
    let command = &script.commands[1];
    let written = |index: usize| &text[command.words[index].at.span.range()];
    assert_eq!(&text[command.at.span.range()], "gunicorn -w $N app:app");
    assert_eq!(
        (written(0), written(2), written(3)),
        ("gunicorn", "$N", "app:app")
    );
    assert_eq!(command.words[2].text, "sixteen");
    let text = "FROM a\nRUN printf 'cd /\\nexec web\\n' > /run.sh\n";
    let file = stage(text).written.pop().unwrap();
    assert!(file.is_verbatim());
    let script = file.script(&mut Variables::unknown());
    assert_eq!(&text[script.commands[1].at.span.range()], "web");
}

#[test]
fn a_script_in_lines_that_go_on_is_what_echo_writes() {
    let text = "FROM python:3.12-slim\nRUN echo '#!/bin/bash\\n\\\n# said to the builder\\n\\\n\\n\\\necho \"it'\\''s $PORT\"\\n\\\nuvicorn app:app' > /run.sh && chmod +x /run.sh\n";
    let file = stage(text).written.pop().unwrap();
    assert_eq!(
        file.text,
        "#!/bin/bash\n\necho \"it's $PORT\"\nuvicorn app:app\n"
    );
    let script = file.script(&mut Variables::unknown());
    assert_eq!(&text[script.commands[1].at.span.range()], "uvicorn app:app");
    assert!(file.is_verbatim());
}

#[test]
fn bash_writes_escapes_as_they_are_but_after_e() {
    let of = |run: &str| {
        text_of(&format!(
            "FROM debian\nSHELL [\"/bin/bash\", \"-c\"]\n{run}\n"
        ))
    };
    assert_eq!(of("RUN echo 'a\\nb' > /run.sh"), "a\\nb\n");
    assert_eq!(of("RUN echo -e 'a\\nb' > /run.sh"), "a\nb\n");
}

proptest! {
    #[test]
    fn no_text_panics_and_places_are_in_the_dockerfile(
        lines in "[AB${}:\\-\"' \\\\\t()\n;&|<>#é@1]{0,60}",
        head in proptest::sample::select(&["COPY <<EOF /f", "COPY <<-'EOF' /f", "RUN cat <<EOF >/f", "RUN <<EOF"][..]),
    ) {
        let text = format!("FROM a\nARG A\nENV B=1\n{head}\n{lines}\nEOF\nRUN echo '{lines}' > /g\n");
        let source = Source { path: "Dockerfile".to_owned(), text };
        let Ok(dockerfile) = parse(&source, FileId(0)) else {
            return Ok(());
        };
        for file in dockerfile.stages.iter().flat_map(|stage| &stage.written) {
            let script = file.script(&mut Variables::default());
            for word in script.commands.iter().flat_map(|command| &command.words) {
                prop_assert!(source.text.get(word.at.span.range()).is_some(), "{:?}", word);
            }
        }
    }
}
