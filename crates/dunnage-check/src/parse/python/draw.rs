//! One walk over a module's tree that notes what rules ask for.

use super::imports;
use super::span;
use super::value::Names;
use super::{Argument, Call, Function, Local, Module, Value};
use crate::source::{FileId, Location, Short};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Decorator, ExceptHandler, Expr, ExprCall, ModModule, Stmt, StmtIf};
use ruff_text_size::{Ranged, TextRange};
use thin_vec::ThinVec;

/// The facts of a module whose tree this is.
pub(super) fn draw(tree: &ModModule, text: &str, id: FileId) -> Module {
    let imports = imports::find(tree, id);
    let mut walk = Walk {
        file: id,
        names: Names::new(imports::meanings(&imports)),
        module: Module {
            after_imports: imports::after_imports(&tree.body, text),
            ..Module::default()
        },
        scopes: Vec::new(),
        function: Short::default(),
        lambdas: 0,
        fate: None,
    };
    for statement in &tree.body {
        walk.visit_stmt(statement);
    }
    let mut module = walk.module;
    module.imports = imports;
    // what grew by doubling has room for as much again
    module.imports.shrink_to_fit();
    module.calls.shrink_to_fit();
    module.assignments.shrink_to_fit();
    module.locals.shrink_to_fit();
    module.functions.shrink_to_fit();
    module.handlers.shrink_to_fit();
    module
}

/// Without room for more: a module is kept to the end.
pub(super) fn exactly<T>(items: impl Iterator<Item = T>) -> ThinVec<T> {
    let mut exact: ThinVec<T> = items.collect();
    exact.shrink_to_fit();
    exact
}

/// `if __name__ == "__main__":`
fn is_main(condition: &StmtIf) -> bool {
    let Expr::Compare(comparison) = &*condition.test else {
        return false;
    };
    let is_name = |side: &Expr| matches!(side, Expr::Name(name) if name.id.as_str() == "__name__");
    let is_text = |side: &Expr| matches!(side, Expr::StringLiteral(literal) if literal.value.to_str() == "__main__");
    let sides = (&*comparison.left, comparison.comparators.first());
    matches!(sides, (left, Some(right)) if (is_name(left) && is_text(right)) || (is_text(left) && is_name(right)))
}

/// What becomes of the value of the call at `call`.
struct Fate {
    call: TextRange,
    is_managed: bool,
    is_dropped: bool,
    assigned: Option<Short>,
}

/// What is noted on the way.
struct Walk {
    file: FileId,
    names: Names,
    module: Module,
    /// Classes and functions around the current statement; true for functions.
    scopes: Vec<(Short, bool)>,
    /// [`Call::function`] of what is found now.
    function: Short,
    /// How many lambdas are around the current expression.
    lambdas: u32,
    fate: Option<Fate>,
}

impl Walk {
    fn location(&self, range: TextRange) -> Location {
        Location {
            file: self.file,
            span: span(range),
        }
    }

    fn inside(&mut self, name: &str, is_function: bool, body: &[Stmt]) {
        self.scopes.push((self.names.share(name), is_function));
        let inner = self.function_name();
        let outer = std::mem::replace(&mut self.function, inner);
        visitor::walk_body(self, body);
        self.function = outer;
        self.scopes.pop();
    }

    /// Empty outside of all functions: a class's body runs at import.
    fn function_name(&self) -> Short {
        let Some(last) = self
            .scopes
            .iter()
            .rposition(|(_, is_function)| *is_function)
        else {
            return Short::default();
        };
        let names: Vec<&str> = self.scopes[..=last]
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        self.names.share(&names.join("."))
    }

    /// Notes what becomes of a value before it is walked.
    fn expect(
        &mut self,
        value: &Expr,
        assigned: Option<Short>,
        is_managed: bool,
        is_dropped: bool,
    ) {
        let value = match value {
            Expr::Await(awaited) => &*awaited.value,
            other => other,
        };
        if value.is_call_expr() {
            self.fate = Some(Fate {
                call: value.range(),
                is_managed,
                is_dropped,
                assigned,
            });
        }
    }

    fn bind(&mut self, target: &Expr, value: &Expr) {
        let Some(name) = self.names.dotted(target) else {
            return;
        };
        let at = self.location(value.range());
        let known = self.names.value(value);
        if self.function.is_empty() {
            if self.scopes.is_empty() {
                self.module.assignments.push((name.clone(), known, at));
            }
        } else if known != Value::Other {
            self.module.locals.push(Local {
                name: name.clone(),
                value: known,
                function: self.function.clone(),
                at,
            });
        }
        self.expect(value, Some(name), false, false);
    }

    fn call(&mut self, call: &ExprCall) {
        let Some(name) = self.names.dotted(&call.func) else {
            return;
        };
        let fate = self.fate.take_if(|fate| fate.call == call.range());
        let positional = call.arguments.args.iter().map(|value| Argument {
            keyword: value.is_starred_expr().then(|| self.names.share("*")),
            value: self.names.value(value),
            at: self.location(value.range()),
        });
        let keywords = call.arguments.keywords.iter().map(|keyword| Argument {
            keyword: Some(
                self.names
                    .share(keyword.arg.as_ref().map_or("**", |name| name.id.as_str())),
            ),
            value: self.names.value(&keyword.value),
            at: self.location(keyword.value.range()),
        });
        let found = Call {
            name,
            callee: self.location(call.func.range()),
            arguments: exactly(positional.chain(keywords)),
            at: self.location(call.range()),
            function: self.function.clone(),
            is_managed: fate.as_ref().is_some_and(|fate| fate.is_managed),
            is_dropped: fate.as_ref().is_some_and(|fate| fate.is_dropped),
            is_in_lambda: self.lambdas > 0,
            assigned: fate.and_then(|fate| fate.assigned),
        };
        self.module.calls.push(found);
    }

    fn function(&mut self, statement: &ruff_python_ast::StmtFunctionDef) {
        let decorators = statement.decorator_list.iter().filter_map(|decorator| {
            let callee = match &decorator.expression {
                Expr::Call(call) => &*call.func,
                other => other,
            };
            let name = self.names.dotted(callee)?;
            Some((name, self.location(decorator.expression.range())))
        });
        let mut name = String::new();
        for (scope, _) in &self.scopes {
            name.push_str(scope);
            name.push('.');
        }
        name.push_str(statement.name.id.as_str());
        let function = Function {
            name: self.names.share(&name),
            decorators: exactly(decorators),
            parameters: exactly(
                statement
                    .parameters
                    .iter()
                    .map(|parameter| self.names.share(parameter.name().id.as_str())),
            ),
            is_async: statement.is_async,
            at: self.location(statement.range()),
        };
        self.module.functions.push(function);
    }
}

impl<'a> Visitor<'a> for Walk {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                visitor::walk_parameters(self, &function.parameters);
                self.function(function);
                self.inside(function.name.id.as_str(), true, &function.body);
                return;
            }
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.inside(class.name.id.as_str(), false, &class.body);
                return;
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.bind(target, &assign.value);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.bind(&assign.target, value);
                }
            }
            Stmt::Expr(expression) => self.expect(&expression.value, None, false, true),
            Stmt::With(with) => {
                for item in &with.items {
                    let name = item.optional_vars.as_deref();
                    let assigned = name.and_then(|name| self.names.dotted(name));
                    self.expect(&item.context_expr, assigned, true, false);
                    self.visit_with_item(item);
                }
                self.visit_body(&with.body);
                return;
            }
            Stmt::If(condition) if is_main(condition) && self.scopes.is_empty() => {
                let first = condition
                    .body
                    .first()
                    .map(|statement| span(statement.range()));
                let last = condition
                    .body
                    .last()
                    .map(|statement| span(statement.range()));
                self.module.main = first.zip(last).map(|(first, last)| first.to(last));
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Named(named) => self.bind(&named.target, &named.value),
            _ => {}
        }
        let is_lambda = u32::from(expression.is_lambda_expr());
        self.lambdas += is_lambda;
        visitor::walk_expr(self, expression);
        self.lambdas -= is_lambda;
    }

    /// Types run no code that counts here.
    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_decorator(&mut self, decorator: &'a Decorator) {
        visitor::walk_decorator(self, decorator);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(clause) = handler;
        let caught = match clause.type_.as_deref() {
            Some(Expr::Tuple(tuple)) => tuple
                .elts
                .iter()
                .filter_map(|item| self.names.dotted(item))
                .collect(),
            Some(other) => self.names.dotted(other).into_iter().collect(),
            None => Vec::new(),
        };
        let at = self.location(clause.range);
        self.module.handlers.push((caught, at));
        visitor::walk_except_handler(self, handler);
    }
}
