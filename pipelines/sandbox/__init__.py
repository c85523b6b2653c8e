"""A gateway to run against on one's own machine: the vendor's API as documented, with a truth that can be asked.

    settings.py   what an operator can choose
    app.py        routes and the control endpoint
    gateway.py    the five calls
    rules.py      what a send must obey
    answers.py    answers as JSON and XML; the error codes, and how to get each
    outcomes.py   what becomes of a message, drawn from the seed
    faults.py     how an answer can go wrong
    pushes.py     reports and replies pushed to a URL as they become due
    truth.py      what really happened, in SQLite
    server.py     serve(), on uvicorn
    running.py    RunningSandbox, a child process for the tests and the demo

It knows nothing of the client's side: it is written from the vendor's page alone, so that the two check each other.
"""

from pipelines.sandbox.running import RunningSandbox
from pipelines.sandbox.settings import Fault, SandboxSettings, Shares

__all__ = ["Fault", "RunningSandbox", "SandboxSettings", "Shares"]
