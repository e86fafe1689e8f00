//! Prompts, on stderr.

use console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, FuzzySelect, Input, Select};

use super::mode;

/// The width of the marker before an item and the cursor after it.
const MARGIN: usize = 4;
/// Items are not shortened below this width.
const LEAST: usize = 12;

/// Why there is no answer.
#[derive(Debug)]
pub enum PromptError {
    /// Escape, Ctrl-C, or a closed terminal.
    Cancelled,
    Io(std::io::Error),
}

impl From<dialoguer::Error> for PromptError {
    fn from(error: dialoguer::Error) -> Self {
        let dialoguer::Error::IO(error) = error;
        match error.kind() {
            std::io::ErrorKind::Interrupted
            | std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::NotConnected => Self::Cancelled,
            _ => Self::Io(error),
        }
    }
}

/// Asks a yes-or-no question; the default is no. Discards input that was typed or pasted before the
/// question. The answer ends with Enter.
pub fn confirm(question: &str, color: bool) -> Result<bool, PromptError> {
    let theme = theme(color);
    mode::forget_typed();
    let answer = Confirm::with_theme(theme.as_ref())
        .with_prompt(question)
        .default(false)
        .wait_for_newline(true)
        .interact_on_opt(&Term::stderr())?;
    answer.ok_or(PromptError::Cancelled)
}

/// Lets the user choose one of many by typing part of it.
pub fn pick(question: &str, items: &[String], color: bool) -> Result<usize, PromptError> {
    let theme = theme(color);
    let answer = FuzzySelect::with_theme(theme.as_ref())
        .with_prompt(question)
        .items(fitting(items))
        .default(0)
        .interact_on_opt(&Term::stderr())?;
    answer.ok_or(PromptError::Cancelled)
}

/// Lets the user choose one of a few.
pub fn choose(question: &str, items: &[String], color: bool) -> Result<usize, PromptError> {
    let theme = theme(color);
    let answer = Select::with_theme(theme.as_ref())
        .with_prompt(question)
        .items(fitting(items))
        .default(0)
        .interact_on_opt(&Term::stderr())?;
    answer.ok_or(PromptError::Cancelled)
}

/// Asks for a text until `check` accepts it.
pub fn type_in(
    question: &str,
    color: bool,
    check: impl Fn(&str) -> Result<(), String> + Clone + 'static,
) -> Result<String, PromptError> {
    let theme = theme(color);
    let answer: String = Input::with_theme(theme.as_ref())
        .with_prompt(question)
        // Empty input is an answer too; `check` says what is wrong with it.
        .allow_empty(true)
        .validate_with(move |text: &String| check(text))
        .interact_text_on(&Term::stderr())?;
    Ok(answer)
}

/// Shortens items to the terminal's width. An item that wraps would be counted as one line, so the
/// prompt would not erase the rest of it.
fn fitting(items: &[String]) -> Vec<String> {
    let room = usize::from(Term::stderr().size().1).saturating_sub(MARGIN).max(LEAST);
    items.iter().map(|item| console::truncate_str(item, room, "…").into_owned()).collect()
}

fn theme(color: bool) -> Box<dyn Theme> {
    if color { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
}
