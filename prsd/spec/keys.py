"""Which keys are accepted where (spec sections 1.1 to 1.8), and what to say about the ones people write instead."""


def _keys(*lines: str) -> frozenset[str]:
    """Names separated by blanks; the first line may repeat an earlier table."""
    return frozenset(" ".join(lines).split())


_METADATA = "$schema type name display_name description tags properties experiment_name identity services id"
_PARALLEL = (
    "input_data mini_batch_size partition_keys resources max_concurrency_per_instance error_threshold "
    "mini_batch_error_threshold retry_settings logging_level environment_variables task"
)
_COMMAND = "command code environment environment_variables resources distribution limits retry_settings"

TOP_KEYS = _keys(_METADATA, "compute settings inputs outputs jobs component")
_STEP = "component inputs outputs compute comment"
_COMPONENT = "version is_deterministic inputs outputs"

# By kind of step.
STEP_KEYS = {
    "parallel": _keys(_METADATA, _PARALLEL, _STEP),
    "command": _keys(_METADATA, _COMMAND, _STEP, "queue_settings"),
    "pipeline": _keys(_METADATA, _STEP, "settings"),
}
COMPONENT_KEYS = {
    "parallel": _keys(_METADATA, _PARALLEL, _COMPONENT),
    "command": _keys(_METADATA, _COMMAND, _COMPONENT, "additional_includes"),
    "pipeline": _keys(_METADATA, _COMPONENT, "jobs settings compute"),
}

TASK_KEYS = _keys("type code entry_script environment program_arguments append_row_to model")
RESOURCE_KEYS = _keys("instance_count instance_type locations max_instance_count shm_size docker_args properties")
RETRY_KEYS = _keys("max_retries timeout")
LIMIT_KEYS = _keys("timeout")
INPUT_KEYS = _keys("type path mode value default optional min max enum description datastore path_on_compute")
OUTPUT_KEYS = _keys("type path mode name version description")
ENVIRONMENT_KEYS = _keys(
    "$schema name version image conda_file build os_type tags properties description inference_config id"
)
BUILD_KEYS = _keys("path dockerfile_path")

_ARGUMENT = "it is an argument: write --{0} in task.program_arguments"

# The article's setting names that are no keys, keys that belong elsewhere, and v1's names.
PARALLEL_HINTS = {
    "mini_batch_timeout": "did you mean 'retry_settings.timeout'?",
    "mini_batch_max_retries": "did you mean 'retry_settings.max_retries'?",
    "item_error_threshold": "did you mean 'error_threshold'?",
    "item_error_treshold": "did you mean 'error_threshold'?",
    "overhead_timeout": "did you mean '--task_overhead_timeout' in task.program_arguments?",
    "timeout": "did you mean 'retry_settings.timeout'?",
    "max_retries": "did you mean 'retry_settings.max_retries'?",
    "run_invocation_timeout": "did you mean 'retry_settings.timeout'?",
    "run_max_try": "did you mean 'retry_settings.max_retries'? It counts retries, one less than tries",
    "allowed_failed_count": "did you mean 'mini_batch_error_threshold'?",
    "process_count_per_node": "did you mean 'max_concurrency_per_instance'?",
    "node_count": "did you mean 'resources.instance_count'?",
    "instance_count": "did you mean 'resources.instance_count'?",
    "instance_type": "did you mean 'resources.instance_type'?",
    "limits": "a parallel step has no limits; the time of one run() is 'retry_settings.timeout'",
    "depends_on": "steps are ordered by their bindings: bind an input to the other step's output",
    "is_deterministic": "it belongs in a component file",
    "output_action": "set or leave out 'task.append_row_to' instead",
    "command": "a parallel step has no command; did you mean 'type: command'?",
    **{
        key: f"did you mean 'task.{key}'?"
        for key in ("code", "entry_script", "environment", "program_arguments", "append_row_to", "model")
    },
    **{
        key: _ARGUMENT.format(key)
        for key in (
            "allowed_failed_percent",
            "task_overhead_timeout",
            "progress_update_timeout",
            "first_task_creation_timeout",
            "copy_logs_to_parent",
            "resource_monitor_interval",
            "append_row_file_name",
            "append_row_dataframe_header",
            "append_row_format",
        )
    },
}
COMMAND_HINTS = {
    "task": "a command step has no task; did you mean 'type: parallel'?",
    "timeout": "did you mean 'limits.timeout'?",
    "instance_count": "did you mean 'resources.instance_count'?",
    "depends_on": "steps are ordered by their bindings: bind an input to the other step's output",
    "is_deterministic": "it belongs in a component file",
    "image": "did you mean 'environment.image'?",
    "conda_file": "did you mean 'environment.conda_file'?",
}
PIPELINE_STEP_HINTS = {
    "jobs": "put them into a file of 'type: pipeline', and name it with 'component'",
    "depends_on": "steps are ordered by their bindings: bind an input to the other step's output",
}
STEP_HINTS = {"parallel": PARALLEL_HINTS, "command": COMMAND_HINTS, "pipeline": PIPELINE_STEP_HINTS}
TOP_HINTS = {
    "steps": "did you mean 'jobs'?",
    "default_compute": "did you mean 'settings.default_compute'?",
    "default_datastore": "did you mean 'settings.default_datastore'?",
    "continue_on_step_failure": "did you mean 'settings.continue_on_step_failure'?",
    "force_rerun": "did you mean 'settings.force_rerun'?",
}

# Step types that exist elsewhere but not here, with what to do instead.
UNSUPPORTED_TYPES = {
    "sweep": "sweep steps are not supported: write one command step per trial, or try the values inside one step",
    "spark": "spark steps are not supported: start spark-submit from a command step",
    "automl": "automl steps are not supported: train from a command step",
    "import": "import steps are not supported: fetch the data in a command step",
    "data_transfer": "data_transfer steps are not supported: copy the data in a command step",
    "parallel_for": "parallel_for steps are not supported: use a parallel step over a folder of inputs",
    "if_else": "if_else steps are not supported: decide inside a command step",
    "do_while": "do_while steps are not supported: loop inside a command step",
}
