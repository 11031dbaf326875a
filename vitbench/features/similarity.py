"""How alike patches are: the cosine of one patch with all others, of its own picture and of other pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.attention.subject import no_patch
from vitbench.errors import UserError
from vitbench.features.extraction import PatchFeatures


def patch_vector(picture: PatchFeatures, patch: tuple[int, int]) -> Tensor:
    """The features [D] of the patch (row, column), from 0. Raises UserError if it is not on the grid."""
    rows, columns = picture.grid
    if not (0 <= patch[0] < rows and 0 <= patch[1] < columns):
        raise UserError(no_patch(patch, picture.grid))
    return picture.patches[0, patch[0], patch[1]]


def cosine_map(vector: Tensor, picture: PatchFeatures, *, mask_outliers: bool = False) -> Tensor:
    """The cosine of `vector` [D] with each patch: [rows, columns]; outlier tokens, if masked, have the median of the
    others."""
    values = F.cosine_similarity(picture.patches[0], vector[None, None], dim=-1, eps=1e-12)
    where = picture.outliers[0]
    if mask_outliers and bool(where.any()) and not bool(where.all()):
        values = torch.where(where, values[~where].median(), values)
    return values
