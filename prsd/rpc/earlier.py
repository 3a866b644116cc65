"""What agents say of attempts of an earlier lineage, before the core hears it: nothing of that is taken.

Such an attempt may have run on a division, or for a job of that name, that the older log does not know: its rows could be
those of other data. So its lease is not kept and its results are not recorded; the mini-batch runs again.
"""

from __future__ import annotations

from dataclasses import replace

from prsd.core.events import AgentJoined, AttemptsReported


def without_earlier_leases(joined: AgentJoined, first_token: int) -> AgentJoined:
    """The agent is told to drop what is left out: it is not among the tokens that Welcome keeps."""
    if all(held.token >= first_token for held in joined.held):
        return joined
    return replace(joined, held=tuple(held for held in joined.held if held.token >= first_token))


def without_earlier_attempts(reported: AttemptsReported, first_token: int) -> AttemptsReported:
    """The report is acknowledged all the same, as one whose results are refused."""
    if not first_token:
        return reported
    return replace(
        reported,
        results=tuple(each for each in reported.results if each.token >= first_token),
        failures=tuple(each for each in reported.failures if each.token >= first_token),
        given_back=tuple(each for each in reported.given_back if each.token >= first_token),
        divisions=tuple(each for each in reported.divisions if each.token >= first_token),
        commits=tuple(each for each in reported.commits if each.token >= first_token),
    )
