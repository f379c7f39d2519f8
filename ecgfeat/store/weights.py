"""Weights on disk: a folder with ``<stem>.safetensors`` (no code) and its description ``<stem>.json``.

The description holds the checksum of the weights. It is removed before new weights are written, and written last.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecgfeat.errors import DataError
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import seal, unseal


@dataclass(frozen=True)
class WeightsFormat:
    """Names and contents of such a folder.

    Attributes
    ----------
    stem : str
        Name of both files, and what messages call it: ``model`` or ``system``.
    schema : str
        Name of the schema of the description.
    version : int
        Its version; any other is refused.
    keys : tuple of str
        Keys a description must have besides schema, version and checksum.
    remedy : str
        What to do if it is damaged, for messages.
    """

    stem: str
    schema: str
    version: int
    keys: tuple[str, ...]
    remedy: str

    @property
    def weights_name(self) -> str:
        """Name of the file of weights."""
        return f"{self.stem}.safetensors"

    @property
    def json_name(self) -> str:
        """Name of the description."""
        return f"{self.stem}.json"

    def write(self, folder: Path, description: Mapping[str, Any], model: nn.Module | None) -> dict[str, Any]:
        """Write a folder; the same weights and description give the same bytes.

        Parameters
        ----------
        folder : Path
            Where to write; created if absent.
        description : mapping
            JSON values only, no NaN.
        model : nn.Module or None
            On any device. None: there are no weights, and the description gives the reason.

        Returns
        -------
        dict
            The description as written.

        Raises
        ------
        ValueError
            If `description` holds something JSON cannot.
        """
        document = {"schema": self.schema, "schema_version": self.version, **description}
        files: dict[str, bytes] = {}
        if model is not None:
            tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
            files[self.weights_name] = save(tensors)
            document["weights_sha256"] = hashlib.sha256(files[self.weights_name]).hexdigest()
            # Free text comes last, where a reader of the file finds it easily.
            document["info"] = document.pop("info")
        files[self.json_name] = (json.dumps(seal(document), indent=2, allow_nan=False) + "\n").encode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.json_name).unlink(missing_ok=True)
        for name, content in files.items():
            with publish(folder / name) as part:
                part.write_bytes(content)
        return document

    def read_description(self, folder: Path) -> dict[str, Any]:
        """Read the description and check it without the weights.

        Parameters
        ----------
        folder : Path
            The folder.

        Returns
        -------
        dict
            With the reason ``left_out`` where there are no weights.

        Raises
        ------
        DataError
            If it is absent, damaged or of another version.
        """
        path = folder / self.json_name
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(
                f"{path}", found="no such file", expected=f"a complete {self.stem}", remedy=self.remedy
            ) from error
        except (OSError, ValueError) as error:
            raise DataError(f"{path}", found="cannot be read", expected="a JSON object", remedy=self.remedy) from error
        if not isinstance(description, dict):
            raise DataError(
                f"{path}", found=f"a {type(description).__name__}", expected="a JSON object", remedy=self.remedy
            )
        schema, version = description.get("schema"), description.get("schema_version")
        if (schema, version) != (self.schema, self.version):
            expected = f"{self.schema} {self.version}"
            raise DataError(f"{path}", found=f"schema {schema} {version}", expected=expected, remedy=self.remedy)
        description = unseal(path, description, self.remedy)
        missing = [key for key in (*self.keys, "weights_sha256") if key not in description]
        if missing and "left_out" not in description:
            raise DataError(
                f"{path}",
                found=f"no {', '.join(missing)}",
                expected=f"a description of a {self.stem}",
                remedy=self.remedy,
            )
        return description

    def read_weights(self, folder: Path, description: Mapping[str, Any]) -> dict[str, Tensor]:
        """Read the weights and compare them with their checksum.

        Parameters
        ----------
        folder : Path
            The folder.
        description : mapping
            From `read_description`.

        Returns
        -------
        dict of str to Tensor
            On the CPU, as ``load_state_dict`` takes them.

        Raises
        ------
        DataError
            If the file is absent or damaged, or was left out.
        """
        path = folder / self.weights_name
        if "left_out" in description:
            raise DataError(
                f"{folder}",
                found=f"no weights: {description['left_out']}",
                expected=f"a trained {self.stem}",
                remedy=self.remedy,
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}", found="cannot be read", expected=f"the weights of the {self.stem}", remedy=self.remedy
            ) from error
        if hashlib.sha256(content).hexdigest() != description["weights_sha256"]:
            raise DataError(
                f"{path}", found="other bytes", expected=f"the checksum in {self.json_name}", remedy=self.remedy
            )
        try:
            return load(content)
        except SafetensorError as error:
            raise DataError(
                f"{path}", found=f"{error}", expected=f"the weights of the {self.stem}", remedy=self.remedy
            ) from error
