//! What is known of a condition before it is sent: that it can be parsed, that it asks of nothing that
//! Cloud Run does not give, and that IAM takes it.

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use thiserror::Error;
use time::OffsetDateTime;

use super::ast::OF_TAGS;
use super::expression::parsed;
use super::program::with_room;
use super::{Attributes, Condition, Tags, Truth, timed, until, weighed};

/// What Cloud Run gives of a request (documented in the reference of condition attributes).
const OF_REQUEST: [&str; 3] = ["host", "path", "time"];
/// The logical operators that one condition may have (IAM quotas page).
const MAX_OPERATORS: usize = 12;
/// The bytes of a title, and of a description, that IAM takes; background knowledge, not confirmed.
const MAX_TITLE: usize = 100;
pub const MAX_DESCRIPTION: usize = 256;

/// Why a condition is not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConditionError {
    #[error("it asks of `{0}`, which Cloud Run does not give")]
    Attribute(String),
    #[error("its description is longer than {MAX_DESCRIPTION} bytes")]
    Description,
    #[error("it is larger than any that IAM takes")]
    Large,
    #[error("it is not true or false")]
    NoTruth,
    #[error("it has {0} logical operators; IAM takes {MAX_OPERATORS}")]
    Operators(usize),
    #[error("it cannot be parsed")]
    Syntax,
    #[error("it cannot stand in parentheses, as one with a comment or an open quote cannot")]
    NotWhole,
    #[error("tried on a request, {0}")]
    Weighed(String),
    #[error("its title is empty or longer than {MAX_TITLE} bytes")]
    Title,
}

/// Checks a condition for what can be known here.
pub fn check(condition: &Condition) -> Result<(), ConditionError> {
    let Condition { title, description, expression } = condition;
    if title.trim().is_empty() || title.len() > MAX_TITLE {
        return Err(ConditionError::Title);
    }
    if description.len() > MAX_DESCRIPTION {
        return Err(ConditionError::Description);
    }
    with_room(expression, || check_expression(expression)).unwrap_or(Err(ConditionError::Large))
}

fn check_expression(expression: &str) -> Result<(), ConditionError> {
    let parsed = parsed(expression).ok_or(ConditionError::Syntax)?;
    let program = &parsed.program;
    let mut operators = 0;
    walk(program.expression(), &mut Vec::new(), &mut operators)?;
    let limited = until(Some(expression), OffsetDateTime::UNIX_EPOCH);
    let is_whole = timed(&limited).is_some_and(|(base, _)| base == Some(expression));
    if !is_whole || Program::compile(&limited).is_err() {
        return Err(ConditionError::NotWhole);
    }
    if operators > MAX_OPERATORS {
        return Err(ConditionError::Operators(operators));
    }
    let none = Tags::default();
    let any = Attributes {
        path: Some("/"),
        host: Some("run.app"),
        time: OffsetDateTime::UNIX_EPOCH,
        tags: Some(&none),
    };
    match weighed(expression, &any) {
        // IAM has it, and the library that weighs here does not.
        _ if program.references().has_function("extract") => Ok(()),
        Truth::Unknown(doubt) if doubt.why == super::NO_TRUTH => Err(ConditionError::NoTruth),
        Truth::Unknown(doubt) => Err(ConditionError::Weighed(doubt.why.into_owned())),
        Truth::False | Truth::True => Ok(()),
    }
}

/// Goes through an expression; `own` are the names that its macros bring.
fn walk<'a>(
    node: &'a IdedExpr,
    own: &mut Vec<&'a str>,
    operators: &mut usize,
) -> Result<(), ConditionError> {
    let missing = |name: String| Err(ConditionError::Attribute(name));
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => {
            let known = name.starts_with('@') || own.contains(&name.as_str());
            if known { Ok(()) } else { missing(name.clone()) }
        }
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(root) if root == "request" && OF_REQUEST.contains(&&*select.field) => {
                Ok(())
            }
            Expr::Ident(root) if root == "request" || root == "resource" => {
                missing(format!("{root}.{}", select.field))
            }
            _ => walk(&select.operand, own, operators),
        },
        Expr::Call(call) => {
            *operators += usize::from(matches!(&*call.func_name, "_&&_" | "_||_" | "!_"));
            match call.target.as_deref() {
                Some(IdedExpr { expr: Expr::Ident(root), .. })
                    if root == "resource" && OF_TAGS.contains(&&*call.func_name) => {}
                Some(target) => walk(target, own, operators)?,
                None => {}
            }
            call.args.iter().try_for_each(|argument| walk(argument, own, operators))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|item| walk(item, own, operators)),
        Expr::Map(map) => entries(&map.entries, own, operators),
        Expr::Struct(made) => entries(&made.entries, own, operators),
        Expr::Comprehension(all) => {
            walk(&all.iter_range, own, operators)?;
            let names = own.len();
            own.push(&all.iter_var);
            own.extend(all.iter_var2.as_deref());
            own.push(&all.accu_var);
            let parts = [&all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
            parts.into_iter().try_for_each(|part| walk(part, own, operators))?;
            own.truncate(names);
            Ok(())
        }
    }
}

fn entries<'a>(
    entries: &'a [cel::common::ast::IdedEntryExpr],
    own: &mut Vec<&'a str>,
    operators: &mut usize,
) -> Result<(), ConditionError> {
    entries.iter().try_for_each(|entry| match &entry.expr {
        EntryExpr::StructField(field) => walk(&field.value, own, operators),
        EntryExpr::MapEntry(pair) => {
            walk(&pair.key, own, operators)?;
            walk(&pair.value, own, operators)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expression: &str) -> Result<(), ConditionError> {
        check(&Condition {
            title: "t".to_owned(),
            description: String::new(),
            expression: expression.to_owned(),
        })
    }

    #[test]
    fn says_what_cloud_run_would_not_understand() {
        let missing = |name: &str| Err(ConditionError::Attribute(name.to_owned()));
        let weighed = |why: &str| Err(ConditionError::Weighed(why.to_owned()));
        let many = vec!["true"; 14].join(" && ");
        for (expression, expected) in [
            (r#"request.path.startsWith("/a") && request.host.endsWith(".app")"#, Ok(())),
            (r#"request.time < timestamp("2026-01-02T03:04:05Z")"#, Ok(())),
            (r#"request.time.getHours("Europe/Berlin") > 8"#, Ok(())),
            ("resource.matchTag('1/env', 'prod') || resource.hasTagKeyId('tagKeys/1')", Ok(())),
            ("['/a', '/b'].exists(p, request.path == p)", Ok(())),
            ("request.auth.claims.x == 1", missing("request.auth")),
            ("request.method == 'GET'", missing("request.method")),
            ("resource.name.startsWith('x')", missing("resource.name")),
            ("resource.type == 'run.googleapis.com/Service'", missing("resource.type")),
            ("resource.other('x')", missing("resource")),
            ("destination.port == 1", missing("destination")),
            ("api.getAttribute('x', 1) == 1", missing("api")),
            ("has(request.headers)", missing("request.headers")),
            ("{'a': principal}['a'] == 'x'", missing("principal")),
            ("request.path == '/' // and so on", Err(ConditionError::NotWhole)),
            ("request.path.extract('/a/{x}') == 'b'", Ok(())),
            (
                "request.path.startWith('/')",
                weighed("its condition asks of `startWith`, which Cloud Run does not give"),
            ),
            ("request.time < '2027-01-01'", weighed("its condition cannot be evaluated")),
            ("request.path", Err(ConditionError::NoTruth)),
            ("request.path ==", Err(ConditionError::Syntax)),
            ("", Err(ConditionError::Syntax)),
            (&many, Err(ConditionError::Operators(13))),
        ] {
            assert_eq!(of(expression), expected, "{expression}");
        }
        let all = [
            ("(", ")"),
            ("[", "]"),
            ("{1:", "}"),
            ("f(", ")"),
            ("!", ""),
            ("-", ""),
            ("true?true:", ""),
            ("1+", ""),
            ("true&&", ""),
            ("request.path.", ""),
        ];
        for (open, close) in all {
            let deep = |n: usize| format!("{}true{}", open.repeat(n), close.repeat(n));
            assert_eq!(of(&deep(2_000)), Err(ConditionError::Large), "{open}");
            // As deep as is tried at all.
            assert_ne!(of(&deep(120)), Err(ConditionError::Large), "{open}");
            assert!(of(&open.repeat(120)).is_err(), "{open}");
        }
        // What a scanner of quotes would take for a text may be none.
        for (open, close) in [("// \"\n", " // \""), ("r'\\' + ", "'"), ("\"\"\"'\"\"\" + ", "'")] {
            let hidden = format!("{open}{}true{}{close}", "(".repeat(2_000), ")".repeat(2_000));
            assert_eq!(of(&hidden), Err(ConditionError::Large), "{open}");
        }
        let many = vec!["'/a.(b)'"; 200].join(", ");
        assert_eq!(of(&format!("request.path in [{many}]")), Ok(()));
    }

    #[test]
    fn a_title_is_needed_and_not_too_long() {
        let named = |title: &str, description: &str| {
            check(&Condition {
                title: title.to_owned(),
                description: description.to_owned(),
                expression: "true".to_owned(),
            })
        };
        assert_eq!(named("t", "d"), Ok(()));
        assert_eq!(named(" ", ""), Err(ConditionError::Title));
        assert_eq!(named(&"x".repeat(101), ""), Err(ConditionError::Title));
        assert_eq!(named("t", &"x".repeat(257)), Err(ConditionError::Description));
    }
}
