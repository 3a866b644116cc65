"""The agent: one process per node that carries out attempts for the daemon, in worker processes of user code.

What lives here may touch user data; what decides which attempt runs where does not (that is prsd.core). Nothing here imports
the daemon but `prsd.v1` and `prsd.base`. Read the package `ledger` first: it is pure, and says what the agent does and why.

    app agent config        the program, the shell round the ledger, settings
    ledger                  PURE: events in, commands out; a package
    session wire            the stream to the daemon; the ledger's values as messages
    step_site inputs arguments snapshot    a step on this node: folders, code, what expressions stand for
    patience    what is tried again on a node whose disk is full, and what is not
    workers channel records notices logs usage    worker processes: fed, watched, listened to, written down
    phases commands         divide and commit attempts in helper processes; command steps
    spawner children processes             the process that starts and kills all others
    division outputs host   packages that run in those processes; see each
"""
