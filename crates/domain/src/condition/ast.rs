//! Walks over the syntax tree of an expression.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

/// IAM's functions on tags (documented).
pub(super) const OF_TAGS: [&str; 4] = ["hasTagKey", "hasTagKeyId", "matchTag", "matchTagId"];

/// Whether an expression asks of nothing: it comes to the same whatever is asked.
pub(super) fn is_constant(node: &IdedExpr) -> bool {
    let (mut asks, mut asks_for_tags) = (BTreeSet::new(), false);
    look(node, &mut asks, &mut asks_for_tags);
    asks.is_empty() && !asks_for_tags
}

/// Notes what an expression asks of.
pub(super) fn look(node: &IdedExpr, asks: &mut BTreeSet<String>, tags: &mut bool) {
    let root = |node: &IdedExpr| match &node.expr {
        Expr::Ident(name) if name == "request" || name == "resource" => Some(name.clone()),
        _ => None,
    };
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(_) => asks.extend(root(node)),
        Expr::Select(select) => match root(&select.operand) {
            Some(name) => drop(asks.insert(format!("{name}.{}", select.field))),
            None => look(&select.operand, asks, tags),
        },
        Expr::Call(call) => {
            let is_of_tags = OF_TAGS.contains(&call.func_name.as_str());
            *tags |= is_of_tags;
            if let ("_[_]", [operand, key]) = (call.func_name.as_str(), call.args.as_slice())
                && let (Some(name), Some(key)) = (root(operand), text(key))
            {
                asks.insert(format!("{name}.{key}"));
                return;
            }
            if let Some(target) = call.target.as_deref().filter(|_| !is_of_tags) {
                look(target, asks, tags);
            }
            call.args.iter().for_each(|argument| look(argument, asks, tags));
        }
        Expr::List(list) => list.elements.iter().for_each(|item| look(item, asks, tags)),
        Expr::Map(map) => look_at(&map.entries, asks, tags),
        Expr::Struct(made) => look_at(&made.entries, asks, tags),
        Expr::Comprehension(all) => {
            for part in
                [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
            {
                look(part, asks, tags);
            }
        }
    }
}

fn look_at(
    entries: &[cel::common::ast::IdedEntryExpr],
    asks: &mut BTreeSet<String>,
    tags: &mut bool,
) {
    for entry in entries {
        match &entry.expr {
            EntryExpr::StructField(field) => look(&field.value, asks, tags),
            EntryExpr::MapEntry(pair) => {
                look(&pair.key, asks, tags);
                look(&pair.value, asks, tags);
            }
        }
    }
}

/// The text that is written out.
pub(super) fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
