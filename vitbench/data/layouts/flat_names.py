"""Flat names: `{label}_{id}.jpg`, as in the course, or `cat.0.jpg`, `cat (1).jpg`, `cat-1.jpg`."""

from vitbench.data.layouts.base import Declined, Form, Layout, Options
from vitbench.data.layouts.labels import labels_from_names, labels_lie_in_folders
from vitbench.data.layouts.lists import with_split_lists
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import read_tree


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    tree = read_tree(place)
    found = labels_from_names(place)
    if not found.entries:
        return Declined("no file's name begins with a label, as {label}_{id}.jpg does")
    if labels_lie_in_folders(tree) and len({entry.label for entry in found.entries}) < 2:
        return Declined("the pictures lie in folders of classes")
    return with_split_lists(place, found, tree, FORM.name)


FORM = Form(
    name="flat names",
    phrase="names like {label}_{id}.jpg",
    priority=10,
    recognise=_recognise,
)
