"""The command line: everything that a person types.

`cli` and `job_verbs` declare the verbs and import, per verb, the module that carries it out; so `prsctl --help` loads
neither gRPC nor YAML. `run` starts the real daemon and agents as child processes; every other verb only talks to a
daemon, through `client`. Read `cli`, then `run`, `following` and `reach`.

Rules: stdout is data, stderr is messages (`consoles`); an exit code is one of `exit_codes.ExitCode`; a verb that cannot
go on raises a `failures.CommandFailed`, which `cli.main` prints. Of the daemon only `prsd.v1`, `prsd.base` and `prsd.spec`
may be imported.
"""
