"""The execution worker, but a run of an item whose values are kept takes `SLOW_S` seconds longer."""

import os
import time

from protocol.dispute.trace import Trace
from protocol.engines.worker import traces
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.serve import main


def slow_down(seconds: float) -> None:
    """Let this process's runs take their time."""
    honest = traces.Traces.get

    def get(self: traces.Traces, item: Item) -> Trace:
        if traces._key(item) not in self._kept:
            time.sleep(seconds)
        return honest(self, item)

    traces.Traces.get = get  # type: ignore[method-assign]


if __name__ == "__main__":
    slow_down(float(os.environ["SLOW_S"]))
    main()
