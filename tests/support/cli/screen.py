"""A small terminal: what a person sees of text with the control codes that a live view uses."""

import re

_PART = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(\r\n|\r|\n)|([^\x1b\r\n]+)|(.)", re.DOTALL)


class Screen:
    """As wide as said, and as high as it takes.

    It knows line breaks, carriage returns, erased lines and the way up; colours are left out. Anything else
    fails, so that nothing is taken for understood.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._rows = [""]
        self._row = self._column = 0
        self.cursor_shown = True

    @property
    def lines(self) -> list[str]:
        """What can be read, without what is blank at the end."""
        lines = [row.rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        for codes, final, ending, words, odd in _PART.findall(text):
            assert not odd, f"unknown control character {odd!r}"
            if final:
                self._control(codes, final)
            elif ending:
                self._end(ending)
            else:
                self._write(words)

    def narrow(self, width: int) -> None:
        """Become narrower, as most terminals do it: what is too wide goes on in the line below."""
        self.width, rows, cursor = width, [], 0
        for number, row in enumerate(self._rows):
            text = row.rstrip()
            rows += [text[at : at + width] for at in range(0, len(text), width)] or [""]
            if number == self._row:
                cursor = len(rows) - 1
        self._rows, self._row, self._column = rows, cursor, len(rows[cursor])

    def _control(self, codes: str, final: str) -> None:
        if final in "lh":
            assert codes == "?25", codes
            self.cursor_shown = final == "h"
        elif final == "K":
            assert codes == "2"
            self._rows[self._row] = ""
        elif final == "A":
            self._row -= int(codes)
            assert self._row >= 0, "above the first line"
        else:
            assert final == "m", f"unknown control code {codes}{final}"

    def _end(self, ending: str) -> None:
        self._column = 0
        if ending.endswith("\n"):
            self._row += 1
            if self._row == len(self._rows):
                self._rows.append("")

    def _write(self, words: str) -> None:
        for character in words:
            if self._column == self.width:
                self._end("\n")
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1
