//! `alias`: prints the shell function `gcurl`.

use clap::ValueEnum;

use super::completions::Shell;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;

/// Print the function `gcurl`: curl with the right token, its arguments in any order
///
/// Of its arguments, the one that is an address, else the last, names the service.
#[derive(clap::Args, Debug)]
#[command(after_help = "Put it where your shell starts:
  bash:        echo 'source <(runaccess alias bash)' >> ~/.bashrc
  zsh:         echo 'source <(runaccess alias zsh)' >> ~/.zshrc
  fish:        echo 'runaccess alias fish | source' >> ~/.config/fish/config.fish
  PowerShell:  Add-Content $PROFILE 'runaccess alias powershell | Out-String | iex'

Then: gcurl -s https://orders-k4qx7v2nza-uc.a.run.app/health")]
pub(super) struct Args {
    /// The shell; without one, that of `SHELL`
    #[arg(value_enum, value_name = "SHELL")]
    shell: Option<Shell>,
}

fn function(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash | Shell::Zsh => {
            "gcurl() {\n    command runaccess curl --any-order -- \"$@\"\n}\n"
        }
        Shell::Fish => {
            "function gcurl --wraps=curl --description 'curl with a token for Cloud Run'\n    \
                 command runaccess curl --any-order -- $argv\nend\n"
        }
        Shell::Powershell => {
            "function gcurl {\n    & (Get-Command runaccess -CommandType Application)[0] curl \
                 --any-order '--' @args\n}\n"
        }
    }
}

pub(super) fn run(cx: &Context, args: &Args) -> Result<u8, CommandError> {
    let shell = if let Some(shell) = args.shell {
        shell
    } else {
        let program = cx.shell().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        Shell::from_str(name, true).map_err(|_| {
            CommandError::usage("which shell is not known").hint("runaccess alias bash")
        })?
    };
    cx.print(function(shell))?;
    Ok(ExitCode::Done.number())
}
