"""A source of the files of a corpus in a bucket that holds it as PhysioNet lays it out; verified and resumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecgfeat.acquire.sources import SUMS, Limits, Progress, parse_sums, safe_name
from ecgfeat.errors import DataError
from ecgfeat.store.objects import ObjectFolder
from ecgfeat.store.publish import hash_file

_RANGE_BYTES = 4 << 20


@dataclass
class Bucket:
    """Objects below an address that are the files of a corpus."""

    objects: ObjectFolder
    progress: Progress
    limits: Limits
    where: str = field(init=False)
    sizes: Mapping[str, int] = field(init=False)
    sums: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.where = self.objects.address
        self.sizes = {
            safe_name(name, self.where, "the bucket"): size for name, size in self.objects.list_sizes().items()
        }
        has_sums = SUMS in self.sizes
        self.sums = parse_sums(self.objects.read(SUMS).decode("utf-8", "replace"), self.where) if has_sums else {}

    def has(self, name: str) -> bool:
        """Return whether the source has a file."""
        return name in self.sizes

    def names(self) -> list[str]:
        """Return the names of all its files, in order."""
        return sorted(self.sizes)

    def fetch(self, name: str, target: Path) -> str:
        """Download a file, or keep the finished one of an earlier run, and return its SHA-256.

        Where the bucket has no checksums, nothing tells whether what an earlier run left is of this file: it is
        downloaded anew.
        """
        expected = self.sums.get(name)
        if self.sums and expected is None:
            raise DataError(f"{self.where}/{name}", found=f"a file that {SUMS} does not list", expected="its SHA-256")
        if self.sizes[name] > self.limits.file_mb * 1e6:
            raise DataError(
                f"{self.where}/{name}",
                found=f"{self.sizes[name] / 1e6:.0f} MB",
                expected=f"{self.limits.file_mb:g} MB at most",
                remedy="If the file is so large, raise acquire.largest_file_mb.",
            )
        if expected is not None and target.is_file() and hash_file(target) == expected:
            self.progress.add(num_bytes=target.stat().st_size)
            return expected
        partial = target.with_name(f"{target.name}.part")
        if expected is None:
            partial.unlink(missing_ok=True)
        for _ in range(2):  # wrong bytes are fetched once more, from the start
            self._download(name, partial)
            digest = hash_file(partial)
            if expected in (None, digest) and partial.stat().st_size == self.sizes[name]:
                partial.rename(target)
                return digest
            partial.unlink()
        raise DataError(
            f"{self.where}/{name}",
            found=f"SHA-256 {digest} twice",
            expected=expected or f"{self.sizes[name]} bytes",
            remedy="Put the right file into the bucket.",
        )

    def _download(self, name: str, partial: Path) -> None:
        """Append to `partial` until the file is complete."""
        with partial.open("ab") as file:
            while file.tell() < self.sizes[name]:
                content = self.objects.read(name, file.tell(), min(file.tell() + _RANGE_BYTES, self.sizes[name]))
                if not content:
                    return
                file.write(content)
                self.progress.add(num_bytes=len(content))
