"""Whether a picture is one, by decoding it, how large it is shown, and what stands in for it until it is loaded: a
thumbnail and its BlurHash.

A picture that is small as a file can be very large when it is decoded, so its number of pixels is looked at first, in
its head. Then it is decoded once, so that what is cut off or broken is noticed here and not by those who get it; of an
animation, its first frame. JPEG is decoded at a fraction of its size, an eighth at the least, which reads all of it at
a fraction of the memory. The thumbnail is made of picked pixels of the decoded picture, so nothing as large as that is
needed a second time. It is turned as the camera says, and carries pixels alone: no Exif (where it was taken), no
comments, no colour profile.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

from xinyu_services.media.blurhash import blurhash
from xinyu_services.media.model import GIF, JPEG, PNG, WEBP, Format

# Ours is the bound of pixels: Pillow's own one warns first, in a way that is one for the whole process.
Image.MAX_IMAGE_PIXELS = None

THUMBNAIL_PIXELS: Final = 320  # of its longer side
THUMBNAIL_QUALITY: Final = 75
# Of the longer side of what the thumbnail is made of.
_PICKED_PIXELS: Final = 4 * THUMBNAIL_PIXELS
_BLUR_PIXELS: Final = 32
_DECODERS: Final = {JPEG: "JPEG", PNG: "PNG", WEBP: "WEBP", GIF: "GIF"}
_ORIENTATION: Final = 0x0112  # Exif 2.32, section 4.6.4
_TURNED: Final = (5, 6, 7, 8)
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadPicture(Exception):
    """The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`width` and `height` as browsers show it. `thumbnail`, WebP, and `blur` are empty where none could be made."""

    width: int
    height: int
    thumbnail: bytes
    blur: str


def look_at(file: BinaryIO, format_: Format, max_pixels: int) -> Picture:
    """Raises BadPicture. Blocks, for up to a second."""
    try:
        with Image.open(file, formats=(_DECODERS[format_],)) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise BadPicture(f"A picture may have {max_pixels} pixels.")
            orientation = image.getexif().get(_ORIENTATION)
            if format_ is JPEG:
                image.draft(image.mode, _within(image.size, 2 * THUMBNAIL_PIXELS))
            image.load()
            thumbnail, blur = _stand_in(image, orientation)
    except BadPicture:
        raise
    except MemoryError:
        raise BadPicture("This picture is too large.") from None
    except Exception:
        # Decoders raise whatever they meet (OSError, SyntaxError, struct.error, EOFError, ValueError ...).
        raise BadPicture("This picture is broken, or none.") from None
    if orientation in _TURNED:
        width, height = height, width
    return Picture(width, height, thumbnail, blur)


def _stand_in(image: Image.Image, orientation: object) -> tuple[bytes, str]:
    """(thumbnail, blur) of a decoded picture; a picture that is whole, but of which none can be made, has none."""
    try:
        has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
        small = image.resize(_within(image.size, _PICKED_PIXELS), Image.Resampling.NEAREST)
        if small.mode.startswith("I"):  # 16 bits a grey pixel: the upper eight are shown
            small = small.convert("I").point(lambda value: value / 256).convert("L")
        small = small.convert("RGBA" if has_alpha else "RGB")
        small = small.resize(_within(small.size, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
        if isinstance(orientation, int) and orientation in _TURNS:
            small = small.transpose(_TURNS[orientation])
        encoded = io.BytesIO()
        # Pillow would take Exif and the like over from `info`.
        small.info.clear()
        small.save(encoded, "WEBP", quality=THUMBNAIL_QUALITY, exif=b"", xmp=b"", icc_profile=b"")
        tiny = small.resize(_within(small.size, _BLUR_PIXELS), Image.Resampling.BOX)
        if has_alpha:
            paper = Image.new("RGBA", tiny.size, "white")
            tiny = Image.alpha_composite(paper, tiny).convert("RGB")
        return encoded.getvalue(), blurhash(tiny.tobytes(), *tiny.size)
    except (MemoryError, OSError, ValueError, KeyError):
        return b"", ""


def _within(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """That size, made smaller as a whole where it is larger than `longer`."""
    width, height = size
    scale = min(1.0, longer / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
