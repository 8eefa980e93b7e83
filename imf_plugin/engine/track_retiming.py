"""Bending the time of a token track with the same time maps as video."""

from imf_plugin.engine.planning import Retime, time_map
from imf_plugin.motion.token_curves import TokenCurve
from imf_plugin.motion.track_edits import resample_track
from imf_plugin.motion.tracks import TokenTrack
from imf_plugin.timeline.timemap import SourceTiming


def retime_track(track: TokenTrack, retime: Retime, *, curve: TokenCurve = "linear") -> TokenTrack:
    """Return a track slower, at another rate, or along a speed curve.

    Args:
        track: The track.
        retime: What to do with time; what it says of cuts and repeats does not count.
        curve: How tokens are found between tokens.

    Raises:
        PlanError: If the request is impossible for this track.
    """
    times = tuple(number / track.rate for number in range(len(track.tokens)))
    timing = SourceTiming(frame_times=times, duration=track.duration)
    made = time_map(timing, retime, track.rate)
    positions = [float(moment.source_time * track.rate) for moment in made.moments]
    return resample_track(track, positions, rate=made.frame_rate or track.rate, curve=curve)
