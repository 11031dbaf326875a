"""`network.json`: what is needed to build a network again, beside its weights in a checkpoint folder."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION, MissingFile
from vitbench.files.writing import write_whole
from vitbench.text import shortened

FILE_NAME = "network.json"
WEIGHTS_NAME = "model.safetensors"


class NetworkDescription(BaseModel):
    """A network without its weights. `architecture` is `timm:NAME` or `pretrained_vit:NAME`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    architecture: str
    tag: str
    source: str
    num_classes: int
    image_size: tuple[int, int]
    options: dict[str, Any] = {}
    labels: tuple[str, ...] | None = None
    preprocessing: dict[str, Any]
    multilabel: bool = False

    def picture_preparation(self) -> Preprocessing:
        """The preprocessing as an object."""
        return Preprocessing.from_dict(self.preprocessing)


def write_network_json(description: NetworkDescription, file: Path) -> None:
    """Writes the description to `file` and waits until it is on disk."""
    write_whole(file, json.dumps(description.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def read_network_json(file: Path) -> NetworkDescription:
    """Reads what `write_network_json` wrote. Raises UserError if it is missing, damaged or does not fit."""
    try:
        return NetworkDescription.model_validate(read_json_object(file, DESCRIPTION))
    except MissingFile as error:
        raise UserError(f"{file} is missing, so the network of these weights is not known.") from error
    except (UserError, ValidationError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem else str(error)
        raise UserError(f"{file} is not a description of a network ({shortened(what.rstrip('.'))}).") from error
