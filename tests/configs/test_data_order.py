"""Runs of versions that had no `data.order` read images in the order of their files."""

import pytest

from socialized_learning.configs import common
from socialized_learning.configs import continual_config
from socialized_learning.configs import earlier
from socialized_learning.configs import masc_config
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError


@pytest.mark.parametrize("recipe", [continual_config, masc_config])
def test_a_run_of_an_earlier_version(tmp_path, recipe):
  folder, config = run_folder.RunFolder.open(tmp_path), recipe.get_config()
  stored = config.to_dict()
  assert stored["data"].pop("order") == "content"
  folder.write_json("config.json", stored)  # As version 0.1.0 wrote it.
  check = lambda: folder.check_config(config.to_dict(), common.FREE_KEYS, earlier.EARLIER[config.experiment])
  with pytest.raises(UserError, match="version 0.1.0 with data.order=files, now content: use the same"):
    check()
  config.data.order = "files"
  check()
