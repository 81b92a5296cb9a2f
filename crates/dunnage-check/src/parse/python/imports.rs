//! The imports of a module: first of the walks, since an import may stand below what uses it.

use super::{Import, span};
use crate::source::{FileId, Location, Short};
use ruff_python_ast::statement_visitor::{self, StatementVisitor};
use ruff_python_ast::{Expr, ModModule, Stmt, StmtIf};
use ruff_text_size::Ranged;
use std::collections::HashMap;

/// All imports of a module.
pub(super) fn find(tree: &ModModule, file: FileId) -> Vec<Import> {
    let mut imports = Imports {
        file,
        found: Vec::new(),
        depth: 0,
    };
    imports.visit_body(&tree.body);
    imports.found
}

/// What each imported name means. The module's own imports before those of a function.
pub(super) fn meanings(imports: &[Import]) -> HashMap<Short, Short> {
    let mut names = HashMap::new();
    for is_lazy in [false, true] {
        for import in imports.iter().filter(|import| import.is_lazy == is_lazy) {
            // `import a.b` binds `a`, which then means itself; `import a.b as c` binds all of it.
            let binds_root =
                import.is_module && import.name.split('.').next() == Some(import.local.as_str());
            if !binds_root && import.local != "*" {
                names
                    .entry(import.local.clone())
                    .or_insert_with(|| import.name.clone());
            }
        }
    }
    names
}

/// The start of the line below the docstring and the imports that a module begins with.
pub(super) fn after_imports(body: &[Stmt], text: &str) -> u32 {
    let is_docstring = |statement: &Stmt| matches!(statement, Stmt::Expr(expression) if expression.value.is_string_literal_expr());
    let leading = body
        .iter()
        .take_while(|statement| {
            matches!(statement, Stmt::Import(_) | Stmt::ImportFrom(_)) || is_docstring(statement)
        })
        .count();
    let mut end = match leading {
        0 => return after_comments(text),
        _ => body[leading - 1].end().to_usize(),
    };
    // A line may hold several statements, the last of which may end on a later one.
    for statement in &body[leading..] {
        if text[end..statement.start().to_usize()].contains('\n') {
            break;
        }
        end = statement.end().to_usize();
    }
    text[end..]
        .find('\n')
        .map_or(text.len(), |newline| end + newline + 1) as u32
}

/// Below `#!` and the comments that a file begins with, and behind a byte order mark.
fn after_comments(text: &str) -> u32 {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let comments = text
        .split_inclusive('\n')
        .take_while(|line| line.trim_start_matches('\u{feff}').starts_with('#'))
        .map(str::len)
        .sum::<usize>();
    comments.max(mark) as u32
}

struct Imports {
    file: FileId,
    found: Vec<Import>,
    depth: u32,
}

impl Imports {
    fn add(&mut self, name: Short, local: &str, is_module: bool, statement: &Stmt) {
        self.found.push(Import {
            name,
            local: local.into(),
            is_module,
            is_lazy: self.depth > 0,
            at: Location {
                file: self.file,
                span: span(statement.range()),
            },
        });
    }
}

impl<'a> StatementVisitor<'a> for Imports {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.id.as_str();
                    let root = name.split('.').next().unwrap_or(name);
                    let local = alias.asname.as_ref().map_or(root, |name| name.id.as_str());
                    self.add(name.into(), local, true, statement);
                }
            }
            Stmt::ImportFrom(import) => {
                let mut from = ".".repeat(import.level as usize);
                if let Some(module) = &import.module {
                    from.push_str(module.id.as_str());
                    from.push('.');
                }
                for alias in &import.names {
                    let name = alias.name.id.as_str();
                    let local = alias.asname.as_ref().map_or(name, |name| name.id.as_str());
                    self.add(format!("{from}{name}").into(), local, false, statement);
                }
            }
            Stmt::FunctionDef(_) => {
                self.depth += 1;
                statement_visitor::walk_stmt(self, statement);
                self.depth -= 1;
            }
            Stmt::If(condition) if is_type_checking(condition) => {
                self.depth += 1;
                self.visit_body(&condition.body);
                self.depth -= 1;
                for clause in &condition.elif_else_clauses {
                    self.visit_body(&clause.body);
                }
            }
            _ => statement_visitor::walk_stmt(self, statement),
        }
    }
}

fn is_type_checking(condition: &StmtIf) -> bool {
    match &*condition.test {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.id.as_str() == "TYPE_CHECKING",
        _ => false,
    }
}
