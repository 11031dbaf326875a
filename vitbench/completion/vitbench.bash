# vitbench in bash. In ~/.bashrc:  eval "$(vitbench completion bash)"
_vitbench() {
    local line=${COMP_LINE:0:COMP_POINT} kind value word cut
    local -a words offered
    # By blanks, not by COMP_WORDBREAKS, which cuts timm:NAME and KEY=VALUE in pieces.
    read -ra words <<< "$line"
    [[ $line == *[[:blank:]] || ${#words[@]} -eq 0 ]] && words+=("")
    word=${words[-1]}
    COMPREPLY=()
    { read -r kind; while IFS=$'\t' read -r value _; do offered+=("$value"); done; } \
        < <("${words[0]}" completion bash --for "${words[@]:1}" 2>/dev/null)
    # Readline replaces what follows the last break only.
    cut=""
    case $word in *[:=@]*)
        local last=${word##*[:=@]} cur=${COMP_WORDS[COMP_CWORD]}
        [[ $cur == [:=@] ]] && cur=""
        cut=${word%"$cur"}
        : "$last" ;;
    esac
    for value in "${offered[@]}"; do COMPREPLY+=("${value#"$cut"}"); done
    [[ ${#offered[@]} -eq 1 && ${offered[0]} == *[:=@] ]] && compopt -o nospace
    if [[ $kind == files ]]; then
        local file
        while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "${word#"$cut"}")
        compopt -o filenames
    fi
}
complete -F _vitbench vitbench
