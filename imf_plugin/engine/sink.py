"""Where finished frames go: one encoder after another, each writing one part."""

from collections.abc import Callable
from fractions import Fraction

from imf_plugin.engine.options import Watch
from imf_plugin.engine.parts import Part, PartsFolder
from imf_plugin.engine.pixels import Pixels
from imf_plugin.media.codecs import EncodeSettings
from imf_plugin.media.color import rgb_to_picture
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.read import Frame
from imf_plugin.media.write import PartWriter, PictureShape, Writer
from imf_plugin.media.write_images import ImageWriter


class PartSink:
    """Encodes frames into the parts of a render.

    Args:
        folder: Where parts lie.
        info: The source, for size, colour and aspect.
        settings: How to encode.
        nominal_rate: The rate that encoders are told; exact times are set when parts are joined.
        watch: Is told of each finished frame.
    """

    def __init__(
        self,
        folder: PartsFolder,
        info: MediaInfo,
        settings: EncodeSettings,
        nominal_rate: Fraction,
        watch: Watch | None = None,
    ) -> None:
        self._folder = folder
        self._info = info
        self._settings = settings
        self._shape = PictureShape.of(info, nominal_rate)
        self._watch = watch
        self._writer: Writer | None = None

    def begin(self, part: Part) -> None:
        """Start the encoder of a part."""
        path = self._folder.temporary(part.number)
        if self._settings.extension == ".png":
            self._writer = ImageWriter(path, settings=self._settings, first_number=part.start)
        else:
            self._writer = PartWriter(path, shape=self._shape, settings=self._settings)

    def write_source(self, frame: Frame) -> None:
        """Encode a source frame; where the formats agree its samples pass through untouched."""
        self._current().write(frame.picture)
        self._show(frame.rgb)

    def write_pixels(self, pixels: Pixels) -> None:
        """Encode a made frame, ``[H, W, 3|4]``."""
        picture = rgb_to_picture(pixels, self._settings.pixel_format, self._info.color)
        self._current().write(picture)
        self._show(lambda: pixels)

    def commit(self, part: Part) -> None:
        """Finish a part and give it its final name."""
        self._current().close()
        self._writer = None
        self._folder.commit(part.number)

    def abort(self) -> None:
        """Drop the part under way."""
        if self._writer:
            self._writer.abort()
            self._writer = None

    def _show(self, picture: Callable[[], Pixels]) -> None:
        if self._watch is not None:
            self._watch(picture)

    def _current(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("a frame was written outside a part")
        return self._writer
