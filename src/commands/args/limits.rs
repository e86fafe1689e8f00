//! Limits of a grant: an expiry, or any condition.

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use super::times::{moment, span};
use crate::context::Context;
use crate::domain::condition::{self, Condition, ConditionError, MAX_DESCRIPTION};
use crate::domain::error::CommandError;
use crate::domain::member::Member;
use crate::domain::plan::MADE_UP;
use crate::domain::role::{Role, is_basic};
use crate::journal::redacted;

/// The options that limit a grant.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::commands) struct LimitOptions {
    /// Let it end after this span, such as 90m, 4h or 7d; granting again extends it
    #[arg(long = "for", value_name = "SPAN", value_parser = span, conflicts_with = "until")]
    span: Option<Duration>,
    /// Let it end at this time, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,
    /// Let it count where this CEL expression holds; also as gcloud writes it
    /// (`expression=…,title=…[,description=…]`), or `None`
    #[arg(long, value_name = "EXPR")]
    condition: Option<String>,
    /// What the condition is called
    #[arg(long, value_name = "TITLE")]
    condition_title: Option<String>,
    /// What the condition is for
    #[arg(long, value_name = "TEXT")]
    condition_description: Option<String>,
}

impl LimitOptions {
    fn is_timed(&self) -> bool {
        self.span.is_some() || self.until.is_some()
    }

    /// Checks everything that needs no call.
    pub(in crate::commands) fn check(
        &self,
        cx: &Context,
        members: &[Member],
    ) -> Result<(), CommandError> {
        let typed = self.typed(cx)?;
        if typed.expression.is_none() && !self.is_timed() {
            return Ok(());
        }
        if let Some(member) = members.iter().find(|member| member.is_public()) {
            let message = format!("`{member}` cannot be let in under a condition or for a time");
            return Err(CommandError::usage(message)
                .because("IAM takes conditions for principals that are named")
                .hint(cx.suggest("grant --help")));
        }
        match typed {
            Typed { expression: Some(expression), title, description } => {
                let title = if title.is_empty() { "untitled".to_owned() } else { title };
                check(&Condition { title, description, expression: expression.clone() })?;
                let wrong =
                    |what| CommandError::usage(format!("the condition `{expression}` {what}"));
                if condition::limits_nothing(&expression, cx.now()) {
                    let of_it = ["--condition", "--condition-title", "--condition-description"];
                    return Err(wrong("limits nothing").hint(cx.command_without(&of_it)));
                }
                if condition::never_holds(&expression) {
                    return Err(wrong("never holds"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a basic role with a condition.
    pub(in crate::commands) fn suits(&self, cx: &Context, role: &Role) -> Result<(), CommandError> {
        let typed = self.typed(cx)?;
        if (typed.expression.is_some() || self.is_timed()) && is_basic(role.as_str()) {
            let message = format!("`{role}` cannot be given under a condition or for a time");
            return Err(CommandError::usage(message).because("IAM takes none for basic roles"));
        }
        Ok(())
    }

    /// The condition of the grant; `None` without a limit.
    pub(in crate::commands) fn condition(
        &self,
        cx: &Context,
        reason: Option<&str>,
    ) -> Result<Option<Condition>, CommandError> {
        let (typed, now) = (self.typed(cx)?, cx.now());
        let Typed { expression, mut title, mut description } = typed;
        if let Some(end) = expression.as_deref().and_then(condition::ends_at)
            && end <= now
        {
            return Err(CommandError::usage(format!("{} is past already", minutes(end)))
                .because("the condition never holds again"));
        }
        let end = match (self.span, self.until) {
            (None, None) => {
                let limited = |expression| Condition { title, description, expression };
                return Ok(expression.map(limited));
            }
            (None, Some(until)) => until,
            (Some(span), _) => {
                let span = time::Duration::try_from(span).ok();
                span.and_then(|span| now.checked_add(span)).ok_or_else(|| {
                    CommandError::usage(format!("there is no such time so long after {now}"))
                })?
            }
        };
        cx.warn_of_clock();
        if end <= now {
            return Err(CommandError::usage(format!("{} is past already", minutes(end))));
        }
        if title.is_empty() {
            title = format!("until {} {MADE_UP}", minutes(end));
        }
        if description.is_empty() {
            description = why(cx, now, reason);
        }
        let expression = condition::until(expression.as_deref(), end);
        let condition = Condition { title, description, expression };
        check(&condition)?;
        Ok(Some(condition))
    }

    /// The condition of the options, without the expiry.
    fn typed(&self, cx: &Context) -> Result<Typed, CommandError> {
        let parts = match self.condition.as_deref() {
            None | Some("None") => Parts::default(),
            Some(text) => Parts::parse(text),
        };
        let told = |option: &Option<String>, part: Option<String>| {
            option.clone().or(part).unwrap_or_default()
        };
        let typed = Typed {
            expression: parts.expression,
            title: told(&self.condition_title, parts.title),
            description: told(&self.condition_description, parts.description),
        };
        let is_limited = typed.expression.is_some() || self.is_timed();
        let is_named = !typed.title.is_empty() || !typed.description.is_empty();
        if is_named && !is_limited {
            return Err(CommandError::usage("there is no condition to be given a title")
                .hint(cx.command_with_option("--condition", Some("EXPR"))));
        }
        if typed.expression.is_some() && typed.title.is_empty() && !self.is_timed() {
            return Err(CommandError::usage("a condition needs a title")
                .hint(cx.command_with_option("--condition-title", Some("TITLE"))));
        }
        Ok(typed)
    }
}

/// A condition as it was typed.
#[derive(Debug)]
struct Typed {
    expression: Option<String>,
    title: String,
    description: String,
}

fn check(typed: &Condition) -> Result<(), CommandError> {
    let texts = [&typed.title, &typed.description, &typed.expression];
    if texts.into_iter().any(|text| redacted(text) != *text) {
        return Err(CommandError::usage("the condition holds what looks like a token or a key")
            .because("everybody who may read the policy would see it"));
    }
    condition::check(typed).map_err(|error| {
        let message = format!("the condition `{}` cannot be used", typed.expression);
        let failed = CommandError::usage(message).because(error.to_string());
        match error {
            ConditionError::Attribute(_) => {
                failed.because("it gives `request.path`, `request.host`, `request.time` and tags")
            }
            _ => failed,
        }
    })
}

/// The description of the condition: which account granted it, when, with what and why, shortened to
/// the length that IAM accepts.
fn why(cx: &Context, now: OffsetDateTime, reason: Option<&str>) -> String {
    let account = cx.identity().ok().and_then(|identity| identity.account.clone());
    let by = account.map(|account| format!(" by {account}")).unwrap_or_default();
    let made = format!("granted{by} at {} with runaccess", minutes(now));
    let text = match reason {
        None => made,
        Some(reason) => format!("{made}: {}", redacted(reason)),
    };
    let mut end = text.len().min(MAX_DESCRIPTION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A time in UTC, to the minute.
fn minutes(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.format(&format).unwrap_or_default()
}

/// The parts of a condition in gcloud's flag.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    expression: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

impl Parts {
    /// Parses an expression alone, or gcloud's pairs: joined by commas, or by the delimiter between
    /// leading carets (`gcloud topic escaping`). A comma that starts no pair belongs to the value.
    fn parse(text: &str) -> Self {
        let keys = ["expression=", "title=", "description="];
        let (sign, pairs) = match text.strip_prefix('^').and_then(|rest| rest.split_once('^')) {
            Some((sign, pairs)) if !sign.is_empty() => (sign, pairs),
            _ => (",", text),
        };
        let mut parts = Self::default();
        if !keys.iter().any(|key| pairs.starts_with(key)) {
            parts.expression = Some(text.to_owned());
            return parts;
        }
        let mut beside = String::new();
        let mut value = &mut beside;
        for (at, piece) in pairs.split(sign).enumerate() {
            if let Some(rest) = piece.strip_prefix("expression=") {
                value = parts.expression.insert(rest.to_owned());
            } else if let Some(rest) = piece.strip_prefix("title=") {
                value = parts.title.insert(rest.to_owned());
            } else if let Some(rest) = piece.strip_prefix("description=") {
                value = parts.description.insert(rest.to_owned());
            } else {
                value.push_str(if at == 0 { "" } else { sign });
                value.push_str(piece);
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_as_gcloud_writes_them() {
        let parts = |expression: &str, title: Option<&str>, description: Option<&str>| Parts {
            expression: Some(expression.to_owned()),
            title: title.map(str::to_owned),
            description: description.map(str::to_owned),
        };
        for (text, expected) in [
            ("a == 1", parts("a == 1", None, None)),
            ("a == 'title=x'", parts("a == 'title=x'", None, None)),
            ("expression=a == 1,title=t", parts("a == 1", Some("t"), None)),
            ("title=t,expression=f(a, b),description=d", parts("f(a, b)", Some("t"), Some("d"))),
            ("^;^expression=f(a, b);title=t, u", parts("f(a, b)", Some("t, u"), None)),
            ("", parts("", None, None)),
        ] {
            assert_eq!(Parts::parse(text), expected, "{text}");
        }
    }
}
