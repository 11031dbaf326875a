# vitbench in fish:  vitbench completion fish > ~/.config/fish/completions/vitbench.fish
function __vitbench_candidates
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    set -l lines ($typed[1] completion fish --for $typed[2..] "$word" 2>/dev/null)
    test (count $lines) -gt 1; and printf '%s\n' $lines[2..]
    test "$lines[1]" = files; and __fish_complete_path "$word"
end
complete -c vitbench -f -a '(__vitbench_candidates)'
