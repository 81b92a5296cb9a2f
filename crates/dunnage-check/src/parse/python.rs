//! Python source, as facts that rules ask for. The syntax tree is dropped once they are drawn.

mod depth;
mod draw;
mod facts;
mod imports;
mod value;

use super::Problem;
use crate::source::{FileId, Location, Short, Source, Span};
use depth::Depth;
pub use facts::{Facts, is_program};
use ruff_python_ast::token::Token;
use ruff_python_ast::{Mod, ModModule};
use ruff_python_parser::{Mode, ParseOptions};
use thin_vec::ThinVec;

/// A module.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Every import, inside functions too.
    pub imports: Vec<Import>,
    /// Calls whose callee is a name or a dotted name, decorators among them.
    pub calls: Vec<Call>,
    /// `name = value` at the top level, for configurations (gunicorn.conf.py, celeryconfig.py). The name may be dotted
    /// (`app.conf.worker_concurrency`), the place is the value's.
    pub assignments: Vec<(Short, Value, Location)>,
    /// `name = value` inside functions.
    pub locals: Vec<Local>,
    /// Functions and methods, the nested ones too.
    pub functions: Vec<Function>,
    /// `except` clauses: the names of what they catch; none for a bare `except:`.
    pub handlers: Vec<(Vec<Short>, Location)>,
    /// `if __name__ == "__main__":`, its body.
    pub main: Option<Span>,
    /// Start of the line where an import may be inserted: below the module's docstring and the imports that it begins with.
    pub after_imports: u32,
}

/// One imported name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What is imported, dotted: `os.path`, `multiprocessing.Pool`. With leading dots where it is relative.
    pub name: Short,
    /// What it is called here: `os` for `import os.path`.
    pub local: Short,
    /// `import a.b` (true) or `from a import b` (false).
    pub is_module: bool,
    /// Only at run time inside a function or `if TYPE_CHECKING`.
    pub is_lazy: bool,
    /// The statement.
    pub at: Location,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The callee with imports resolved: `multiprocessing.Pool` for `Pool(…)` after `from multiprocessing import Pool`.
    /// A name that no import explains is as written. `Flask(…).run(…)` is `flask.Flask().run`.
    pub name: Short,
    /// The callee, as bytes.
    pub callee: Location,
    /// Positional values first.
    pub arguments: ThinVec<Argument>,
    /// The whole call.
    pub at: Location,
    /// In which function it stands, with its classes and outer functions: `Worker.run`. Empty at the top level.
    pub function: Short,
    /// Is its value the subject of a `with`?
    pub is_managed: bool,
    /// Is it a statement by itself, so that nobody keeps its value?
    pub is_dropped: bool,
    /// Does it stand in a lambda, so that it runs when somebody calls that?
    pub is_in_lambda: bool,
    /// The name that its value is assigned to, dotted.
    pub assigned: Option<Short>,
}

/// One argument.
#[derive(Debug, Clone)]
pub struct Argument {
    /// `name=`, or none; `**` for an unpacked mapping.
    pub keyword: Option<Short>,
    /// Its value.
    pub value: Value,
    /// Of the value.
    pub at: Location,
}

/// A name that a function binds.
#[derive(Debug, Clone)]
pub struct Local {
    /// Dotted: `workers`, `self.pool`.
    pub name: Short,
    /// What it is bound to.
    pub value: Value,
    /// In which function, as [`Call::function`].
    pub function: Short,
    /// The value.
    pub at: Location,
}

/// A function or a method.
#[derive(Debug, Clone)]
pub struct Function {
    /// With its classes and outer functions, as [`Call::function`] of what stands in it.
    pub name: Short,
    /// Its decorators without their arguments, imports resolved.
    pub decorators: ThinVec<(Short, Location)>,
    /// Parameters, `*args` and `**kwargs` by their names too.
    pub parameters: ThinVec<Short>,
    /// `async def`.
    pub is_async: bool,
    /// All of it.
    pub at: Location,
}

/// A value as far as it can be known from the text. A large program has a million: each is a pointer or a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer, or arithmetic of integers.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(Short),
    /// A name, dotted, imports resolved.
    Name(Short),
    /// A call: the resolved name of what is called.
    Call(Short),
    /// An expression that holds these resolved calls and names: `2 * os.cpu_count() + 1`, `max(1, workers)`. Of a call
    /// that bounds from above (`min`) or that is not arithmetic the arguments are not looked into: it is a [`Value::Call`].
    Expression(ThinVec<Short>),
    /// Lists and tuples, short ones.
    List(ThinVec<Value>),
    /// Anything else.
    Other,
}

const _: () = assert!(size_of::<Value>() == 2 * size_of::<usize>());

impl Value {
    /// The resolved names and calls that it is made of.
    pub fn names(&self) -> &[Short] {
        match self {
            Self::Name(name) | Self::Call(name) => std::slice::from_ref(name),
            Self::Expression(names) => names,
            _ => &[],
        }
    }
}

impl Call {
    /// The argument with this keyword.
    pub fn keyword(&self, name: &str) -> Option<&Argument> {
        self.arguments
            .iter()
            .find(|argument| argument.keyword.as_deref() == Some(name))
    }

    /// The argument with this keyword or at this position.
    pub fn argument(&self, position: usize, name: &str) -> Option<&Argument> {
        self.keyword(name).or_else(|| {
            self.arguments
                .get(position)
                .filter(|argument| argument.keyword.is_none())
        })
    }

    /// Are there `*args` or `**kwargs`, so that an argument may be there that the text does not show?
    pub fn has_unpacking(&self) -> bool {
        self.keyword("**").is_some() || self.keyword("*").is_some()
    }
}

impl Module {
    /// Calls of exactly this resolved name.
    pub fn calls_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.name == name)
    }

    /// Is `name`, or something of it, imported: `imports("torch")` for `from torch.nn import Linear`.
    pub fn imports(&self, name: &str) -> bool {
        self.imports.iter().any(|import| {
            import
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Parses a module.
///
/// # Errors
/// Python 2, templates, and what is nested deeper than CPython itself would compile are problems, not panics.
pub fn parse(source: &Source, id: FileId) -> Result<Module, Problem> {
    let text = source.text.as_str();
    with_tree(text, |tree| draw::draw(tree, text, id))
}

/// Parses a text, and gives its tree to a function that may walk it by recursion.
fn with_tree<T: Default>(text: &str, look: impl FnOnce(&ModModule) -> T) -> Result<T, Problem> {
    match depth::of_text(text) {
        Depth::Usual => look_at(text, look),
        // The tree is walked and dropped by recursion. What is deep but legal gets a stack of its own.
        Depth::Deep => stacker::grow(depth::DEEP_STACK_BYTES, || look_at(text, look)),
        Depth::Refused => Err(too_deep()),
    }
}

fn look_at<T: Default>(text: &str, look: impl FnOnce(&ModModule) -> T) -> Result<T, Problem> {
    let options = ParseOptions::from(Mode::Module);
    let parsed = ruff_python_parser::parse_unchecked(text, options);
    if parsed.has_invalid_syntax()
        && depth::measure(parsed.tokens().iter().map(Token::kind)) == Depth::Refused
    {
        // In a broken text the parser reads some tokens otherwise than they were measured. Such a tree may be too deep to
        // be dropped by recursion: it is let be, which costs memory and ends nothing.
        std::mem::forget(parsed);
        return Err(too_deep());
    }
    if let Some(error) = parsed.errors().first() {
        return Err(Problem {
            message: lower(&error.error.to_string()),
            span: span(error.location),
        });
    }
    match parsed.syntax() {
        Mod::Module(module) => Ok(look(module)),
        Mod::Expression(_) => Ok(T::default()),
    }
}

fn too_deep() -> Problem {
    Problem {
        message: "nested too deeply".to_owned(),
        span: Span::default(),
    }
}

fn span(range: ruff_text_size::TextRange) -> Span {
    Span {
        start: range.start().to_u32(),
        end: range.end().to_u32(),
    }
}

/// Messages of this crate begin in lower case.
fn lower(message: &str) -> String {
    let mut characters = message.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
