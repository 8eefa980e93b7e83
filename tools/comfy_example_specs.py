"""Example workflows and blueprints as data, for comfy_examples: nodes, settings, places, links."""

from typing import Any

FILM = {
    "name": "film_net_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/frame_interpolation/resolve/main/"
    "frame_interpolation/film_net_fp16.safetensors",
    "directory": "frame_interpolation",
}
CLIP, PICTURE = "imf_demo.mp4", "imf_reference.png"
LOAD_CLIP = ("LoadVideo", {"file": CLIP}, (0, 200))
LOAD_MODEL = ("IMF_LoadModel", {"model_name": "builtin/flow"}, (0, 0))
PARTS = ("GetVideoComponents", {}, (330, 200))
# The frontend may keep the choice that a node of the same number had before, so it is always given.
TIMES_2 = {"retime": "multiplier", "retime.factor": 2}
TIMES_4 = {"retime": "multiplier", "retime.factor": 4}


def save(prefix: str, place: tuple[int, int]) -> tuple[str, dict[str, Any], tuple[int, int]]:
    return ("SaveVideo", {"filename_prefix": f"video/{prefix}"}, place)


EXAMPLES: dict[str, dict[str, Any]] = {
    "imf_slow_motion_images": {
        "note": "Slow motion for images: 2x smoother, sound kept. "
        "Choose your own clip in Load Video.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "slow": (
                "IMF_SlowMotion",
                {**TIMES_2, "end_mode": "keep duration (holds it)"},
                (620, 0),
            ),
            "join": ("CreateVideo", {}, (1010, 0)),
            "save": save("imf_slow_motion", (1300, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "slow", "model"),
            ("parts", "images", "slow", "images"),
            ("parts", "fps", "slow", "source_fps"),
            ("slow", "images", "join", "images"),
            ("slow", "fps", "join", "fps"),
            ("parts", "audio", "join", "audio"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_slow_motion_video": {
        "note": "Four times slower, sound stretched. Works for clips of any length: frames are "
        "made while the file is written.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "slow": ("IMF_VideoSlowMotion", TIMES_4, (380, 0)),
            "save": save("imf_slow_motion_video", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
    },
    "imf_24_to_60_fps": {
        "note": "Any frame rate to any other, lasting as long as before: 24 to 60.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "slow": (
                "IMF_VideoSlowMotion",
                {
                    "retime": "target fps",
                    "retime.target_fps": 60,
                    "timing": "smoother (same duration)",
                },
                (380, 0),
            ),
            "save": save("imf_60_fps", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
    },
    "imf_speed_ramp": {
        "note": "Bullet time: fast, a tenth in the middle, fast again. Try the preset keyframes.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "ramp": (
                "IMF_VideoSpeedRamp",
                {"preset": "bullet time", "keyframes": "0s:1, 0.8s:0.25, 1.2s:0.25, 2s:1"},
                (380, 0),
            ),
            "save": save("imf_speed_ramp", (800, 0)),
        },
        "links": [
            ("model", 0, "ramp", "model"),
            ("clip", 0, "ramp", "video"),
            ("ramp", 0, "save", "video"),
        ],
    },
    "imf_cuts_and_flow": {
        "note": "Where shots begin, and how things move from frame to frame.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "cuts": ("IMF_SceneCuts", {}, (620, 200)),
            "flow": ("IMF_FlowPreview", {}, (620, -60)),
            "show": ("PreviewImage", {}, (960, -60)),
            "shots": ("PreviewImage", {}, (960, 260)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "flow", "model"),
            ("parts", "images", "flow", "images"),
            ("parts", "images", "cuts", "images"),
            ("flow", 0, "show", "images"),
            ("cuts", 2, "shots", "images"),
        ],
    },
    "imf_retarget": {
        "note": "The motion of a clip on another picture. The anchor frame is the one that stands "
        "as the picture stands.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "picture": ("LoadImage", {"image": PICTURE}, (0, 560)),
            "move": ("IMF_Retarget", {}, (400, 0)),
            "join": ("CreateVideo", {"fps": 24}, (780, 0)),
            "save": save("imf_retarget", (1070, 0)),
        },
        "links": [
            ("model", 0, "move", "model"),
            ("picture", 0, "move", "reference"),
            ("clip", 0, "move", "driving"),
            ("move", 0, "join", "images"),
            ("move", "fps", "join", "fps"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_token_edit": {
        "note": "Motion as tokens: encode, exaggerate and calm it, make it twice as slow, play it "
        "on a picture, and store it.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "picture": ("LoadImage", {"image": PICTURE}, (0, 560)),
            "encode": ("IMF_EncodeTokens", {}, (620, 0)),
            "edit": ("IMF_EditTokens", {"strength": 1.5, "smoothing": 2}, (960, 0)),
            "slow": ("IMF_InterpolateTokens", {"factor": 2, "method": "cubic"}, (1300, 0)),
            "decode": ("IMF_DecodeTokens", {}, (1640, 0)),
            "keep": ("IMF_SaveTokens", {}, (1300, 320)),
            "join": ("CreateVideo", {"fps": 24}, (1980, 0)),
            "save": save("imf_token_edit", (2290, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "encode", "model"),
            ("parts", "images", "encode", "images"),
            ("parts", "fps", "encode", "source_fps"),
            ("encode", 0, "edit", "tokens"),
            ("edit", 0, "slow", "tokens_a"),
            ("slow", 0, "decode", "tokens"),
            ("edit", 0, "keep", "tokens"),
            ("model", 0, "decode", "model"),
            ("picture", 0, "decode", "reference"),
            ("decode", 0, "join", "images"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_model_in_core_node": {
        "note": "An IMF model in ComfyUI's own interpolation node (ComfyUI 0.20 or newer).",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "core": ("FrameInterpolate", {"multiplier": 2}, (620, 0)),
            "join": ("CreateVideo", {"fps": 48}, (920, 0)),
            "save": save("imf_in_core", (1210, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "core", "interp_model"),
            ("parts", "images", "core", "images"),
            ("core", 0, "join", "images"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_core_film_in_imf_node": {
        "note": "FILM or RIFE, loaded by ComfyUI, in Video Slow Motion (ComfyUI 0.20 or newer).",
        "nodes": {
            "model": ("FrameInterpolationModelLoader", {"model_name": FILM["name"]}, (0, 0)),
            "clip": LOAD_CLIP,
            "slow": ("IMF_VideoSlowMotion", TIMES_2, (380, 0)),
            "save": save("imf_film", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
        "models": {"model": [FILM]},
    },
}

MODEL_NAME = ("model", "model_name", "model")
BLUEPRINTS: dict[str, tuple[str, list[str], list[tuple[str, str, str]]]] = {
    "Slow Motion (IMF)": (
        "imf_slow_motion_video",
        ["model", "slow"],
        [MODEL_NAME, ("slow", "retime.factor", "factor"), ("slow", "timing", "timing")],
    ),
    "Speed Ramp (IMF)": (
        "imf_speed_ramp",
        ["model", "ramp"],
        [
            MODEL_NAME,
            *((("ramp", name, name)) for name in ("preset", "keyframes", "speed", "output_fps")),
        ],
    ),
    "Retarget (IMF)": (
        "imf_retarget",
        ["model", "move", "join"],
        [
            MODEL_NAME,
            *(("move", name, name) for name in ("mode", "anchor_frame", "strength", "smoothing")),
        ],
    ),
}
"""Title: the example it is taken from, its nodes inside, and their widgets shown outside."""
