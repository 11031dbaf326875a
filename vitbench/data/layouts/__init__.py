"""Recognising how labelled pictures are laid out: which files there are, their labels and splits.

Each form is one file that declares its name, a phrase, a priority, and how it recognises itself or why it declines;
`registry` finds them all. Apart from lists and tables no file is opened here.
"""

from vitbench.data.layouts.base import Declined, Doubt, Entry, Form, Layout
from vitbench.data.layouts.names import split_of
from vitbench.data.layouts.registry import form_names, forms, parse_choice, phrases, recognise, unlabelled

__all__ = [
    "Declined",
    "Doubt",
    "Entry",
    "Form",
    "Layout",
    "form_names",
    "forms",
    "parse_choice",
    "phrases",
    "recognise",
    "split_of",
    "unlabelled",
]
