"""What a captioner says of a picture, from the parts that `compose` uses, for tests that compare with it."""

from PIL import Image

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.describing import Described, described
from vitbench.captions.encoded import Decoding, EncodedPicture
from vitbench.captions.word_maps import MapSettings


def describe_picture(
    captioner: OpenedCaptioner,
    picture: Image.Image,
    *,
    text: str | None = None,
    decoding: Decoding | None = None,
    settings: MapSettings | None = None,
) -> Described:
    """Describes an RGB picture, or reads the caption `text` on it instead of finding one."""
    encoded = EncodedPicture(captioner, picture)
    found = [] if text is not None else encoded.written(decoding or Decoding())
    read = encoded.read(found[0].ids if text is None else encoded.ids_of(text))
    return described(read, found, read.maps(settings or MapSettings()))
