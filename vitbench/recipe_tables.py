"""The tables of a recipe, and what each key may be. Names are timm's where timm has one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from vitbench.declarations import loaded, one_of

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=8)]
_TIME = r"^([0-9]{1,3}-)?[0-9]{1,3}:[0-9]{2}:[0-9]{2}$"


@dataclass(frozen=True)
class OneOf:
    """A name out of declarations, which `where` (`module:attribute`) finds; packages can add to them."""

    where: str

    def names(self) -> list[str]:
        """All that there are, those of packages too."""
        return list(loaded(self.where))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, name: str) -> str:
        if name not in loaded(self.where):
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": one_of(self.names())})
        return name


def description(field: FieldInfo) -> str:
    """What a key of a recipe is, in words; of one that is a name, which names there are."""
    names = [" | ".join(one.names()) for one in field.metadata if isinstance(one, OneOf)]
    return ": ".join([*names, *filter(None, [field.description])])


class RecipeTable(BaseModel):
    """A table of the recipe: an unknown key is an error, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


class ModelTable(RecipeTable):
    """Which network, where its weights come from, and how much of it learns."""

    name: str = Field("timm:vit_base_patch16_224", min_length=1, description="timm:NAME, pretrained_vit:NAME or demo")
    pretrained: bool = Field(False, description="start from the released weights, downloaded once")
    weights: str | None = Field(
        None, description="start from this file instead (safetensors, or .pth read without pickle)"
    )
    image_size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(
        None, description="side, or [height, width], in pixels; without it the network's own"
    )
    in_chans: Literal[1, 3] = Field(
        3, description="3, or 1: the network sees grey; weights for colours are summed, as timm does it"
    )
    num_classes: Positive | None = Field(None, description="size of the head; without it, as many as the data has")
    freeze: Literal["none", "backbone"] | Positive = Field(
        "none", description="none, backbone (only the head learns), or k: all but the last k blocks are frozen"
    )
    drop_rate: Share = Field(0.0, description="dropout before the head")
    drop_path_rate: Share = Field(0.0, description="stochastic depth, rising from 0 to this over the blocks")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of timm's create_model")


class DataTable(RecipeTable):
    """Which pictures, and what is done to them on the way."""

    path: str = Field("", description="folder, CSV file, or scenes:new?count=3700&size=96&seed=0")
    layout: str = Field(
        "", description="how the data are read, as vitbench data --as NAME:option=value; without it, recognised"
    )
    accept_doubts: bool = Field(
        False, description="train although there is one class only, or a class without training pictures"
    )
    value_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[black, white] of pictures of more than 8 bits; without it, found for the data set"
    )
    largest_picture: Annotated[float, Field(gt=0, le=4000)] | None = Field(
        None, description="millions of pixels that are read; without it VITBENCH_LARGEST_PICTURE, else 89"
    )
    augment: Annotated[str, OneOf("vitbench.augmentations:AUGMENTATIONS")] = "none"
    random_erasing: float = Field(0.0, ge=0, le=1, description="probability of blanking a rectangle")
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="of each picture's loss: balanced, or { class = weight }; without it, 1"
    )
    sampler: Literal["shuffle", "balanced"] = Field(
        "shuffle", description="shuffle | balanced: each class equally often in an epoch of the same length"
    )
    mixup: float = Field(0.0, ge=0, description="alpha of the beta distribution; 0 is off")
    cutmix: float = Field(0.0, ge=0, description="alpha of the beta distribution; 0 is off")
    cache: bool = Field(True, description="decode and resize once, into a memory map that all runs share")
    workers: int = Field(
        0, ge=0, description="loader processes (for captions threads, 0: four); no result depends on it"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="split off, stratified and seeded, where the data has no validation split"
    )


class TrainTable(RecipeTable):
    """How long, how large, how exact, and what to do when something goes wrong."""

    epochs: Positive = Field(20, description="times through the training pictures")
    batch_size: Positive = Field(32, description="pictures in one forward pass; times accumulate makes a step")
    seed: int = Field(0, ge=0, lt=2**63, description="order, augmentation, dropout and new weights follow from it")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto | cpu | cuda | cuda:N")
    threads: Positive | None = Field(None, description="CPU threads of torch; frozen at the first start")
    amp: Literal["none", "bf16", "fp16"] = Field("none", description="none | bf16 | fp16: autocast of the forward pass")
    compile: bool = Field(False, description="torch.compile")
    accumulate: Positive = Field(1, description="forward passes that make one step")
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0 is off")
    ema: Share = Field(0.0, description="decay of the averaged weights, which are then evaluated; 0 is off")
    label_smoothing: Share = Field(0.0, description="share of the target spread over all classes")
    deterministic: bool = Field(False, description="deterministic kernels on a GPU; CPU runs always repeat bit for bit")
    on_oom: Literal["stop", "halve"] = Field(
        "stop", description="stop | halve: out of memory halves batch_size and doubles accumulate"
    )
    monitor: Literal["accuracy", "mean_class_accuracy", "macro_f1"] = Field(
        "accuracy", description="accuracy | mean_class_accuracy | macro_f1: which checkpoint is the best"
    )
    early_stopping: int = Field(0, ge=0, description="end after so many evaluations without a new best; 0 is off")
    log_every: Positive = Field(10, description="steps between two reads of the metrics from the device")
    evaluate_every: Positive = Field(1, description="epochs between two evaluations; the last epoch has one")
    checkpoint_every: int = Field(0, ge=0, description="steps between two checkpoints besides those at evaluations")
    keep_checkpoints: int = Field(
        10,
        ge=0,
        le=1000,
        description="checkpoints over the run whose weights are kept to look back; 0 is best and last",
    )
    keep_checkpoints_gib: float = Field(2.0, ge=0, description="disk that they may take; larger networks keep fewer")
    head_epochs: int = Field(0, ge=0, description="first epochs, which train the head on frozen features")


class OptimTable(RecipeTable):
    """The optimizer."""

    name: str = Field("adamw", min_length=1, description="any timm optimizer; momentum is SGD, sgd is Nesterov's")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    head_lr: Annotated[float, Field(gt=0)] | None = Field(None, description="of the head_epochs; without it, lr")
    momentum: Share = Field(0.9, description="for optimizers that have it")
    weight_decay: float = Field(0.0, ge=0, description="not applied to biases, norms and positions")
    layer_decay: float = Field(1.0, gt=0, le=1, description="learning rate factor from each block to the one below")
    probe_lrs: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=32)] | None = Field(
        None, description="of a linear probe: a head each, trained at once on frozen features; the best is kept"
    )
    backbone_lr: Annotated[float, Field(ge=0)] | None = Field(None, description="of a captioner's encoder")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments, such as eps or betas")


class ScheduleTable(RecipeTable):
    """The learning rate over time; `vitbench recipe NAME --curve out.png` draws it."""

    name: Annotated[str, OneOf("vitbench.schedules:SCHEDULES")] = "cosine"
    warmup_epochs: float = Field(0.0, ge=0, description="linear rise from 0")
    step_on: Literal["epoch", "step"] = Field("step", description="step | epoch: when the rate changes")
    min_lr: float = Field(0.0, ge=0, description="where the decay ends")
    decay_fraction: float = Field(0.2, gt=0, le=1, description="wsd: the share of what follows the warm-up that decays")


class LaunchTable(RecipeTable):
    """Where a run computes, and in how many processes; the result does not depend on it but by rounding and dropout."""

    gpus: Positive = Field(1, description="GPUs that train it together (torch elastic, DDP); of each node")
    processes: Positive = Field(1, description="processes that train it together on the CPU, instead of gpus")
    engine: Literal["local", "slurm"] = Field("local", description="local | slurm: this machine, or a cluster")
    nodes: Positive = Field(1, description="nodes of the cluster")
    partition: str = Field("", description="of the cluster; without it, the cluster's default")
    account: str = Field("", description="whom the cluster charges; without it, its default")
    time: str = Field("1:00:00", pattern=_TIME, description="limit of a job, written [days-]hours:minutes:seconds")

    @property
    def on_node(self) -> int:
        """Processes on each node."""
        return max(self.gpus, self.processes)

    @property
    def world(self) -> int:
        """Processes in all."""
        return self.nodes * self.on_node

    def contradictions(self, device: str, batch_size: int) -> Iterator[str]:
        """What does not fit each other, the recipe's `train.device`, or its `train.batch_size`."""
        if self.gpus > 1 and self.processes > 1:
            yield f"launch.processes = {self.processes} (must be 1 with launch.gpus = {self.gpus}: each GPU has one)"
        if self.gpus > 1 and (device == "cpu" or ":" in device):
            yield f'train.device = "{device}" (must be "auto" or "cuda" with launch.gpus = {self.gpus})'
        if self.processes > 1 and device != "cpu":
            yield f'train.device = "{device}" (must be "cpu" with launch.processes = {self.processes})'
        if self.engine == "local":
            for key, off in (("nodes", 1), ("partition", ""), ("account", "")):
                if getattr(self, key) != off:
                    yield f'launch.{key} (must be left out unless launch.engine = "slurm")'
        if batch_size < self.world:
            yield f"train.batch_size = {batch_size} (must be at least {self.world}: a picture for each process)"


class CaptionTable(RecipeTable):
    """The captioner's decoder and words; used when task = "caption"."""

    embed_dim: Positive = Field(256, description="width of the decoder")
    depth: Positive = Field(4, description="blocks of the decoder")
    num_heads: Positive = Field(4, description="attention heads; divides embed_dim")
    max_length: Annotated[int, Field(ge=4)] = Field(54, description="tokens of the longest caption, with start and end")
    drop_rate: Share = Field(0.1, description="dropout in the decoder")
    tokenizer: Literal["word", "character", "bpe", "wordpiece"] = Field(
        "word", description="word | character (Chinese, Japanese, Thai) | bpe | wordpiece"
    )
    vocab_size: Annotated[int, Field(ge=16)] = Field(8000, description="largest number of tokens")
    min_count: Positive = Field(1, description="rarer words become unknown")
