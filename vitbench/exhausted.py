"""What a machine has run out of, by the error that a library raises for it: memory, threads. No torch."""

import re

_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "[CUDA]: out of memory",  # Triton's
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "Cannot allocate memory",  # the system's, in what torch and safetensors raise when they map a file
    "std::bad_alloc",
)
_LIBRARY = ("failed to map segment", "cannot allocate memory in static TLS", "Cannot allocate memory")
"""What the loader of shared libraries says, inside an ImportError or OSError."""
_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)|you tried to allocate (\d+) bytes")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an allocation failed: on the GPU, in its libraries, or on the CPU, which raises a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)


def exhausted(error: BaseException | None) -> str | None:
    """A sentence about what there is not enough of, if that is what an error means; else None."""
    message = str(error)
    if is_out_of_memory(error):
        on_gpu = "CUDA" in message or "CUBLAS" in message or "CUDNN" in message
        found = _ASKED.search(message)
        asked = f" ({found[1] or f'{int(found[2]) / 1e9:,.1f} GB'} more were asked for)" if found else ""
        if on_gpu:
            return f"The memory of the GPU is not enough for that{asked}; free it, ask for less, or say --device cpu."
        return f"There is not enough memory on this machine for that{asked}; end other programs, or ask for less."
    if isinstance(error, RecursionError):
        return "Something that was given is nested too deep, or leads through too many folders."
    if isinstance(error, RuntimeError) and "can't start new thread" in message:
        return "This machine allows no more threads; end other programs, or raise `ulimit -u`."
    if isinstance(error, ImportError | OSError) and any(words in message for words in _LIBRARY):
        return "There is not enough memory on this machine to load a library; raise `ulimit -v`, or end other programs."
    return None
