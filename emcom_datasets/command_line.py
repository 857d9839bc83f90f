"""Flags of the programs beside the main one: what is wrong is said in one line, with exit status 2."""

import argparse


class Parser(argparse.ArgumentParser):
  """Takes no abbreviations; keeps the line breaks of descriptions."""

  def __init__(self, program: str, description: str | None):
    """Flags of `python -m program`."""
    super().__init__(prog=f"python -m {program}", description=description, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)

  def error(self, message: str):
    self.exit(2, f"error: {message}; --help says more\n")


def positive(text: str) -> int:
  """A whole number from 1 on, as a type of flags."""
  if not text.isdecimal() or int(text) < 1:
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
  return int(text)
