# SPDX-License-Identifier: MIT
"""data_processing: load, features, validate. Ratings that pass the checks are an asset, which starts model_training."""
import sys
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, Asset

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not all of Airflow's commands put the folder there
from rec_targets import DATASET, DEFAULTS, target  # noqa: E402

with DAG(
    dag_id="data_processing",
    description="raw ratings to files that have passed the checks",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["rec"],
    doc_md=__doc__,
):
    load = target("load")
    features = target("features")
    # Bad data do not become good by waiting.
    validate = target("validate", retries=0, outlets=[Asset(name=f"rec-ratings-{DATASET}", uri=f"x-rec://ratings/{DATASET}")])
    load >> [features, validate]
