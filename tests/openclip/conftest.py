"""Tests beside open_clip itself, in an environment of their own (`make test-openclip`); elsewhere none is collected."""

from importlib.util import find_spec

collect_ignore_glob = (
    [] if all(find_spec(package) for package in ("open_clip", "timm", "torchvision")) else ["test_*.py"]
)
