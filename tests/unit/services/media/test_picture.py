"""Pictures are measured by decoding them, and get a thumbnail and a blur; bombs are noticed before."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from xinyu_services.media.model import GIF, JPEG, PNG, WEBP, Format
from xinyu_services.media.picture import THUMBNAIL_PIXELS, BadPicture, Picture, look_at

PIXELS = 1_000_000


def measure(file: io.BytesIO, format_: Format, max_pixels: int) -> tuple[int, int]:
    seen = look_at(file, format_, max_pixels)
    return seen.width, seen.height


def thumbnail(seen: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(seen.thumbnail), formats=("WEBP",))
    image.load()
    return image


def encoded(format_: str, size: tuple[int, int] = (64, 48), **options: object) -> io.BytesIO:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, format_, **options)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize(("name", "format_"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("GIF", GIF)])
def test_sizes(name: str, format_: Format) -> None:
    assert measure(encoded(name), format_, PIXELS) == (64, 48)
    with pytest.raises(BadPicture):
        measure(encoded(name), format_, 64 * 48 - 1)


def test_a_picture_that_the_camera_turned_is_measured_as_it_is_shown() -> None:
    for orientation, size in ((1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64)), (77, (64, 48))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert measure(encoded("JPEG", exif=exif), JPEG, PIXELS) == size


def test_one_format_is_not_taken_for_another() -> None:
    with pytest.raises(BadPicture):
        measure(encoded("PNG"), JPEG, PIXELS)


@pytest.mark.parametrize(("name", "format_"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("GIF", GIF)])
def test_what_is_cut_off_is_broken(name: str, format_: Format) -> None:
    data = encoded(name, (200, 200)).getvalue()
    for length in (12, len(data) // 3, len(data) * 3 // 4):
        with pytest.raises(BadPicture):
            measure(io.BytesIO(data[:length]), format_, PIXELS)


def test_a_head_that_promises_more_than_there_is() -> None:
    """50,000 by 50,000 pixels in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    with pytest.raises(BadPicture, match="pixels"):
        measure(io.BytesIO(bomb), PNG, PIXELS)
    with pytest.raises(BadPicture):
        measure(io.BytesIO(bomb.replace(struct.pack(">II", 50_000, 50_000), bytes(8))), PNG, PIXELS)


@pytest.mark.parametrize(("name", "format_"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("GIF", GIF)])
@pytest.mark.parametrize(
    ("size", "small"),
    [((64, 48), (64, 48)), ((320, 320), (320, 320)), ((1500, 600), (320, 128)), ((3, 900), (1, 320)), ((1, 1), (1, 1))],
)
def test_a_thumbnail_is_the_picture_made_smaller(
    name: str, format_: Format, size: tuple[int, int], small: tuple[int, int]
) -> None:
    seen = look_at(encoded(name, size), format_, PIXELS)
    assert thumbnail(seen).size == small
    assert max(small) <= THUMBNAIL_PIXELS
    assert len(seen.blur) == 28


def test_a_thumbnail_is_turned_as_its_picture() -> None:
    """Red above, blue below; the camera lay on its side."""
    picture = Image.new("RGB", (640, 400), "red")
    picture.paste("blue", (0, 200, 640, 400))
    for orientation, place, other in (
        (1, (10, 10), (10, 190)),
        (2, (10, 10), (10, 190)),
        (3, (10, 190), (10, 10)),
        (4, (10, 190), (10, 10)),
        (5, (10, 10), (190, 10)),
        (6, (190, 10), (10, 10)),
        (7, (190, 10), (10, 10)),
        (8, (10, 10), (190, 10)),
    ):
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        picture.save(file, "JPEG", exif=exif)
        seen = look_at(file, JPEG, PIXELS)
        small = thumbnail(seen).convert("RGB")
        assert small.size == ((320, 200) if orientation < 5 else (200, 320))
        red, blue = small.getpixel(place), small.getpixel(other)
        assert isinstance(red, tuple) and isinstance(blue, tuple)
        assert red[0] > 200 > 50 > red[2], orientation
        assert blue[2] > 200 > 50 > blue[0], orientation
        assert (seen.width, seen.height) == ((640, 400) if orientation < 5 else (400, 640))


@pytest.mark.parametrize(("name", "format_"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP)])
def test_where_it_was_taken_is_not_in_the_thumbnail(name: str, format_: Format) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    exif.get_ifd(0x8825)[0x001D] = "2026:11:29"
    data = encoded(name, exif=exif, icc_profile=b"profile" * 20, xmp=b"<x:xmpmeta/>", comment=b"secret").getvalue()
    assert b"at home" in data
    seen = look_at(io.BytesIO(data), format_, PIXELS)
    small = thumbnail(seen)
    assert not small.getexif()
    assert {"exif", "xmp", "icc_profile", "comment"}.isdisjoint(small.info)
    assert {seen.thumbnail[start : start + 4] for start in (12,)} == {b"VP8 "}, "pixels alone"


def test_of_an_animation_the_first_frame() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    small = thumbnail(look_at(file, GIF, PIXELS))
    assert getattr(small, "n_frames", 1) == 1
    red = small.convert("RGB").getpixel((20, 20))
    assert isinstance(red, tuple)
    assert red[0] > 200 > 50 > red[1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_has_a_thumbnail(mode: str) -> None:
    file = io.BytesIO()
    if mode == "I;16":
        Image.frombytes("I;16", (700, 500), struct.pack("<H", 0x8000) * 350_000).save(file, "PNG")
    else:
        Image.new("RGB", (700, 500), (128, 128, 128)).convert(mode).save(file, "PNG")
    seen = look_at(file, PNG, PIXELS)
    small = thumbnail(seen)
    assert small.size == (320, 229)
    grey = small.convert("L").getpixel((100, 100))
    assert mode == "1" or grey in range(120, 137)
    assert len(seen.blur) == 28


def test_what_can_be_seen_through_stays_so() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (400, 400), (255, 0, 0, 0)).save(file, "PNG")
    seen = look_at(file, PNG, PIXELS)
    assert thumbnail(seen).convert("RGBA").getpixel((1, 1))[3] == 0  # type: ignore[index]
    white = io.BytesIO()
    Image.new("RGB", (400, 400), "white").save(white, "PNG")
    assert seen.blur == look_at(white, PNG, PIXELS).blur, "nothing is shown on white"


def test_a_picture_of_which_no_thumbnail_can_be_made_is_a_picture_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    file = encoded("PNG")
    monkeypatch.setattr(Image.Image, "resize", no_memory)
    assert look_at(file, PNG, PIXELS) == Picture(64, 48, b"", "")
