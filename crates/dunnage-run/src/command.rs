//! Finding the program, and saying why it could not be executed.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dunnage_sys::{ExecFailure, Program, Stage, read_bounded};

/// Where execvp(3) looks without a PATH.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";

/// Why the program cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code: 125 our own failure, 126 not executable, 127 not found.
    pub code: u8,
    /// Why, and what next.
    pub reason: String,
}

/// Prepares a command for execve: its candidates along PATH, its arguments, its environment.
pub fn prepare(
    command: &[OsString],
    environment: &[(OsString, OsString)],
) -> Result<Program, Refusal> {
    let refuse = |reason: &str| Refusal {
        code: 125,
        reason: reason.to_owned(),
    };
    let (name, _) = command
        .split_first()
        .ok_or_else(|| refuse("no command was given"))?;
    let text =
        |bytes: Vec<u8>| CString::new(bytes).map_err(|_| refuse("an argument holds a zero byte"));
    let path = environment
        .iter()
        .find(|(key, _)| key == "PATH")
        .map(|(_, value)| value.as_bytes());
    let pairs = environment.iter().map(|(key, value)| {
        // with room for the zero byte too
        let mut pair = Vec::with_capacity(key.len() + value.len() + 2);
        pair.extend_from_slice(key.as_bytes());
        pair.push(b'=');
        pair.extend_from_slice(value.as_bytes());
        text(pair)
    });
    Ok(Program {
        candidates: candidates(name.as_bytes(), path)
            .into_iter()
            .map(text)
            .collect::<Result<_, _>>()?,
        arguments: command
            .iter()
            .map(|argument| text(argument.as_bytes().to_vec()))
            .collect::<Result<_, _>>()?,
        environment: pairs.collect::<Result<_, _>>()?,
    })
}

/// The files that a command name can mean, in order. A name with a slash means itself, an empty folder in PATH the
/// working directory (`execvp(3)`).
fn candidates(name: &[u8], path: Option<&[u8]>) -> Vec<Vec<u8>> {
    if name.contains(&b'/') || name.is_empty() {
        return vec![name.to_vec()];
    }
    let folders = path
        .unwrap_or(DEFAULT_PATH)
        .split(|byte| *byte == b':')
        .take(1000);
    folders
        .map(|folder| {
            if folder.is_empty() {
                name.to_vec()
            } else {
                [folder, b"/", name].concat()
            }
        })
        .collect()
}

/// Explains a failed execve.
pub fn explain(program: &Program, failure: ExecFailure) -> Refusal {
    let error = std::io::Error::from_raw_os_error(failure.errno);
    if failure.stage == Stage::Group {
        return Refusal {
            code: 125,
            reason: format!("cannot give it a process group: {error}"),
        };
    }
    let path = program
        .candidates
        .get(failure.candidate)
        .map(|path| OsStr::from_bytes(path.as_bytes()))
        .unwrap_or_default();
    let shown = path.display();
    let exists = Path::new(path).symlink_metadata().is_ok();
    let searched = program.candidates.len() > 1;
    let (code, reason) = match failure.errno {
        libc_errno::ENOENT | libc_errno::ENOTDIR if !exists && searched => (
            127,
            "not found in PATH; is it installed in this image, or is its folder missing from PATH?"
                .to_owned(),
        ),
        libc_errno::ENOENT | libc_errno::ENOTDIR if !exists => {
            (127, format!("{shown} does not exist"))
        }
        libc_errno::ENOENT => (126, missing_interpreter(path)),
        libc_errno::EACCES if Path::new(path).is_dir() => (126, format!("{shown} is a folder")),
        libc_errno::EACCES => (
            126,
            format!(
                "{shown} is not executable by this user; `chmod +x` it in the image, or look for a noexec mount"
            ),
        ),
        libc_errno::ENOEXEC => (126, wrong_format(path)),
        _ => (126, format!("{shown}: {error}")),
    };
    Refusal { code, reason }
}

/// The few error numbers that mean something to us; the same on every Linux architecture.
mod libc_errno {
    pub(super) const ENOENT: i32 = 2;
    pub(super) const ENOEXEC: i32 = 8;
    pub(super) const EACCES: i32 = 13;
    pub(super) const ENOTDIR: i32 = 20;
}

fn head(path: &OsStr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = read_bounded(Path::new(path), 4096, &mut bytes);
    bytes
}

/// The file is there and execve says it is not: what it needs to start is missing.
fn missing_interpreter(path: &OsStr) -> String {
    let bytes = head(path);
    let shown = path.display();
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if line.ends_with(b"\r") {
            return format!(
                "{shown} has Windows line ends, so that its interpreter is not found; convert it (dos2unix)"
            );
        }
        let interpreter = line
            .trim_ascii()
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        let interpreter = String::from_utf8_lossy(interpreter).into_owned();
        return format!(
            "the interpreter {interpreter} that {shown} names in its first line does not exist in this image"
        );
    }
    match elf_interpreter(&bytes) {
        Some(loader) => format!(
            "{shown} needs the loader {loader}, which this image lacks (a glibc program on Alpine, or the reverse?)"
        ),
        None => format!("{shown} exists, but something it needs to start does not"),
    }
}

fn wrong_format(path: &OsStr) -> String {
    let bytes = head(path);
    let shown = path.display();
    match elf_machine(&bytes) {
        Some(machine) => format!(
            "{shown} is a program for {machine}, and this machine is {}; pull or build the image for this platform",
            std::env::consts::ARCH
        ),
        None if bytes.is_empty() => format!("{shown} is empty"),
        None => format!(
            "{shown} is neither a program nor a script (a script needs a first line such as #!/bin/sh)"
        ),
    }
}

fn elf_machine(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let half: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let machine = if bytes.get(5) == Some(&2) {
        u16::from_be_bytes(half)
    } else {
        u16::from_le_bytes(half)
    };
    Some(match machine {
        3 => "x86 (32 bit)".to_owned(),
        21 => "ppc64".to_owned(),
        22 => "s390x".to_owned(),
        40 => "arm (32 bit)".to_owned(),
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv".to_owned(),
        other => format!("ELF machine {other}"),
    })
}

/// The loader that a 64-bit little-endian ELF file asks for (PT_INTERP), found by its text in the first page.
fn elf_interpreter(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let text = bytes.split(|byte| *byte == 0).find(|part| {
        part.starts_with(b"/")
            && part
                .windows(3)
                .any(|three| three == b"ld-" || three == b"ld.")
            && part.is_ascii()
    })?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn refusal(name: &str, contents: &[u8], mode: u32, errno: i32) -> Refusal {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let program = prepare(&[path.into_os_string()], &[]).unwrap();
        let mut refusal = explain(
            &program,
            ExecFailure {
                stage: Stage::Execute,
                errno,
                candidate: 0,
            },
        );
        refusal.reason = refusal
            .reason
            .replace(&format!("{}/", folder.path().display()), "");
        refusal
    }

    #[test]
    fn a_name_is_looked_for_along_path_and_a_path_is_taken_as_it_is() {
        let found = |name: &str, path: Option<&str>| -> Vec<String> {
            candidates(name.as_bytes(), path.map(str::as_bytes))
                .into_iter()
                .map(|path| String::from_utf8(path).unwrap())
                .collect()
        };
        assert_eq!(found("python", Some("/a:/b")), ["/a/python", "/b/python"]);
        assert_eq!(
            found("python", Some("/a::/b")),
            ["/a/python", "python", "/b/python"]
        );
        assert_eq!(found("./python", Some("/a")), ["./python"]);
        assert_eq!(found("python", None).len(), 3);
    }

    #[test]
    fn a_script_whose_interpreter_is_missing_names_it() {
        let got = refusal("run.sh", b"#!/bin/bosh -e\necho", 0o755, 2);
        assert_eq!(got.code, 126);
        assert_eq!(
            got.reason,
            "the interpreter /bin/bosh that run.sh names in its first line does not exist in this image"
        );
        let got = refusal("run.sh", b"#!/bin/sh\r\necho\r\n", 0o755, 2);
        assert!(got.reason.contains("Windows line ends"), "{}", got.reason);
    }

    #[test]
    fn a_program_for_another_processor_names_both() {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[18] = 183;
        let got = refusal("app", &elf, 0o755, 8);
        assert_eq!(got.code, 126);
        assert!(
            got.reason.starts_with("app is a program for aarch64"),
            "{}",
            got.reason
        );
    }

    #[test]
    fn what_is_missing_or_not_executable_has_the_shells_codes() {
        let program = prepare(
            &["no-such-thing".into()],
            &[("PATH".into(), "/a:/b".into())],
        )
        .unwrap();
        assert_eq!(
            explain(
                &program,
                ExecFailure {
                    stage: Stage::Execute,
                    errno: 2,
                    candidate: 0
                }
            )
            .code,
            127
        );
        assert_eq!(refusal("app", b"x", 0o644, 13).code, 126);
        assert_eq!(prepare(&[], &[]).unwrap_err().code, 125);
    }

    proptest! {
        #[test]
        fn no_file_makes_the_explanation_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let elf = [b"\x7fELF".as_slice(), &bytes].concat();
            let _ = (elf_machine(&elf), elf_interpreter(&elf), elf_machine(&bytes), elf_interpreter(&bytes));
        }
    }
}
