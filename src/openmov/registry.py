"""Things found by name, ours and other people's: methods, fusions, data sets.

    ours                    declared here or beside what they are, imported only when they are asked for
    registered              REGISTRY.register("name", thing) in the program that imports openmov
    of installed packages   an entry point in the registry's group ("openmov.methods"), loaded when a name is not ours

A stranger's thing is as good as ours: the same recipe field or argument names it, and what names it in a run folder or
checkpoint is the name, so that the same registration is needed to load it again. Knows nothing of what is registered.
"""

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from operator import attrgetter
from typing import Any, Generic, TypeVar

from openmov.errors import OpenMovError, RecipeError

T = TypeVar("T")


class Registry(Generic[T]):
    """Values by name. Ours may be given as `module:attribute`, which is imported on first use."""

    def __init__(
        self, kind: str, group: str, ours: Mapping[str, T | str], *, error: type[OpenMovError] = RecipeError
    ) -> None:
        """`kind` is what messages call one ("method"), `group` that of entry points, `error` what a wrong name is."""
        self.kind, self.group, self._error = kind, group, error
        self._values: dict[str, T | str] = dict(ours)
        self._looked_for_entry_points = False

    def register(self, name: str, value: T) -> T:
        """Adds a value; returns it. Raises the registry's error where another has the name already."""
        if self._values.get(name, value) is not value:
            raise self._error(name, f"is the name of another {self.kind} already", "register it under another name")
        self._values[name] = value
        return value

    def get(self, name: str) -> T:
        """The value of a name. Raises the registry's error, naming the nearest, where there is none."""
        if name not in self:
            raise self._error(name, f"is not a known {self.kind}", self._there_are(name))
        value = self._values[name]
        if isinstance(value, str):
            value = self._values[name] = imported(value)
        return value

    def known(self, name: str) -> str:
        """The name itself, for the validation of a field. Raises ValueError where nothing has it."""
        if name not in self:
            raise ValueError(f"is not a known {self.kind}: {self._there_are(name)}")
        return name

    def names(self) -> tuple[str, ...]:
        """Ours first, in the order of their declaration."""
        self._load_entry_points()
        return tuple(self._values)

    def __contains__(self, name: str) -> bool:
        if name not in self._values:
            self._load_entry_points()
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _there_are(self, name: str) -> str:
        close = difflib.get_close_matches(name.lower(), self.names(), n=1, cutoff=0.4)
        return f"{f'did you mean {close[0]}? There' if close else 'there'} are {', '.join(self.names())}"

    def _load_entry_points(self) -> None:
        """Once, and only the list: what an entry point stands for is imported when it is asked for."""
        if not self._looked_for_entry_points:
            self._looked_for_entry_points = True
            for point in entry_points(group=self.group):
                self._values.setdefault(point.name, point.value)


def imported(place: str) -> Any:
    """What `module:attribute` stands for. Raises RecipeError where the module cannot be imported or lacks it."""
    module, _, attribute = place.partition(":")
    try:
        return attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise RecipeError(place, f"cannot be imported ({error})", "install the package that brings it again") from error
