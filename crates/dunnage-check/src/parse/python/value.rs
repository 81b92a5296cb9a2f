//! What an expression is, as far as its text tells.

use super::Value;
use super::draw::exactly;
use crate::source::{Short, Texts};
use ruff_python_ast::{Expr, ExprCall, Number, Operator, UnaryOp};
use std::cell::RefCell;
use std::collections::HashMap;
use thin_vec::ThinVec;

/// Longer lists and texts are data, not options.
const MAX_ITEMS: usize = 100;
const MAX_TEXT_BYTES: usize = 1024;
/// Names kept of one expression.
const MAX_NAMES: usize = 16;

/// What names of this module mean, by its imports.
pub(super) struct Names {
    meanings: HashMap<Short, Short>,
    texts: RefCell<Texts>,
}

impl Names {
    pub(super) fn new(meanings: HashMap<Short, Short>) -> Self {
        Self {
            meanings,
            texts: RefCell::default(),
        }
    }

    /// A text that is kept once for the whole module.
    pub(super) fn share(&self, text: &str) -> Short {
        self.texts.borrow_mut().share(text)
    }

    /// The dotted name of a callee or a value, imports resolved; a call in it is `()`.
    pub(super) fn dotted(&self, expression: &Expr) -> Option<Short> {
        let mut parts = Vec::new();
        let mut current = expression;
        let first = loop {
            match current {
                Expr::Attribute(attribute) => {
                    parts.push(attribute.attr.id.as_str());
                    current = &attribute.value;
                }
                Expr::Call(call) if !parts.is_empty() => {
                    parts.push("()");
                    current = &call.func;
                }
                Expr::Name(name) => break name.id.as_str(),
                _ => return None,
            }
        };
        let known = self.meanings.get(first);
        let mut dotted = known.map_or(first, Short::as_str).to_owned();
        for part in parts.iter().rev() {
            if *part != "()" {
                dotted.push('.');
            }
            dotted.push_str(part);
        }
        Some(self.share(&dotted))
    }

    pub(super) fn value(&self, expression: &Expr) -> Value {
        match expression {
            Expr::NoneLiteral(_) => Value::None,
            Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => int.as_i64().map_or(Value::Other, Value::Int),
                Number::Float(float) => Value::Float(*float),
                Number::Complex { .. } => Value::Other,
            },
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                if text.len() <= MAX_TEXT_BYTES {
                    Value::Text(self.share(text))
                } else {
                    Value::Other
                }
            }
            Expr::Name(_) | Expr::Attribute(_) => {
                self.dotted(expression).map_or(Value::Other, Value::Name)
            }
            Expr::List(list) => self.list(&list.elts),
            Expr::Tuple(tuple) => self.list(&tuple.elts),
            Expr::Await(awaited) => self.value(&awaited.value),
            Expr::Named(named) => self.value(&named.value),
            Expr::Call(call) if !is_arithmetic(call) => {
                self.dotted(&call.func).map_or(Value::Other, Value::Call)
            }
            Expr::UnaryOp(_) | Expr::BinOp(_) => {
                integer(expression).map_or_else(|| self.expression(expression), Value::Int)
            }
            Expr::Call(_) | Expr::BoolOp(_) | Expr::If(_) => self.expression(expression),
            _ => Value::Other,
        }
    }

    fn list(&self, items: &[Expr]) -> Value {
        if items.len() > MAX_ITEMS {
            return Value::Other;
        }
        Value::List(exactly(items.iter().map(|item| self.value(item))))
    }

    fn expression(&self, expression: &Expr) -> Value {
        let mut names = ThinVec::new();
        self.collect(expression, &mut names);
        names.shrink_to_fit();
        Value::Expression(names)
    }

    /// The names and calls that a value is computed from.
    fn collect(&self, expression: &Expr, names: &mut ThinVec<Short>) {
        if names.len() >= MAX_NAMES {
            return;
        }
        match expression {
            Expr::BinOp(operation) => {
                self.collect(&operation.left, names);
                self.collect(&operation.right, names);
            }
            Expr::UnaryOp(operation) => self.collect(&operation.operand, names),
            Expr::BoolOp(operation) => {
                for value in &operation.values {
                    self.collect(value, names);
                }
            }
            Expr::If(choice) => {
                self.collect(&choice.body, names);
                self.collect(&choice.orelse, names);
            }
            Expr::Await(awaited) => self.collect(&awaited.value, names),
            Expr::Named(named) => self.collect(&named.value, names),
            Expr::Call(call) if is_arithmetic(call) => {
                for argument in &call.arguments.args {
                    self.collect(argument, names);
                }
            }
            Expr::Call(call) => names.extend(self.dotted(&call.func)),
            Expr::Name(_) | Expr::Attribute(_) => names.extend(self.dotted(expression)),
            _ => {}
        }
    }
}

/// Does the call pass its argument on as a number that can be as large? `min` does not.
fn is_arithmetic(call: &ExprCall) -> bool {
    match &*call.func {
        Expr::Name(name) => matches!(
            name.id.as_str(),
            "max" | "int" | "round" | "abs" | "float" | "str" | "len" | "ceil" | "floor"
        ),
        Expr::Attribute(attribute) => {
            matches!(attribute.attr.id.as_str(), "ceil" | "floor" | "trunc")
        }
        _ => false,
    }
}

/// Arithmetic of integers, as configurations have it: `60 * 5`, `-1`.
fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_i64(),
            _ => None,
        },
        Expr::UnaryOp(operation) => match operation.op {
            UnaryOp::USub => integer(&operation.operand)?.checked_neg(),
            UnaryOp::UAdd => integer(&operation.operand),
            UnaryOp::Invert | UnaryOp::Not => None,
        },
        Expr::BinOp(operation) => {
            let left = integer(&operation.left)?;
            let right = integer(&operation.right)?;
            match operation.op {
                Operator::Add => left.checked_add(right),
                Operator::Sub => left.checked_sub(right),
                Operator::Mult => left.checked_mul(right),
                Operator::Pow => left.checked_pow(u32::try_from(right).ok()?),
                Operator::FloorDiv => left.checked_div_euclid(right),
                _ => None,
            }
        }
        _ => None,
    }
}
