#compdef vitbench
# vitbench in zsh. In ~/.zshrc, behind compinit:  eval "$(vitbench completion zsh)"
_vitbench() {
    local kind line value
    local -a lines plain open described_plain described_open
    lines=("${(@f)$("${words[1]}" completion zsh --for "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    kind=${lines[1]}
    for line in "${(@)lines[2,-1]}"; do
        value=${line%%$'\t'*}
        [[ -z $value ]] && continue
        if [[ $value == *[:=@] ]]; then
            open+=("$value"); described_open+=("$value  ${line#*$'\t'}")
        else
            plain+=("$value"); described_plain+=("$value  ${line#*$'\t'}")
        fi
    done
    (( ${#open} )) && compadd -S '' -l -d described_open -a open
    (( ${#plain} )) && compadd -l -d described_plain -a plain
    [[ $kind == files ]] && _files
}
compdef _vitbench vitbench
