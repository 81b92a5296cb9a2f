//! Python source, as facts that rules ask for. The syntax tree is dropped once they are drawn.

use super::Problem;
use crate::source::{FileId, Source};
use crate::source::{Location, Span};

/// A module.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Every import, inside functions too.
    pub imports: Vec<Import>,
    /// Calls whose callee is a name or a dotted name.
    pub calls: Vec<Call>,
    /// `name = value` at the top level, for configurations (gunicorn.conf.py, celeryconfig.py).
    pub assignments: Vec<(String, Value, Location)>,
    /// `except` clauses: the names of what they catch.
    pub handlers: Vec<(Vec<String>, Location)>,
    /// `if __name__ == "__main__":`, its body.
    pub main: Option<Span>,
    /// Ends of the places where a line may be inserted: after the last import at the top level.
    pub after_imports: u32,
}

/// One imported name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What is imported, dotted: `os.path`, `multiprocessing.Pool`. With leading dots where it is relative.
    pub name: String,
    /// What it is called here.
    pub local: String,
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
    /// A name that no import explains is as written.
    pub name: String,
    /// The callee, as bytes.
    pub callee: Location,
    /// Positional values first.
    pub arguments: Vec<Argument>,
    /// The whole call.
    pub at: Location,
    /// In which function it stands, innermost: empty at the top level.
    pub function: String,
    /// Is its value the subject of a `with`?
    pub is_managed: bool,
    /// The name that its value is assigned to, dotted.
    pub assigned: Option<String>,
}

/// One argument.
#[derive(Debug, Clone)]
pub struct Argument {
    /// `name=`, or none.
    pub keyword: Option<String>,
    /// Its value.
    pub value: Value,
    /// Of the value.
    pub at: Location,
}

/// A value as far as it can be known from the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(String),
    /// A name, dotted, imports resolved.
    Name(String),
    /// A call: the resolved name of what is called.
    Call(String),
    /// An expression that holds these resolved calls and names: `2 * os.cpu_count() + 1`.
    Expression(Vec<String>),
    /// Lists and tuples.
    List(Vec<Value>),
    /// Anything else.
    Other,
}

/// Parses a module. Python 2 and templates are problems, not panics.
pub fn parse(source: &Source, id: FileId) -> Result<Module, Problem> {
    let _ = (source, id);
    Ok(Module::default())
}
