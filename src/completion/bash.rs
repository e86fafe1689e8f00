//! Bash, whose own idea of a word ends at `@`, `:` and `=`, which are inside ours.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{Bash as OfClap, EnvCompleter};

/// Completion for bash, with words split at blanks alone.
#[derive(Clone, Copy, Debug)]
pub struct Bash;

/// Hands the words up to the cursor to the program, and takes from each answer what bash holds to
/// be done already.
const SCRIPT: &str = r#"_runaccess() {
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

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        var: &str,
        _: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let program = format!("'{}'", completer.replace('\'', "'\\''"));
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
