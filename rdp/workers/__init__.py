"""Many items at once: in processes of this machine, or on the workers of a Dask scheduler.

    with Processes(8) as executor:
        for argument, result in completed(executor, function, range(50_000)):
            ...

A result depends on its argument alone, never on where or in which order it was computed: workers use one thread
for linear algebra, so that sums are added in one order everywhere. A worker that dies costs the item it was
doing a second try, and the others nothing.
"""

from rdp.workers.dask import DaskExecutor, dask_executor
from rdp.workers.loop import completed
from rdp.workers.pinning import pinned
from rdp.workers.processes import Processes
from rdp.workers.travel import SchedulerLost, WorkerLost, WorkersUnusable

__all__ = [
    "DaskExecutor",
    "Processes",
    "SchedulerLost",
    "WorkerLost",
    "WorkersUnusable",
    "completed",
    "dask_executor",
    "pinned",
]
