"""Completion for bash, zsh and fish: the shells' scripts lie beside this file and ask `candidates` at each Tab."""
