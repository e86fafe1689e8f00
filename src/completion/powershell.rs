//! PowerShell, handed the words as an array: nothing that is typed is evaluated.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{EnvCompleter, Powershell as OfClap};

/// Completion for PowerShell.
#[derive(Clone, Copy, Debug)]
pub struct Powershell;

const SCRIPT: &str = r#"Register-ArgumentCompleter -Native -CommandName BIN -ScriptBlock {
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

impl EnvCompleter for Powershell {
    fn name(&self) -> &'static str {
        OfClap.name()
    }

    fn is(&self, name: &str) -> bool {
        OfClap.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        _: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let program = format!("'{}'", completer.replace('\'', "''"));
        let script = SCRIPT.replace("VAR", var).replace("BIN", bin).replace("PROGRAM", &program);
        buf.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        cmd: &mut Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        OfClap.write_complete(cmd, args, current_dir, buf)
    }
}
