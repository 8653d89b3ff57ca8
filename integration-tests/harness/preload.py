"""Libraries that stand between a program and the system (integration-tests/faults/*.c), and how a test steers them."""

import os
import shutil
import struct
from pathlib import Path

from .stack import ROOT


class Preloaded:
    """`environment` starts a program with the library `name`; what is written steers it while it runs."""

    def __init__(self, name, directory):
        built = ROOT / "build" / "release" / "faults" / f"{name}.so"
        assert built.exists(), f"{built} is not there: make fault-libraries"
        # Beside the test's other files, where also the user that PostgreSQL runs as can read it.
        self.library = Path(directory) / built.name
        shutil.copy(built, self.library)
        self.control = Path(directory) / name
        self.control.write_bytes(bytes(8))
        self.control.chmod(0o666)

    @property
    def environment(self):
        variable = f"FAULT_{self.control.name.removesuffix('_faults').upper()}"
        # What the library looks into while it runs lies outside of the sandbox.
        reads = {"DAYBOOK_SANDBOX_READS": str(self.control.parent)}
        return {"LD_PRELOAD": str(self.library), variable: str(self.control)} | reads

    def say(self, text):
        """Whole or not at all, because the program may be reading."""
        fresh = self.control.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o666)
        os.replace(fresh, self.control)

    @property
    def number(self):
        """The mapped number; the file stays the same one."""
        return struct.unpack("q", self.control.read_bytes())[0]

    @number.setter
    def number(self, value):
        with open(self.control, "r+b") as control:
            control.write(struct.pack("q", value))
