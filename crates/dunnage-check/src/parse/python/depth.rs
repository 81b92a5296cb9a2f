//! How deep a text's syntax tree would be, from its tokens alone.
//!
//! The parser grows its stack on the heap as it goes, so a megabyte of `(` would take a gigabyte, and a long chain of `+`
//! makes a tree whose walk and whose drop recurse. CPython refuses both; so is refused here what CPython refuses, before
//! anything is built.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Brackets in brackets and indented blocks: CPython's tokenizer stops at 200 and 100.
const MAX_BRACKETS: usize = 200;
const MAX_INDENT: u32 = 100;
/// Operators and keywords between two commas, over all brackets that are open. CPython's compiler gives up near 3,000.
const MAX_CHAIN: u32 = 3_000;
/// Up to here any thread's stack will do.
const USUAL_CHAIN: u32 = 100;
/// Room for the deepest tree that is let through, unoptimized code included: 8 KiB a level. Only touched pages cost memory.
pub(super) const DEEP_STACK_BYTES: usize = 8 << 10 << 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Usual,
    Deep,
    /// CPython would not compile it either.
    Refused,
}

/// What a bracket, or the statement outside of all brackets, holds since its last comma.
#[derive(Clone, Copy, Default)]
struct Level {
    chain: u32,
    /// After `lambda a, b:` a comma does not end what is nested.
    has_lambda: bool,
}

/// Of a text that is not parsed yet.
pub(super) fn of_text(text: &str) -> Depth {
    // Every level takes at least a byte.
    if text.len() <= USUAL_CHAIN as usize {
        return Depth::Usual;
    }
    let mut lexer = lexer::lex(text, Mode::Module);
    measure(std::iter::from_fn(|| {
        Some(lexer.next_token()).filter(|kind| *kind != TokenKind::EndOfFile)
    }))
}

/// Of the tokens of a text, which are fewer or other ones where a parser mended what it could not read.
pub(super) fn measure(tokens: impl Iterator<Item = TokenKind>) -> Depth {
    let mut levels = vec![Level::default()];
    let (mut indent, mut chain, mut deepest) = (0u32, 0u32, 0u32);
    for kind in tokens {
        let before = levels.last().copied().unwrap_or_default();
        let mut level = before;
        match kind {
            TokenKind::Newline => {
                levels.truncate(1);
                level = Level::default();
                chain = levels[0].chain;
            }
            TokenKind::Indent => indent += 1,
            TokenKind::Dedent => indent = indent.saturating_sub(1),
            TokenKind::Comma | TokenKind::Semi if !before.has_lambda => level.chain = 0,
            TokenKind::Lambda => {
                level.has_lambda = true;
                level.chain += 1;
            }
            _ if is_leaf(kind) => continue,
            _ => level.chain += 1,
        }
        let top = levels.len() - 1;
        chain = chain - levels[top].chain + level.chain;
        levels[top] = level;
        if opens(kind) {
            levels.push(Level::default());
        } else if closes(kind) && top > 0 {
            chain -= level.chain;
            levels.pop();
        }
        if top >= MAX_BRACKETS || indent > MAX_INDENT || chain > MAX_CHAIN {
            return Depth::Refused;
        }
        deepest = deepest.max(chain + indent);
    }
    if deepest <= USUAL_CHAIN {
        Depth::Usual
    } else {
        Depth::Deep
    }
}

fn is_leaf(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
    )
}

fn opens(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart
    )
}

fn closes(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd
    )
}
