"""The environment variables that vitbench reads, each with what it does; docs/settings.md is written from this."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One variable. `default` says what holds without it."""

    name: str
    default: str
    meaning: str


OWN: tuple[Variable, ...] = (
    Variable(
        "VITBENCH_HOME", "`XDG_DATA_HOME/vitbench`", "the store: where runs and caches are; `--store` overrules it"
    ),
    Variable("VITBENCH_SETTINGS", "`XDG_CONFIG_HOME/vitbench/settings.toml`", "the file of your settings"),
    Variable(
        "VITBENCH_GPUS", "all", "which GPUs may be used, such as `0,2`, within `CUDA_VISIBLE_DEVICES`; empty: none"
    ),
    Variable("VITBENCH_SLOTS", "1", "how many runs may train at a time where there is no GPU"),
    Variable("VITBENCH_COLOURS", "auto", "`true`, `256`, `16` or `none`: what the terminal shows (terminals.md)"),
    Variable("VITBENCH_ASCII", "by locale", "`1`: charts and pictures in ASCII signs; `0`: in Unicode"),
    Variable(
        "VITBENCH_GRAPHICS",
        "half",
        "`kitty` or `sixel` (extra `graphics`), `half` (half blocks), `off` (no pictures in the app)",
    ),
    Variable(
        "VITBENCH_INSPECTOR_MINUTES",
        "10",
        "minutes without a question after which the process that holds networks leaves; 0: it starts only when asked",
    ),
    Variable("VITBENCH_LARGEST_PICTURE", "89", "millions of pixels that are read; `data.largest_picture` overrules it"),
    Variable("VITBENCH_GPU_LOCKS", "empty", "a word that sets leases of GPUs and slots apart from others'; for tests"),
)
"""Those that a person sets."""

OF_NOTICES: tuple[str, ...] = (
    "VITBENCH_ID",
    "VITBENCH_NAME",
    "VITBENCH_STATE",
    "VITBENCH_ERROR",
    "VITBENCH_FOLDER",
    "VITBENCH_SENTENCE",
)
"""Those that vitbench sets for the command of `on_end` (docs/notifications.md)."""

BETWEEN_PROCESSES: tuple[str, ...] = (
    "VITBENCH_RUN",
    "VITBENCH_RUN_LOCK",
    "VITBENCH_LEASE",
    "VITBENCH_RENDEZVOUS",
    "VITBENCH_RENDEZVOUS_ID",
    "VITBENCH_ADDRESS",
    "VITBENCH_LEAVE",
    "VITBENCH_DIE_WITH_PARENT",
    "VITBENCH_SLURM_JOB",
)
"""Those that vitbench sets for processes of its own; nobody else does."""

OF_OTHERS: tuple[Variable, ...] = (
    Variable("CUDA_VISIBLE_DEVICES", "all", "GPUs that any program may see"),
    Variable("HF_HOME, HF_HUB_OFFLINE", "`~/.cache/huggingface`", "where published weights are; `1`: no network"),
    Variable("TORCH_HOME", "`~/.cache/torch`", "where the weights of pytorch_pretrained_vit are"),
    Variable("NO_COLOR", "not set", "the app in greys"),
    Variable("LANG, LC_ALL", "the system's", "without UTF-8 everything is ASCII"),
    Variable("TERM, COLORTERM", "the terminal's", "how many colours there are (terminals.md)"),
    Variable("SSH_CONNECTION", "set by sshd", "the app polls every other second, and figures have an `scp` line"),
)
"""Those of others that change what vitbench does."""
