"""Sandbox: a gateway on one's own machine, with the vendor's API as documented and a truth to compare with.

    settings.py   the options
    app.py        routes and the control endpoint
    gateway.py    the five calls
    rules.py      validation of a send
    answers.py    answers as JSON and XML; the error codes, and how to get each
    outcomes.py   reports and replies of a message, drawn from the seed
    faults.py     faults that spoil an answer on its way
    pushes.py     reports and replies pushed to a URL as they become due
    truth.py      everything that happened, in SQLite
    server.py     serve(), on uvicorn
    running.py    RunningSandbox, a child process for the tests and the demo

It imports nothing of the client's side and is written from the vendor's page alone, so that the two check each other.
"""

from pipelines.sandbox.running import RunningSandbox
from pipelines.sandbox.settings import Fault, SandboxSettings, Shares

__all__ = ["Fault", "RunningSandbox", "SandboxSettings", "Shares"]
