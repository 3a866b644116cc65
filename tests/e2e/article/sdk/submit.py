"""The rest of the article's SDK tab, with one changed import; what fetches a credential from the web is left out."""

import pipeline_of_the_article

from prsctl.sdk import MLClient

credential = None

# Get a handle to workspace
ml_client = MLClient.from_config(credential=credential)

# Retrieve an already attached Azure Machine Learning Compute.
cpu_compute_target = "cpu-cluster"
print(ml_client.compute.get(cpu_compute_target))
gpu_compute_target = "gpu-cluster"
print(ml_client.compute.get(gpu_compute_target))

pipeline_job = pipeline_of_the_article.pipeline_job

pipeline_job = ml_client.jobs.create_or_update(pipeline_job, experiment_name="pipeline_samples")
print(f"submitted {pipeline_job.name}")

ml_client.jobs.stream(pipeline_job.name)
