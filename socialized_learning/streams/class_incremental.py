"""Class-incremental streams: the classes come a few at a time, in the order of their labels.

Source: van de Ven and Tolias 2019; sizes as in Mammoth, CLS-ER and ESMER (seq-*).
"""

import numpy as np

from socialized_learning.platform.errors import UserError
from socialized_learning.streams import plans
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.types import Stream


def build(request: Request) -> Stream:
  """Builds T tasks of `classes_per_task` classes each: 0, 1 then 2, 3 and so on.

  Raises:
    UserError: more classes than there are, or a task without images.
  """
  source = request.source
  num_outputs = request.num_tasks * request.classes_per_task
  if num_outputs > source.num_classes:
    raise UserError(
        f"stream.num_tasks={request.num_tasks} of stream.classes_per_task={request.classes_per_task} need "
        f"{num_outputs} classes, {source.name} has {source.num_classes}: use fewer tasks, or fewer "
        "classes in each")
  tasks = np.arange(num_outputs).reshape(request.num_tasks, request.classes_per_task)
  train = tuple(plans.seen_as(request.train.of_classes(classes), 0) for classes in tasks)
  tests = [plans.seen_as(request.test.of_classes(classes), 0) for classes in tasks]
  labels = np.arange(source.num_classes, dtype=np.int32)
  return Stream(
      name=request.name,
      setting=request.setting,
      num_outputs=num_outputs,
      label_map=np.where(labels < num_outputs, labels, np.int32(-1)),
      task_classes=(tasks[:, :, None] == np.arange(num_outputs)).any(axis=1),
      views=plans.AS_IT_IS,
      augment=source.augment,
      normalise=source.normalise,
      plan=plans.of_epochs(train, request),
      tests=plans.test_sets(tests, request),
      train_of_task=train)
