"""Class folders: the name of the folder is the label, in splits of any spelling or without."""

from collections.abc import Iterator

from vitbench.data.layouts.base import Declined, Form, Layout, Options
from vitbench.data.layouts.labels import labels_from_folders, labels_lie_in_folders
from vitbench.data.layouts.levels import DEEPEST_LEVEL
from vitbench.data.layouts.lists import with_split_lists
from vitbench.data.layouts.names import IMAGE_FOLDERS
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import read_tree


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    tree = read_tree(place)
    if not options and not labels_lie_in_folders(tree):
        return Declined("most pictures lie in no folder of a class")
    found = labels_from_folders(place, options)
    if not found.entries:
        return Declined("no picture lies in a folder of a class")
    classes = {entry.label for entry in found.entries}
    if not options and len(classes) == 1 and (name := classes.pop() or "").lower() in IMAGE_FOLDERS:
        return Declined(f"the only folder, {name}, says nothing of what is in it")
    return with_split_lists(place, found, tree, FORM.name)


def _choices(place: Place) -> Iterator[Options]:
    """The levels at which folders lie."""
    deepest = max((picture.count("/") for picture in place.pictures), default=0)
    for level in range(1, min(deepest, DEEPEST_LEVEL) + 1):
        yield {"level": str(level)}


FORM = Form(
    name="class folders",
    phrase="a folder for each class",
    priority=20,
    recognise=_recognise,
    options={"level": "how many folders down the classes are, 1 or more"},
    choices=_choices,
)
