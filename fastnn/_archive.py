"""Reading and writing ``.npz`` archives: NumPy arrays and one JSON text in a zip file.

Never pickle: an array of objects cannot be written, and one in a file is refused.
``json`` and ``zipfile`` are imported when needed: they would double the time that
``import fastnn`` takes.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
import struct
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import zipfile

Array = NDArray[Any]
PathLike = str | os.PathLike[str]

#: The member with the JSON text; arrays end in ``.npy``, so no array can have this name.
STRUCTURE = "fastnn.json"

# What damaged bytes were seen to raise in zipfile (beside its BadZipFile), json and NumPy.
_DAMAGE = (
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
)

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


# -- writing ---------------------------------------------------------------------------------


def write_archive(stream: IO[bytes], structure: Any, arrays: dict[str, Array]) -> None:
    """Write the structure and the arrays by name; the same content gives the same bytes."""
    import json
    import zipfile

    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(STRUCTURE), json.dumps(structure))
        for name, array in arrays.items():
            # Without force_zip64 a member beyond 2 GiB could not be written to the end.
            info = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def write_atomically(path: PathLike, write: Callable[[IO[bytes]], None]) -> None:
    """Call ``write`` on a file that takes the place of ``path`` only once it is complete.

    It is written beside ``path``, flushed to the disk and renamed.  After an exception it
    is deleted and ``path`` is as it was; after a crash ``path`` is the old file or the new
    one, and a ``.tmp`` file may be left beside it.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        # A pipe or a device must not be replaced by a file; a folder raises here.
        with open(target, "wb") as stream:
            write(stream)
        return
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(6).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as stream:
            if mode is not None:
                os.fchmod(descriptor, stat.S_IMODE(mode))
            write(stream)
            stream.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(folder)


def _flush_folder(folder: str) -> None:
    """Make a renaming in ``folder`` durable, where the system lets one do so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- reading ---------------------------------------------------------------------------------


def read_archive(source: PathLike | IO[bytes], label: str) -> tuple[Any | None, dict[str, Array]]:
    """Return the structure (None if there is none) and the arrays by name.

    Raises
    ------
    RuntimeError
        If the file is not such an archive, or is damaged; the text names ``label``.
    """
    import json
    import zipfile

    try:
        with zipfile.ZipFile(_seekable(source)) as archive:
            structure = None
            arrays = {}
            for info in archive.infolist():
                if info.filename == STRUCTURE:
                    structure = json.loads(archive.read(info))
                elif info.filename.endswith(".npy"):
                    arrays[info.filename.removesuffix(".npy")] = _read_array(archive, info)
                else:
                    raise RuntimeError(
                        f"{label} was not written by fastnn.save or numpy.savez: "
                        f"it holds {info.filename!r}"
                    )
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        raise RuntimeError(f"{label} is not an .npz file, or is damaged: {error}") from error
    return structure, arrays


def _seekable(source: Any) -> Any:
    if isinstance(source, str | os.PathLike) or source.seekable():
        return source
    return io.BytesIO(source.read())


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    """Read one member, believing its header only if it agrees with the size of the member."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"{info.filename} has the unknown format {version}")
        shape, fortran, dtype = _HEADERS[version](member)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects, which are never loaded")
        expected = math.prod(shape) * dtype.itemsize
        if expected != info.file_size - member.tell():
            raise ValueError(f"{info.filename} does not hold {list(shape)} of {dtype}")
        array: Array = np.empty(shape[::-1] if fortran else shape, dtype)
        if expected:
            _fill(array.reshape(-1).view(np.uint8).data, member, info.filename)
        member.read(1)  # at the end of a member its checksum is compared
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    return array.T if fortran else array


def _fill(view: memoryview, member: Any, name: str) -> None:
    filled = 0
    while filled < len(view):
        count = member.readinto(view[filled:])
        if not count:
            raise EOFError(f"{name} ends too early")
        filled += count
