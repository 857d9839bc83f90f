"""What this package raises when data cannot be had."""


class DataSetError(Exception):
  """Data that are missing, damaged or unknown: one line, what was looked for, where, how to get it.

  The message is written for the user and shown as it is, without a traceback.
  """
