"""Images are decoded and written anew: what is no pixel stays behind, be it a place, a name or a program.

A JPEG keeps its own tables of quantisation, so that nothing visible is lost; a PNG loses nothing.
"""

import io
from typing import Any, Final

from PIL import Image, ImageOps, JpegImagePlugin

from libs.files.faults import BadFile
from libs.files.limits import Limits

_FORMATS: Final = {"image/jpeg": ("JPEG", "MPO"), "image/png": ("PNG",)}

_SHOWN: Final = ("transparency",)
"""What stands beside the pixels of a PNG and is seen."""


def clean(media: str, content: bytes, limits: Limits) -> bytes:
    """The image right side up and without metadata. Raises BadFile.

    Of a file with several pictures (a camera's MPO) the first is kept; one that moves is refused, since it
    would say less than what was sent.
    """
    try:
        return _clean(media, content, limits)
    except BadFile:
        raise
    except Exception:  # a decoder has many
        raise BadFile("damaged") from None


def _clean(media: str, content: bytes, limits: Limits) -> bytes:
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and an error instead of a warning
    with Image.open(io.BytesIO(content), formats=_FORMATS[media]) as image:
        if image.width * image.height > limits.pixels:
            raise BadFile("too_many_pixels")
        if media == "image/png" and getattr(image, "is_animated", False):
            raise BadFile("animated")
        settings, written = _settings(image), io.BytesIO()
        ImageOps.exif_transpose(image, in_place=True)
        kept = _SHOWN if media == "image/png" else ()
        image.info = {name: value for name, value in image.info.items() if name in kept}
        image.save(written, _FORMATS[media][0], **settings)
    return written.getvalue()


def _settings(image: Image.Image) -> dict[str, Any]:
    """By what the image is written as it was."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return {}
    sampling = JpegImagePlugin.get_sampling(image)
    return {"qtables": image.quantization, **({"subsampling": sampling} if sampling >= 0 else {})}
