"""The end of a preparation that nobody waits for any longer."""


class Stopped(Exception):
    """The stop event was set while files were being read or sorted; it never leaves the replay."""
