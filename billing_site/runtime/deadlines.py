"""How long a stop may take: half a minute from the first SIGTERM, whatever any process waits for.

What hasn't ended in its time is killed. Nothing is lost by that: work is done in transactions, and what was begun is
taken up again by its lease or its due time (architecture page). The figures, in seconds, follow from each other.
"""

WORKER_FINISHES = 12.0  # the worker's tasks may end by themselves; then they go back to where they came from
WORKER_HANDS_BACK = 3.0  # and then it is gone
CHILDREN = 18.0  # web, worker and beat, all at once
SERVICES = 6.0  # then PostgreSQL and Redis, both at once, with everything on disk
SERVICES_HARD = 2.0  # PostgreSQL without a checkpoint: it recovers at the next start
COMMAND = 20.0  # a command that we run in the foreground
MAKE_STOP = 35.0  # how long `make stop` waits before it kills the supervisor, and all with it
