# SPDX-License-Identifier: MIT
"""model_training: split, train, evaluate, decide, deploy. Runs when data_processing has made ratings; deploy is skipped when the new model is not good
enough to take the place of the one in production."""
import sys
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, Asset

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not all of Airflow's commands put the folder there
from rec_targets import DATASET, DEFAULTS, NO, target  # noqa: E402

with DAG(
    dag_id="model_training",
    description="ratings to a model, and to production when it is good enough",
    schedule=[Asset(name=f"rec-ratings-{DATASET}", uri=f"x-rec://ratings/{DATASET}")],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["rec"],
    doc_md=__doc__,
):
    deploy = target("deploy", skip_on_exit_code=NO, outlets=[Asset(name=f"rec-model-{DATASET}", uri=f"x-rec://model/{DATASET}")])
    target("split") >> target("train") >> target("evaluate") >> target("decide") >> deploy
