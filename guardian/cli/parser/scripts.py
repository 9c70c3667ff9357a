"""What a shell needs to complete guardian's commands: a script for each, and the form in which it reads the answers.

The scripts call the guardian that is on the line (`$1`), wherever it is, with `completion SHELL --answer`: the words of
the line up to the one that is being typed, and that one last. click's own scripts hand them over in environment
variables, and guardian removes those that it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

BASH: Final = r"""# guardian: completion for bash. Put this line into ~/.bashrc:
#     source <(guardian completion bash)
_guardian_completion() {
    local IFS=$'\n' line
    COMPREPLY=()
    for line in $("$1" completion bash --answer -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        case "$line" in
            plain,*) COMPREPLY+=("${line#plain,}") ;;
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
        esac
    done
}
complete -F _guardian_completion guardian
"""

ZSH: Final = r"""#compdef guardian
# guardian: completion for zsh. Put this line into ~/.zshrc, below the one with compinit:
#     source <(guardian completion zsh)
_guardian() {
    local -a answers
    local line kind
    for line in "${(@f)$("${words[1]}" completion zsh --answer -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        kind="${line%%,*}"
        case "$kind" in
            plain) answers+=("${line#*,}") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#answers )) && _describe -V guardian answers
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _guardian "$@"
else
    compdef _guardian guardian
fi
"""

FISH: Final = r"""# guardian: completion for fish. Put it where fish looks:
#     guardian completion fish > ~/.config/fish/completions/guardian.fish
function __guardian_completion
    set -l typed (commandline -opc)
    set -l guardian $typed[1]
    for line in ($guardian completion fish --answer -- $typed[2..-1] (commandline -ct) 2>/dev/null)
        set -l parts (string split -m 2 "," -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                printf "%s\t%s\n" $parts[2] $parts[3]
        end
    end
end
complete --no-files --command guardian --arguments "(__guardian_completion)"
"""

SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""The script of each shell."""


def answer_line(shell: str, item: CompletionItem) -> str:
    """Returns one possible completion as the shell's script reads it: its kind, a comma, and the word with its help."""
    if item.type != "plain" or not item.help or shell == "bash":
        return f"{item.type},{item.value}"
    if shell == "fish":
        return f"plain,{item.value},{item.help}"
    # zsh takes what comes before the first colon that has no backslash as the word.
    word = item.value.replace(":", "\\:")
    return f"plain,{word}:{item.help}"
