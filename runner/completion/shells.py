"""What a shell evaluates to complete ``runner``: it asks us, with the line in ``COMP_LINE``."""

from __future__ import annotations

# bash breaks words at `=` and `:`, and puts in what follows the last of them. 3.2 has no mapfile.
_BASH = r"""_runner_complete() {
  local line word=${COMP_LINE:0:COMP_POINT} before=
  word=${word##*[[:space:]]}
  case $COMP_WORDBREAKS in *=*) before=${word%"${word##*[=:]}"} ;; esac
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("${line#"$before"}")
  done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_POINT= \
    "${1/#\~/$HOME}" -sc query=bash 2> /dev/null)
}
complete -o nospace -F _runner_complete runner
"""

_ZSH = r"""(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_runner_complete() {
  local word about shown
  local -a open open_shown done done_shown
  while IFS=$'\t' read -r word about; do
    shown=${about:+"$word  -- $about"}
    if [[ $word == *[=./,] ]]; then
      open+=("$word"); open_shown+=("${shown:-$word}")
    else
      done+=("$word"); done_shown+=("${shown:-$word}")
    fi
  done < <(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" COMP_POINT= \
    ${~words[1]} -sc query=zsh 2> /dev/null)
  (( ${#done} )) && compadd -Q -V runs -l -d done_shown -a -- done
  (( ${#open} )) && compadd -Q -V keys -S '' -l -d open_shown -a -- open
  return 0
}
compdef _runner_complete runner
"""

_FISH = r"""function _runner_complete
    set -l words (commandline -opc)
    set -lx COMP_LINE (commandline -cp)
    set -lx COMP_POINT
    eval $words[1] -sc query=fish 2> /dev/null
end
complete -c runner -f -k -a '(_runner_complete)'
"""

INSTALL = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""Shell -> what turns completion on."""

UNINSTALL = {
    "bash": "complete -r runner\nunset -f _runner_complete\n",
    "zsh": "compdef -d runner\nunfunction _runner_complete\n",
    "fish": "complete -c runner -e\nfunctions -e _runner_complete\n",
}
"""Shell -> what turns it off again."""
