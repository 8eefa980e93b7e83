"""Colour code points of ITU-T H.273 and their names in ffmpeg."""

from imf_plugin.media.info import ColorTags

MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
}
PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
RANGES = {1: "tv", 2: "pc"}


def color_tags(matrix: int, primaries: int, transfer: int, value_range: int) -> ColorTags:
    """Name the code points; the unspecified and reserved ones become None."""
    return ColorTags(
        matrix=MATRICES.get(int(matrix)),
        primaries=PRIMARIES.get(int(primaries)),
        transfer=TRANSFERS.get(int(transfer)),
        range=RANGES.get(int(value_range)),
    )
