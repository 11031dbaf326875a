"""torch's compiler stays out of the start of the inspector, and is itself when somebody wants it."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
if "deferred" in sys.argv:
    from vitbench.deferred_compiler import defer_compiler
    defer_compiler()
import torch, timm, torchvision
found = {"imported": "torch._dynamo" in sys.modules}
torch.manual_seed(0)
boxes = torch.tensor([[0.0, 1, 1, 9, 7], [0, 2.5, 3, 12, 12]])
found["boxes"] = torchvision.ops.roi_align(torch.rand(1, 2, 16, 16), boxes, (2, 2)).flatten().tolist()
network = timm.create_model("naflexvit_base_patch16_gap", embed_dim=24, depth=1, num_heads=2, num_classes=3).eval()
with torch.no_grad():
    found["network"] = network(torch.rand(1, 3, 64, 96)).flatten().tolist()
import torch._dynamo.utils
found["real"] = torch._dynamo.utils.is_compile_supported("cpu") and hasattr(torch._dynamo.utils, "counters")
found["disable"] = torch.compiler.disable.__module__
twice = torch.compile(lambda x: x * 2, backend="eager", fullgraph=True)
found["compiled"] = twice(torch.ones(2)).tolist()
print(json.dumps(found))
"""


def answer(*arguments: str) -> dict:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_it_is_imported_with_its_first_use_and_changes_nothing() -> None:
    later, at_once = answer("deferred"), answer()
    assert not later.pop("imported")
    at_once.pop("imported")
    assert later == at_once
    assert later["real"] is True
    assert later["disable"] == "torch.compiler"
    assert later["compiled"] == [2.0, 2.0]
