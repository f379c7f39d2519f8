"""Find the ECG leads among the channels of a file: by unit, by name and, where names say nothing, by signal.

Pressures, breathing, EEG and whatever else stands beside an ECG are left aside and named. Where it is not clear which
channel is an ECG, the record is refused with the list: a wrong guess would be a rhythm of something else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.recording import Channel, Recording
from ecgfeat.records.leads import find_leads
from ecgfeat.records.units import millivolts_per
from ecgfeat.store.schemas import COMMON_FS_HZ

_PREFIX = re.compile(r"(mdc_ecg_lead_|lead|deriv\w*|ableitung)[\s_:.-]*")
_ECG = re.compile(r"\b(ecg|ekg|elektrokardiogra\w*|electrocardiogra\w*)\d*\b|^mdc_ecg|^e[ck]g(i{1,3}|v\d|a?v[rlf])$")
_LEAD = re.compile(
    r"-?(i|ii|iii|d[1-9]|di|dii|diii|a-?v-?[rlf]|v[rlf]|(mod\.? ?)?v[1-9]r?|v[1-9]-v[1-9]|v|[xyz]|v[xyz]|[ea]-?s|a-?i|"
    r"m?ml(i|ii|iii|[1-9])|mcl ?[1-6]?|mv[1-6]|c[bcms] ?[1-7]|nasa|ra-?ll|la-?ll|la-?ra|ra-?la)"
)
_OTHER = re.compile(
    r"\b(eeg|eog|emg|ecog|meg|mmg|eda|gsr|ppg|pleth\w*|pulse?|spo2|sao2|o2|co2|etco2|resp\w*|rsp|atem\w*|\w*flow|"
    r"thor\w*|abdo\w*|effort|nasal|snore|abp|art\w*|nibp|ibp|bp|pap|cvp|icp|lap|rap|uap|uvp|\w*press\w*|temp\w*|acc\w*|"
    r"gyro\w*|mag\w*|position|marker?|event|trigger|status|annotations?|time\w*|sample|index|rate|hr|rr|pcg|scg|bcg|"
    r"phono\w*|sound|audio|light|imp\w*|fhr|toco|uterine\w*|battery|quality)\b"
)
_EEG_SITE = re.compile(
    r"\b(fp[12z]|af[3478z]|f[1-9z]|fc[1-6z]|c[34z]|cp[1-6z]|t[3-8]|p[3478z]|po[3478z]|o[12z]|[am][12])\b"
)
_LEAST_USABLE_SHARE = 0.3
_MOST_SECONDS = 600


@dataclass(frozen=True)
class EcgChannels:
    """The channels of a recording that are read as ECG leads.

    Attributes
    ----------
    columns : tuple of int
        Positions in the file, in its order.
    notes : tuple of str
        Which channels were left aside, and why.
    """

    columns: tuple[int, ...]
    notes: tuple[str, ...]


def name_lead(name: str) -> str | None:
    """Tell by its name what a channel is.

    Parameters
    ----------
    name : str
        As in a file: ``II``, ``ECG lead V5``, ``MLII``, ``EEG C4-A1``, ``ABP``.

    Returns
    -------
    {'ecg', 'other'} or None
        None where the name says nothing: ``CH1``, ``signal``, or no name.
    """
    lower = _bare(name.strip().casefold())
    words = re.sub(r"[_\W]+", " ", lower)
    if _OTHER.search(words):
        return "other"
    if _ECG.search(lower) or _ECG.search(words) or _LEAD.fullmatch(lower):
        return "ecg"
    return "other" if _EEG_SITE.search(words) else None


def _bare(lower: str) -> str:
    """Return a name without what stands in brackets behind it, and without a sign behind it."""
    return _PREFIX.sub("", re.sub(r"\s*[\[(][^\])]*[\])]\s*$", "", lower).rstrip("+ ") or lower, count=1)


def choose_channels(recording: Recording, leads: Sequence[str | int] | None = None) -> EcgChannels:
    """Choose the channels that are ECG leads.

    Parameters
    ----------
    recording : Recording
        An open file.
    leads : sequence of str or int, optional
        Names or positions (from 0) of the channels to take, in this order, whatever they are called.

    Returns
    -------
    EcgChannels
        All of one rate.

    Raises
    ------
    UsageError
        If a named channel does not exist, or the named ones have different rates or no unit of voltage.
    DataError
        If no channel is an ECG lead, or it is not clear which are.
    """
    channels, where = recording.channels, recording.record
    if not channels:
        raise DataError(where, found=f"{recording.format} without a signal", expected="at least one ECG lead")
    if leads:
        return _named(recording, leads)
    kinds = _kinds_of(channels)
    ecg = [at for at, kind in enumerate(kinds) if kind == "ecg"]
    unknown = [at for at, kind in enumerate(kinds) if kind is None]
    why = "by name and unit"
    if not ecg and unknown:
        ecg, why = unknown, ""
        if len(unknown) < len(channels):
            # Some channels are no ECG, so the nameless ones may be none either: the signal decides.
            ecg, why = [at for at in unknown if _is_ecg(recording, at)], "by signal"
    if not ecg:
        remedy = "Name its ECG leads: --lead NAME, or --lead POSITION from 0."
        found = f"no channel that is an ECG lead by name, unit or signal among {_list(channels)}"
        raise DataError(where, found=found, expected="at least one", remedy=remedy)
    rates = {channels[at].fs_hz for at in ecg}
    if len(rates) > 1:
        most = max(rates)
        ecg = [at for at in ecg if channels[at].fs_hz == most]
        why += f", and of {most:g} Hz"
    return EcgChannels(tuple(ecg), _note_aside(channels, ecg, why))


def _kinds_of(channels: Sequence[Channel]) -> list[str | None]:
    """Tell of each channel whether it is an ECG lead, with a look at the others."""
    # Without a unit it may be a voltage.
    kinds = [
        "other" if channel.unit and millivolts_per(channel.unit) is None else name_lead(channel.name)
        for channel in channels
    ]
    names = [channel.name.strip().casefold() for channel in channels]
    is_axis = [name in ("x", "y", "z") for name in names]
    if any(kind == "ecg" and not axis for kind, axis in zip(kinds, is_axis, strict=True)):
        # Beside an ECG these are those of an accelerometer, and alone the leads of Frank.
        kinds = ["other" if axis else kind for kind, axis in zip(kinds, is_axis, strict=True)]
    has_limbs = {"i", "ii"} <= {_bare(name) for name in names}
    chest = [at for at, name in enumerate(names) if re.fullmatch(r"c[1-6]", _bare(name))]
    if has_limbs and len(chest) >= 3:  # IEC names of V1 to V6; with an EEG, C3 and C4 are places on the head
        kinds = ["ecg" if at in chest else kind for at, kind in enumerate(kinds)]
    return kinds


def _named(recording: Recording, leads: Sequence[str | int]) -> EcgChannels:
    channels, names = recording.channels, [channel.name for channel in recording.channels]
    columns = find_leads(recording.record, names, leads)
    chosen = [channels[at] for at in columns]
    if len({channel.fs_hz for channel in chosen}) > 1:
        raise UsageError("--lead", found=f"different rates: {_list(chosen)}", expected="leads of one rate")
    for channel in chosen:
        if channel.unit and millivolts_per(channel.unit) is None:
            found = f"{channel.name} in {channel.unit}"
            raise UsageError("--lead", found=found, expected="a channel in a unit of voltage")
    return EcgChannels(columns, ())


def _note_aside(channels: Sequence[Channel], ecg: Sequence[int], why: str) -> tuple[str, ...]:
    aside = [channel for at, channel in enumerate(channels) if at not in ecg]
    if not aside:
        return ()
    taken = ", ".join(channels[at].name or f"channel {at}" for at in ecg)
    return (f"read as ECG {why}: {taken}; left aside: {_list(aside)}",)


def _list(channels: Sequence[Channel]) -> str:
    return ", ".join(
        f"{channel.name or '(no name)'} ({channel.unit or 'no unit'}, {channel.fs_hz:g} Hz)" for channel in channels
    )


def _is_ecg(recording: Recording, channel: int) -> bool:
    """Tell by its first minutes with signal whether a channel beats like a heart."""
    # These import torch, which few recordings need to be read.
    from ecgfeat.signals.quality import USABLE, assess_quality
    from ecgfeat.signals.resample import resample

    fs_hz, blocks, length = recording.channels[channel].fs_hz, [], 0
    for block_SC in recording.read_blocks([channel]):
        if np.isfinite(block_SC).any():
            blocks.append(block_SC)
            length += len(block_SC)
        if length >= _MOST_SECONDS * fs_hz:
            break
    if not blocks:
        return False
    signal_SC: NDArray[np.float32] = np.concatenate(blocks)[: round(_MOST_SECONDS * fs_hz)]
    state_TC = assess_quality(resample(signal_SC, fs_hz, COMMON_FS_HZ))
    return bool((state_TC == USABLE).mean() >= _LEAST_USABLE_SHARE)
