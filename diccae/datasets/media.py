"""Decoding: a span of a media file as evenly spaced frames and mono audio, through PyAV or torchcodec."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import cv2
import numpy as np

from diccae.structures import UserError

# seconds: times closer than CLOSE are equal; the sound is decoded from RUN_UP before the span
CLOSE = 1e-6
RUN_UP = 0.2
# a sound that 16 bits would write as zeros
SILENCE = 2.0**-15
# bytes of decoded pictures that are kept while the end of a span is not known
KEPT = 256_000_000

Backend = Literal["pyav", "torchcodec"]


class MediaError(UserError):
    """A clip that cannot be used; `reason` is a short word for counting, `words` say more without naming the file."""

    def __init__(self, path: Path | str, reason: str, words: str) -> None:
        super().__init__(f"{path}: {words}; replace the file or take its row out of the manifest")
        self.reason, self.words = reason, words


@dataclass(frozen=True)
class DecodedClip:
    """frames uint8 (T, H, W, 3) RGB; audio float32 (S,) in [-1, 1]; duration in seconds of what was decoded; when picture and sound end, at most at
    the end of the span."""

    frames: np.ndarray
    audio: np.ndarray
    duration: float
    video_end: float
    audio_end: float


@dataclass(frozen=True)
class MediaFacts:
    """What a file says of itself: seconds (NaN where it does not say), streams, and the first video and audio stream (zeros where there is none)."""

    duration: float
    video_streams: int
    audio_streams: int
    video_codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_codec: str = ""
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True)
class VideoSpan:
    """Images uint8 (H, W, 3), upright, one a part of [start, stop); time of the last frame met; when it leaves the screen; how many were met; whether
    the stream ended before the span did."""

    images: list[np.ndarray]
    stop: float
    last: float
    leaves: float
    count: int
    ended: bool


class _Shown(NamedTuple):
    """A decoded frame, from when and until when it plays (seconds)."""

    time: float
    leaves: float
    frame: av.VideoFrame | av.AudioFrame


def decode_clip(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    num_frames: int = 16,
    size: tuple[int, int] = (36, 36),
    sample_rate: int = 16000,
    backend: Backend = "pyav",
) -> DecodedClip:
    """Decode the span [start, end) of the first video and the first audio stream of a file (seconds from its beginning; None = to its end).

    Frames are the ones on screen at the centres of `num_frames` equal parts of the span, turned upright: their central part of the shape of `size`
    (height, width), resized to `size` by area averaging. Audio is the mean of the channels; if it begins after `start` it is preceded by zeros.

    Raises:
        MediaError: the file is missing, empty, not media, truncated, silent, or lacks a usable video or audio stream in the span.
        UserError: torchcodec is asked for and cannot be imported.
    """
    path = Path(path)
    if end is not None and end <= start:
        raise MediaError(path, "empty_span", f"the span from {start} s to {end} s is empty")
    read_video, read_audio = (decode_video, _decode_audio) if backend == "pyav" else _torchcodec()
    _refuse_missing(path)
    span = f"between {start} s and {'the end' if end is None else f'{end} s'}"
    try:
        video = read_video(path, start, end, num_frames, size)
        if video is None:
            raise MediaError(path, "no_video", f"no frame {span}")
        audio = read_audio(path, start, end, sample_rate)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None
    if len(audio) == 0:
        raise MediaError(path, "no_audio", f"no sound {span}")
    if not np.isfinite(audio).all():
        raise MediaError(path, "unreadable", "its sound has values that are not finite")
    if np.abs(audio).max() < SILENCE:
        raise MediaError(path, "silent", "its sound is digital silence")
    half = start + 0.5 * (video.stop - start)
    audio_end = start + len(audio) / sample_rate
    # a single frame from the start on is a still picture, which may well be meant
    video_end = video.stop
    if video.ended and (video.count > 1 or video.last < start - CLOSE):
        video_end = min(video.leaves, video.stop)
    if end is not None and video_end < half:
        raise MediaError(path, "truncated", f"its video ends at {video.last:.2f} s, the manifest says {end:.2f} s")
    if audio_end < half:
        raise MediaError(path, "truncated", f"its sound ends at {audio_end:.2f} s, the span at {video.stop:.2f} s")
    return DecodedClip(np.stack(video.images), audio, video.stop - start, video_end, audio_end)


def describe(path: Path | str) -> MediaFacts:
    """What a file says of its streams, without decoding.

    Raises:
        MediaError: the file is missing, empty or not media.
    """
    path = Path(path)
    _refuse_missing(path)
    try:
        with open_media(path) as container:
            video, audio = first_stream(container, "video"), first_stream(container, "audio")
            facts: dict[str, Any] = {
                "duration": container.duration / av.time_base if container.duration else float("nan"),
                "video_streams": sum(not _is_cover(stream) for stream in container.streams.video),
                "audio_streams": len(container.streams.audio),
            }
            if video is not None and video.codec_context is not None:
                facts |= {"video_codec": video.codec_context.name, "width": video.width, "height": video.height}
                facts |= {"fps": float(video.average_rate or 0)}
            if audio is not None and audio.codec_context is not None:
                facts |= {"audio_codec": audio.codec_context.name, "sample_rate": audio.sample_rate or 0}
                facts |= {"channels": audio.channels or 0}
            return MediaFacts(**facts)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file, and only a file: one that is really a play list must not reach for others; tags that are not UTF-8 do no harm."""
    return av.open(str(path.absolute()), metadata_errors="ignore", options={"protocol_whitelist": "file"})


def first_stream(container: av.container.InputContainer, kind: str) -> av.stream.Stream | None:
    """The first stream of its kind in the file's own order; a cover picture is no video."""
    return next((stream for stream in container.streams if stream.type == kind and not _is_cover(stream)), None)


def needed_streams(
    container: av.container.InputContainer, path: Path
) -> tuple[av.video.stream.VideoStream, av.audio.stream.AudioStream]:
    """The first video and the first audio stream.

    Raises:
        MediaError: one is missing, or there is no decoder for it.
    """
    video, audio = first_stream(container, "video"), first_stream(container, "audio")
    if video is None:
        raise MediaError(path, "no_video", "there is no video stream")
    if audio is None:
        raise MediaError(path, "no_audio", "there is no audio stream")
    if video.codec_context is None or audio.codec_context is None:
        raise MediaError(path, "unreadable", "there is no decoder for its video or its audio")
    return video, audio


def beginning(container: av.container.InputContainer) -> float:
    """Seconds on the file's clock that count as 0: transport streams begin anywhere; a start before 0 is a run-up."""
    return max(0.0, (container.start_time or 0) / av.time_base)


def centres(start: float, stop: float, parts: int) -> np.ndarray:
    """Centres (parts,) of equal parts of [start, stop)."""
    return start + (np.arange(parts) + 0.5) * (stop - start) / parts


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The central part of an image (H, W, 3) that has the shape of `size` (height, width), resized to it by area averaging."""
    (height, width), (rows, columns) = size, image.shape[:2]
    keep_rows, keep_columns = (
        min(rows, max(1, round(columns * height / width))),
        min(columns, max(1, round(rows * width / height))),
    )
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    part = np.ascontiguousarray(image[top : top + keep_rows, left : left + keep_columns])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def _torchcodec() -> tuple:
    try:
        from diccae.datasets import torchcodec_media
    except (ImportError, OSError, RuntimeError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"backend torchcodec: it cannot be imported ({words}); install torchcodec and FFmpeg's shared libraries, or use the backend pyav"
        ) from None
    return torchcodec_media.decode_video, torchcodec_media.decode_audio


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise MediaError(path, "missing", "no such file")
    if path.stat().st_size == 0:
        raise MediaError(path, "empty", "the file has no bytes")


def _unreadable(path: Path, error: Exception) -> MediaError:
    words = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return MediaError(path, "unreadable", f"it cannot be decoded ({words})")


def _is_cover(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def decode_video(
    path: Path, start: float, end: float | None, num_frames: int, size: tuple[int, int]
) -> VideoSpan | None:
    """The frames of a span, None where there is none; conversion is the dear part, so only what is chosen is converted."""
    stop, kept = (end, None) if end is not None else _to_the_end(path, start)
    moments = centres(start, stop, num_frames).tolist()
    chosen: list[_Shown] = []
    last, count, ended = None, 0, True
    with closing(_on_screen(path, start)) as decoded:
        for shown in decoded if kept is None else kept:
            if end is not None and shown.time >= end:
                ended = False
                break
            # what was on screen until now is what the centres before this frame show
            while last is not None and len(chosen) < num_frames and moments[len(chosen)] < shown.time - CLOSE:
                chosen.append(last)
            last, count = shown, count + 1
    # the last frame of a file leaves the screen after its turn
    if last is None or (ended and count == 1 and last.leaves <= start):
        return None
    chosen += [last] * (num_frames - len(chosen))
    converted = {
        shown.time: fit(_upright(shown.frame), size) for shown in {shown.time: shown for shown in chosen}.values()
    }
    images = [converted[shown.time] for shown in chosen]
    return VideoSpan(images, stop, last.time, last.leaves, count, ended)


def _to_the_end(path: Path, start: float) -> tuple[float, list[_Shown] | None]:
    """When the last frame of a file leaves the screen; and the frames, unless they take too much memory: then they are decoded again."""
    stop, size = start, 0
    kept: list[_Shown] = []
    with closing(_on_screen(path, start)) as decoded:
        for shown in decoded:
            stop = shown.leaves
            size += sum(plane.buffer_size for plane in shown.frame.planes)
            if size > KEPT:
                kept.clear()
            else:
                kept.append(shown)
    return stop, kept if size <= KEPT else None


def _on_screen(path: Path, start: float) -> Generator[_Shown, None, None]:
    """Frames from the one on screen at `start` on."""
    before = None
    for shown in _frames(path, "video", start, 0.0):
        if shown.time <= start + CLOSE:
            before = shown
            continue
        if before is not None:
            yield before
            before = None
        yield shown
    if before is not None:
        yield before


def _frames(path: Path, kind: Literal["video", "audio"], start: float, run_up: float) -> Generator[_Shown, None, None]:
    """Decoded frames in the order of their times, from one not after `start` - where the stream has one - on.

    Where a container jumps to a point that is too late, or to one whose time it does not know, the jump is made from further and further back.
    """
    back = run_up
    while True:
        with open_media(path) as container:
            video, audio = needed_streams(container, path)
            stream = video if kind == "video" else audio
            stream.thread_count = 1
            zero = beginning(container)
            jumped = start > back or (start > 0 and back == run_up)
            target = zero + max(0.0, start - back)
            try:
                if jumped:
                    container.seek(int(target / stream.time_base), stream=stream)
            except av.FFmpegError:
                back = float("inf")
                continue
            found = False
            for shown in _timed(container, stream, zero, float("nan") if jumped else 0.0):
                if jumped and not found and not shown.time <= start + CLOSE:
                    break
                found = True
                yield shown
            if found or not jumped:
                return
        back = 4 * back + 1


def _timed(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
    zero: float,
    begins: float,
) -> Generator[_Shown, None, None]:
    """Frames with their times; a time that is not there, or does not grow, is that at which the frame before leaves (`begins` for the first)."""
    # AVI has no presentation times: those that FFmpeg makes up jump to and fro in files with packed B-frames
    by_order = container.format.name == "avi"
    step = 1 / float(stream.average_rate or 25) if stream.type == "video" else 0.0
    time, leaves = float("-inf"), begins
    # integers: a division of two is exact to the last bit, and Fractions are slow
    ticks, per_second = stream.time_base.numerator, stream.time_base.denominator
    for frame in container.decode(stream):
        stamp = frame.dts if by_order and frame.dts is not None else frame.pts
        now = leaves if stamp is None else stamp * ticks / per_second - zero
        time = leaves if now <= time else now
        if stream.type == "audio":
            leaves = time + frame.samples / frame.sample_rate
        else:
            leaves = time + (frame.duration * ticks / per_second if frame.duration else step)
        yield _Shown(time, leaves, frame)


def is_turned(frame: av.VideoFrame) -> bool:
    """Whether the file says that its picture is to be turned or mirrored."""
    return _matrix(frame) != (1, 0, 0, 1)


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of x' = a x + c y, y' = b x + d y (y downwards), to quarter turns."""
    found = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    if found is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(found), np.int32)[:5])
    signs = tuple(-1 if value < 0 else 1 for value in (a, b, c, d))
    return (0, signs[1], signs[2], 0) if abs(b) > abs(a) else (signs[0], 0, 0, signs[3])


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB uint8 (H, W, 3), turned and mirrored as the file's display matrix says."""
    # one thread: a frame that is collected in a forked loader worker would wait for ever for threads that stayed in the parent
    image = frame.to_ndarray(format="rgb24", threads=1)
    a, b, c, d = _matrix(frame)
    if b:
        image = image.transpose(1, 0, 2)
    return image[:: b + d, :: a + c]


def _decode_audio(path: Path, start: float, end: float | None, sample_rate: int) -> np.ndarray:
    """Mono sound (S,) of a span; a packet needs the one before it to come out as in an unbroken decoding, hence the run-up."""
    resampler = av.AudioResampler(format="flt", rate=sample_rate)
    parts: list[Any] = []
    first: float | None = None
    with closing(_frames(path, "audio", start, RUN_UP)) as decoded:
        for shown in decoded:
            if end is not None and shown.time >= end:
                break
            first = shown.time if first is None else first
            parts += resampler.resample(shown.frame)
    # a resampler with nothing to do hands the None back
    parts += [part for part in resampler.resample(None) if part is not None]
    if first is None or not parts:
        return np.zeros(0, np.float32)
    # the mean of the channels: the resampler's own mono adds them, times 0.7, and leaves [-1, 1]
    samples = np.concatenate([part.to_ndarray() for part in parts], axis=1)
    audio = samples.reshape(-1, parts[0].layout.nb_channels).mean(axis=1)
    return cut(audio, start - first, None if end is None else end - start, sample_rate)


def cut(audio: np.ndarray, skip: float, length: float | None, sample_rate: int) -> np.ndarray:
    """Sound (S,) without its first `skip` seconds (zeros before it where `skip` is negative), at most `length` seconds of it."""
    offset = round(skip * sample_rate)
    if len(audio) and offset < 0:
        audio = np.concatenate([np.zeros(-offset, np.float32), audio])
    audio = audio[max(0, offset) :]
    return audio[: len(audio) if length is None else round(length * sample_rate)].astype(np.float32)
