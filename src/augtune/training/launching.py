"""``--processes N``: this command again in N processes that train together, and an end when one of them dies."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence

from augtune.core.errors import TrainingError

__all__ = ["launch"]


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run ``augtune`` with the given arguments in several processes on this machine and return its exit code.

    They find each other at a port that is free. Ctrl-C is theirs: this process only waits for them.

    Args:
        arguments: Of the command line, without the program's name.
        processes: How many.

    Raises:
        TrainingError: If a process died without an exit code of its own.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else it warns that nothing went wrong
    # Its messages are for those who write launchers; what went wrong is said below or by the process itself.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL + 1)
    signals = "SIGTERM,SIGHUP,SIGQUIT"
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = signals
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with tempfile.TemporaryDirectory() as logs:
            config = LaunchConfig(
                min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id="augtune", max_restarts=0,
                rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
                logs_specs=DefaultLogsSpecs(log_dir=logs), signals_to_handle=signals,
            )  # fmt: skip
            elastic_launch(config, sys.executable)("-m", "augtune", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return int(failure.exitcode)
        raise TrainingError(
            f"process {rank} of {processes} was ended by {signal.Signals(-failure.exitcode).name}, and the others with "
            "it.",
            hint="The same command carries on from the last checkpoint. SIGKILL often means that memory ran out.",
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
    return 0
