"""Weights on disk: a folder with ``<stem>.safetensors`` (no code) and ``<stem>.json``, which says what they are.

The description holds the checksum of the weights. An old description never stands beside new weights: it goes first,
and the new one is written last.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecgfeat.errors import DataError


@dataclass(frozen=True)
class WeightsFormat:
    """A kind of such a folder.

    Attributes
    ----------
    stem : str
        Name of both files, and what messages call it: ``model`` or ``system``.
    schema : str
        Name of the schema of the description.
    version : int
        Its version; another is refused.
    keys : tuple of str
        What a description must hold besides schema, version and checksum.
    again : str
        What to do when it is damaged.
    """

    stem: str
    schema: str
    version: int
    keys: tuple[str, ...]
    again: str

    @property
    def weights_name(self) -> str:
        """Name of the file of weights."""
        return f"{self.stem}.safetensors"

    @property
    def json_name(self) -> str:
        """Name of the description."""
        return f"{self.stem}.json"

    def write(self, folder: Path, described: Mapping[str, Any], model: nn.Module | None) -> dict[str, Any]:
        """Write a folder; the same weights and description give the same bytes.

        Parameters
        ----------
        folder : Path
            Where to write; made if absent.
        described : mapping
            JSON values only, no NaN.
        model : nn.Module or None
            On any device. None: there are no weights, and the description says why.

        Returns
        -------
        dict
            What the description holds.

        Raises
        ------
        ValueError
            If `described` holds something JSON cannot.
        """
        whole = {"schema": self.schema, "schema_version": self.version, **described}
        files: dict[str, bytes] = {}
        if model is not None:
            tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
            files[self.weights_name] = save(tensors)
            whole["weights_sha256"] = hashlib.sha256(files[self.weights_name]).hexdigest()
            # What somebody wants to tell comes last, for a reader of the file.
            whole["info"] = whole.pop("info")
        files[self.json_name] = (json.dumps(whole, indent=2, allow_nan=False) + "\n").encode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.json_name).unlink(missing_ok=True)
        for name, content in files.items():
            part = folder / f"{name}.part"
            part.write_bytes(content)
            os.replace(part, folder / name)
        return whole

    def read_description(self, folder: Path) -> dict[str, Any]:
        """Read and check the description, as far as it can be checked alone.

        Parameters
        ----------
        folder : Path
            The folder.

        Returns
        -------
        dict
            With ``left_out``, the reason, where there are no weights.

        Raises
        ------
        DataError
            If it is missing, damaged or of another version.
        """
        path = folder / self.json_name
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(
                f"{path}", found="no such file", expected=f"a complete {self.stem}", remedy=self.again
            ) from error
        except (OSError, ValueError) as error:
            raise DataError(f"{path}", found="cannot be read", expected="a JSON object", remedy=self.again) from error
        if not isinstance(described, dict):
            raise DataError(
                f"{path}", found=f"a {type(described).__name__}", expected="a JSON object", remedy=self.again
            )
        found = (described.get("schema"), described.get("schema_version"))
        if found != (self.schema, self.version):
            expected = f"{self.schema} {self.version}"
            raise DataError(f"{path}", found=f"schema {found[0]} {found[1]}", expected=expected, remedy=self.again)
        missing = [key for key in (*self.keys, "weights_sha256") if key not in described]
        if missing and "left_out" not in described:
            raise DataError(
                f"{path}",
                found=f"no {', '.join(missing)}",
                expected=f"a description of a {self.stem}",
                remedy=self.again,
            )
        return described

    def read_weights(self, folder: Path, described: Mapping[str, Any]) -> dict[str, Tensor]:
        """Read the weights and compare them with their checksum.

        Parameters
        ----------
        folder : Path
            The folder.
        described : mapping
            From `read_description`.

        Returns
        -------
        dict of str to Tensor
            On the CPU, as ``load_state_dict`` takes them.

        Raises
        ------
        DataError
            If the file is missing or damaged, or was left out.
        """
        path = folder / self.weights_name
        if "left_out" in described:
            raise DataError(
                f"{folder}",
                found=f"no weights: {described['left_out']}",
                expected=f"a trained {self.stem}",
                remedy=self.again,
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}", found="cannot be read", expected=f"the weights of the {self.stem}", remedy=self.again
            ) from error
        if hashlib.sha256(content).hexdigest() != described["weights_sha256"]:
            raise DataError(
                f"{path}", found="other bytes", expected=f"the checksum in {self.json_name}", remedy=self.again
            )
        try:
            return load(content)
        except SafetensorError as error:
            raise DataError(
                f"{path}", found=f"{error}", expected=f"the weights of the {self.stem}", remedy=self.again
            ) from error
