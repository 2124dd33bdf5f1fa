"""Errors a user can fix.

    OpenMovError
    ├── DecodeError       a media file cannot be read
    ├── ManifestError     the list of videos is wrong
    ├── VocabularyError   the class names, or their base / novel split, are wrong
    ├── RecipeError       the configuration is wrong
    ├── BackboneError     the pretrained model cannot be had, or does not fit
    ├── CheckpointError   saved weights cannot be used here
    ├── FeaturesError     stored frozen embeddings were made for something else
    ├── RunFolderError    an output folder holds something else
    └── StorageError      a file cannot be written (no space, no permission)

Each says where, what and what to do, in one line. The command line prints that line and exits with 2;
every other exception is a bug of ours and exits with 1.
"""

from pathlib import Path

from openmov.printable import printable


class OpenMovError(Exception):
    """`where: what; hint` in one line."""

    def __init__(self, where: str | Path, what: str, hint: str = "") -> None:
        self.where = str(where)
        """The file, field or argument at fault."""
        self.what = what
        """What is wrong with it."""
        self.hint = hint
        """What the user can do about it."""
        line = f"{printable(where)}: {_one_line(what)}" if self.where else _one_line(what)
        super().__init__(f"{line}; {_one_line(hint)}" if hint else line)

    def __reduce__(self) -> tuple[type["OpenMovError"], tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.hint)


def _one_line(text: str) -> str:
    """Messages of other libraries come in several lines; names in them may hold what a terminal obeys."""
    return printable(" ".join(text.split()))


class DecodeError(OpenMovError):
    """A media file is missing, empty, damaged or no media file."""


class ManifestError(OpenMovError):
    """A manifest has wrong columns, missing files, duplicate ids or paths outside its root."""


class VocabularyError(OpenMovError):
    """Class names are empty or doubled, or one is both base and novel."""


class RecipeError(OpenMovError):
    """A recipe has an unknown field or a value out of range."""


class BackboneError(OpenMovError):
    """A pretrained model cannot be found or reached, or cannot take this input."""


class CheckpointError(OpenMovError):
    """A checkpoint is damaged, or belongs to another format version, backbone, model or vocabulary."""


class FeaturesError(OpenMovError):
    """A folder of stored embeddings is damaged, or was made with another backbone, other views or from other files."""


class RunFolderError(OpenMovError):
    """A run folder is missing, incomplete, or holds another run."""


class StorageError(OpenMovError):
    """A file cannot be written: no space left, or no permission."""
