# SPDX-License-Identifier: MIT
"""Targets of pipelines/Makefile as tasks of Airflow.

The graph stands in the make files. A task here is one coarse target: it runs what is out of date for it, which after the tasks before it is
its own step, and a task that is tried again goes on where it stopped. Where things are is said by the environment of the workers:

    REC_PIPELINES   the folder with the Makefile; the one above this file unless set
    REC_DATASET     the data set, `sample` unless set
    REC_STORE       a store, in place of the data set's files
    REC_WORK        where everything is made
    REC_REGISTRY    the registry of models
    REC_RETRY_DELAY seconds to the first retry, 60 unless set; twice as long to the second
"""
import os
import shlex
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator

PIPELINES = os.environ.get("REC_PIPELINES") or str(Path(__file__).resolve().parent.parent)
DATASET = os.environ.get("REC_DATASET") or "sample"
NO = 3  # the answer is no

VARIABLES = {"DATASET": DATASET} | {
    name: os.environ[variable]
    for name, variable in (("STORE", "REC_STORE"), ("WORK", "REC_WORK"), ("REGISTRY", "REC_REGISTRY"))
    if os.environ.get(variable)
}

DEFAULTS = {
    "retries": 2,
    "retry_delay": timedelta(seconds=float(os.environ.get("REC_RETRY_DELAY") or 60)),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=2),
}


def target(name, **options):
    """The task that makes this target. A no is a failure that a retry does not change, unless it is skipped: skip_on_exit_code=NO."""
    words = ["./run", name, *(f"{key}={value}" for key, value in VARIABLES.items())]
    return BashOperator(
        task_id=name,
        # One number for all records of a run of the DAG; a blank at the end, or the words would be taken for a template file.
        bash_command=shlex.join(words) + " ",
        env={"REC_RUN": "{{ dag.dag_id }}.{{ run_id }}"},
        append_env=True,
        cwd=PIPELINES,
        **options,
    )
