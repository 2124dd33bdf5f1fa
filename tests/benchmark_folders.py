"""Folders as people have them, made of files of a few bytes, and annotation files as they are published."""

from pathlib import Path

from openmov.errors import DecodeError
from openmov.media.decode import MediaInfo, PlainDecoder, VideoStream

K700_HEADER = "label,youtube_id,time_start,time_end,split"


def youtube_id(number: int) -> str:
    """Eleven letters, dashes and underscores among them."""
    return f"-a_B{number:07d}"


def touch(folder: Path, *names: str) -> None:
    """Files that are not empty and no videos."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def kinetics_csv(path: Path, *rows: str) -> Path:
    """An annotation file of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((K700_HEADER, *rows)) + "\n")
    return path


class PretendDecoder(PlainDecoder):
    """Says every file is a video of some length; one whose name holds `broken` cannot be read."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds
        self.opened: list[str] = []

    def probe(self, path: Path) -> MediaInfo:
        self.opened.append(path.name)
        if "broken" in path.read_text():
            raise DecodeError(path, "no media file")
        stream = VideoStream(
            width=4,
            height=4,
            rate_fps=25.0,
            start_seconds=0.0,
            end_seconds=self.seconds,
            rotation_degrees=0,
            codec="none",
        )
        return MediaInfo(path, self.seconds, stream, None)
