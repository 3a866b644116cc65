"""Which of azure-ai-ml's exceptions stands for which failure of ours.

InvalidPipeline              azure.ai.ml.exceptions.ValidationException
not found                    azure.core.exceptions.ResourceNotFoundError
conflict                     azure.core.exceptions.ResourceExistsError
unreachable                  azure.core.exceptions.ServiceRequestError
any other refusal            azure.core.exceptions.HttpResponseError
the job failed, or canceled  azure.ai.ml.exceptions.JobException, raised by `jobs.stream`
"""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.ai.ml.exceptions import ErrorCategory, ErrorTarget, JobException, ValidationException
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError, ServiceRequestError

from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, InvalidPipeline

_OF_CODE = {
    ExitCode.NOT_FOUND: ResourceNotFoundError,
    ExitCode.CONFLICT: ResourceExistsError,
    ExitCode.UNREACHABLE: ServiceRequestError,
}


@contextmanager
def translated() -> Iterator[None]:
    """Lets a CommandFailed out as the exception that azure-ai-ml's users catch; the message stays as it is."""
    try:
        yield
    except InvalidPipeline as invalid:
        raise refusal(invalid.message) from None
    except CommandFailed as failure:
        raise _OF_CODE.get(failure.exit_code, HttpResponseError)(failure.message) from None


def refusal(message: str) -> Exception:
    """What was given is no job that can run."""
    raised: Exception = ValidationException(
        message=message,
        no_personal_data_message="the pipeline is not valid",
        target=ErrorTarget.PIPELINE,
        error_category=ErrorCategory.USER_ERROR,
    )
    return raised


def job_failure(message: str) -> Exception:
    """The job has ended without completing."""
    raised: Exception = JobException(
        message=message,
        no_personal_data_message="the job did not complete",
        target=ErrorTarget.JOB,
        error_category=ErrorCategory.USER_ERROR,
    )
    return raised
