"""Sound: times real time from a file to a spectrogram on one core, beside transformers' log-mel; memory for an hour.

    python benchmarks/sound.py [--quick] [--json FILE]

A minute of stereo at 44.1 kHz in AAC, made here. *Reading* is decoding, averaging the channels and resampling to
16 kHz; *resampling* is that without decoding, measured on raw samples in a WAV file. The log-mels have the same
windows, filters and floor on the same samples. All run on one thread, by turns, several rounds; the least time counts.
The hour is that minute sixty times over, packet by packet: it is read forward in spans of 10 s (a spectrogram each),
and at twelve places far apart, as a test does; memory is the most the process ever held.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers.audio_utils import mel_filter_bank, window_function
from transformers.audio_utils import spectrogram as transformers_spectrogram

from openmov.config.schema import AudioConfig
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.data.sound import SoundReader
from openmov.media.decode import SoundStream, read_waveform
from openmov.modalities.audio import log_mel, spectrogram

SECONDS, RATE_HZ, CONFIG = 60, 44_100, AudioConfig()


def write_minute(path: Path, codec: str) -> None:
    """Two channels of gliding tones and noise."""
    random, times = np.random.default_rng(0), np.arange(SECONDS * RATE_HZ) / RATE_HZ
    left = 0.3 * np.sin(6.283 * (200 + 20 * times) * times) + 0.05 * random.standard_normal(len(times))
    samples = np.stack([left, 0.5 * left[::-1]]).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ, layout="stereo")
        to_codec = av.AudioResampler(format=stream.codec_context.format or "fltp", layout="stereo", rate=RATE_HZ)
        for start in range(0, len(times), 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE_HZ, start
            for converted in to_codec.resample(frame):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


def write_hour(minute: Path, path: Path, repeats: int) -> None:
    """The packets of a minute again and again."""
    with av.open(str(path), "w") as target:
        stream: Any = None
        for number in range(repeats):
            with av.open(str(minute)) as source:
                stream = stream or target.add_stream_from_template(source.streams.audio[0])
                for packet in source.demux(audio=0):
                    if packet.dts is not None and packet.pts >= 0:
                        shift = int(number * SECONDS / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        target.mux(packet)


def transformers_log_mel(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    return transformers_spectrogram(
        samples,
        window_function(400, "hamming", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        mel_floor=1.192092955078125e-07,
        log_mel="log",
        remove_dc_offset=True,
    )


def speeds(minute: Path, raw: Path, rounds: int) -> dict[str, float]:
    """Times real time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of 128 filters is empty: known, and filled in by ours
        filters = mel_filter_bank(257, CONFIG.mel_bins, 20.0, 8000.0, CONFIG.rate_hz, norm=None, mel_scale="kaldi")
    heard = read_waveform(minute, 0.0, SECONDS, CONFIG.rate_hz)
    assert heard is not None
    samples = torch.from_numpy(heard.samples)
    stages: dict[str, Callable[[], Any]] = {
        "reading (decode, mix, resample)": lambda: read_waveform(minute, 0.0, SECONDS, CONFIG.rate_hz),
        "resampling (from WAV)": lambda: read_waveform(raw, 0.0, SECONDS, CONFIG.rate_hz),
        "log-mel": lambda: log_mel(samples, CONFIG),
        "log-mel of transformers": lambda: transformers_log_mel(heard.samples, filters),
    }
    least = dict.fromkeys(stages, np.inf)
    for _ in range(rounds):
        for name, work in stages.items():
            start = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - start)
    found = {name: SECONDS / seconds for name, seconds in least.items()}
    for whole, read in (
        ("file to log-mel", "reading (decode, mix, resample)"),
        ("resampling + log-mel", "resampling (from WAV)"),
    ):
        found[whole] = SECONDS / (least[read] + least["log-mel"])
    return found


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def through(path: Path) -> float:
    """Reads a file forward, a spectrogram every 10 s; returns how many times real time."""
    audio, start, seconds = file_facts(path).audio, time.perf_counter(), 0
    assert audio is not None
    with SoundStream(path, audio.start_seconds, CONFIG.rate_hz) as stream:
        for seconds in range(0, int(audio.end_seconds) - 10, 10):
            heard = stream.span(audio.start_seconds + seconds, audio.start_seconds + seconds + 10)
            assert heard is not None
            spectrogram(torch.from_numpy(heard.samples), CONFIG)
    return (seconds + 10) / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        minute, raw, hour = (Path(scratch) / name for name in ("minute.m4a", "minute.wav", "hour.m4a"))
        write_minute(minute, "aac")
        write_minute(raw, "pcm_s16le")
        write_hour(minute, hour, 60)
        reader, record = SoundReader(CONFIG), Record("hour", hour)
        through(minute)
        reader.evaluation_windows(Record("minute", minute), file_facts(minute), 12)
        before = megabytes()
        forward = through(hour)
        start = time.perf_counter()
        reader.evaluation_windows(record, file_facts(hour), 12)
        windows = time.perf_counter() - start
        after = megabytes()
        found = speeds(minute, raw, 2 if options.quick else 7)
    table = Table(title="one thread", title_justify="left")
    table.add_column("stage")
    table.add_column("times real time", justify="right")
    for name, speed in (*found.items(), ("an hour, forward, with spectrograms", forward)):
        table.add_row(name, f"{speed:.0f}")
    Console(width=100).print(table)
    print(f"twelve windows of the hour: {windows:.2f} s")
    print(f"most memory: {before:.0f} MB with the minute, {after:.0f} MB with the hour ({after - before:+.1f} MB)")
    print(f"log-mel against transformers': {found['log-mel'] / found['log-mel of transformers']:.1f} times as fast")
    if options.json:
        more = {"hour forward": forward, "windows seconds": windows, "minute MB": before, "hour MB": after}
        options.json.write_text(json.dumps(found | more, indent=1))
    print(f"headline: sound_resampling_and_log_mel_times_real_time {found['resampling + log-mel']:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
