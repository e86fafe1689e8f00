//! How each shell requests candidates, and how they are written for it.
//!
//! Options are offered only if the word begins with `-`. Among a dozen services they would be
//! noise, and a shell would insert a single one that was not meant.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

/// Shells with completion.
pub const SHELLS: [&dyn EnvCompleter; 4] = [
    &Shell { of_clap: Bash, script: Script::Own(BASH, "'\\''") },
    &Shell { of_clap: Zsh, script: Script::OfClap },
    &Shell { of_clap: Fish, script: Script::OfClap },
    &Shell { of_clap: Powershell, script: Script::Own(POWERSHELL, "''") },
];

/// A shell and the source of its script.
#[derive(Clone, Copy, Debug)]
struct Shell<S> {
    of_clap: S,
    script: Script,
}

/// The script that registers completion in the shell.
#[derive(Clone, Copy, Debug)]
enum Script {
    OfClap,
    /// A script of this program, and how it escapes a quote inside quotes.
    Own(&'static str, &'static str),
}

/// Bash splits words at `@`, `:` and `=`, which this program's arguments contain. This script
/// passes the words up to the cursor, split at blanks only, and removes from each candidate the
/// part that bash regards as complete.
const BASH: &str = r#"_runaccess() {
    local line="${COMP_LINE:0:COMP_POINT}" word done answer IFS
    local -a words answers
    IFS=$' \t\n' read -r -a words <<<"$line"
    if [[ -z $line || $line == *[[:blank:]] ]]; then words+=(""); fi
    word="${words[${#words[@]}-1]}"
    done="${word%"${word##*["$COMP_WORDBREAKS"]}"}"
    IFS=$'\013'
    answers=( $(_CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX=$(( ${#words[@]} - 1 )) VAR=bash \
        PROGRAM -- "${words[@]}" 2>/dev/null) )
    COMPREPLY=()
    for answer in "${answers[@]}"; do
        COMPREPLY+=( "${answer#"$done"}" )
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[,=/:] ]]; then compopt -o nospace; fi
}
complete -F _runaccess BIN
"#;

/// PowerShell passes the words as an array: no typed text is evaluated.
const POWERSHELL: &str = r#"Register-ArgumentCompleter -Native -CommandName BIN -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    if (-not $wordToComplete) { $words += '' }
    $env:VAR = 'powershell'
    try {
        & PROGRAM '--' @words 2>$null | ForEach-Object {
            $value, $about = $_ -split "`t", 2
            if (-not $about) { $about = $value }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
        }
    } finally {
        Remove-Item Env:\VAR
    }
}
"#;

/// Loads zsh's completion system if nothing has loaded it: registering a completion requires it.
const ZSH: &str = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n";

impl<S: EnvCompleter> EnvCompleter for Shell<S> {
    fn name(&self) -> &'static str {
        self.of_clap.name()
    }

    fn is(&self, name: &str) -> bool {
        self.of_clap.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        if let Script::Own(script, quote) = self.script {
            let program = format!("'{}'", completer.replace('\'', quote));
            let script = script.replace("VAR", var).replace("BIN", bin);
            return buf.write_all(script.replace("PROGRAM", &program).as_bytes());
        }
        let mut script = Vec::new();
        self.of_clap.write_registration(var, name, bin, completer, &mut script)?;
        let script = String::from_utf8_lossy(&script);
        let script = script.trim_start();
        // zsh's autoloader reads the first line, which must stay first.
        match script.split_once('\n') {
            Some((first, rest)) if first.starts_with("#compdef") => {
                write!(buf, "{first}\n{ZSH}{rest}")
            }
            _ => buf.write_all(script.as_bytes()),
        }
    }

    fn write_complete(
        &self,
        cmd: &mut Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let begun = args.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
        let mut answer = Vec::new();
        self.of_clap.write_complete(cmd, args, current_dir, &mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        if begun {
            return buf.write_all(answer.as_bytes());
        }
        // Bash expects vertical tabs between the candidates, other shells line ends.
        let sign = if answer.contains('\u{b}') { '\u{b}' } else { '\n' };
        let kept: Vec<&str> = answer.split(sign).filter(|word| !word.starts_with("--")).collect();
        buf.write_all(kept.join(&sign.to_string()).as_bytes())
    }
}
