"""Commands that run until they are stopped: serve, receive."""

from contextlib import nullcontext, suppress
from typing import Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.exits import stopped_by_sigterm, to_stderr


def serve(
    *,
    with_server: Annotated[
        bool, Parameter(show_default=False, help="Also start a Prefect server on 127.0.0.1.")
    ] = False,
    port: Annotated[int, Parameter(help="Port of that Prefect server.")] = 4200,
    accept_open_server: Annotated[
        bool,
        Parameter(show_default=False, help="Use a Prefect server without a log-in: who reaches it can act as you."),
    ] = False,
) -> int:
    """Run the Prefect deployments on their schedules until Ctrl-C.

    For example:

      PREFECT_API_URL=http://127.0.0.1:4200/api smsrecon serve
      smsrecon serve --with-server
    """
    from pipelines.flows.server import disable_telemetry, require_prefect, running_server, signals_deferred
    from pipelines.settings import export_config_path

    settings = invocation.settings()
    export_config_path(invocation.config())
    disable_telemetry()
    server = running_server(settings.prefect_folder, port, to_stderr) if with_server else nullcontext()
    with stopped_by_sigterm(), server as login:
        with signals_deferred():
            require_prefect()
            from pipelines.console.results import show_serving
            from pipelines.flows.deployments import schedules
            from pipelines.flows.serving import serve, ui_url

        url = ui_url(accept_open_server=accept_open_server)
        with suppress(KeyboardInterrupt):  # from here on it serves, and this is how it ends
            show_serving(url, login, schedules(settings.schedule))
            serve(settings, to_stderr)
    return 0


def receive(
    *, port: Annotated[int | None, Parameter(help="Port to listen on instead of receive.port; 0: any free one.")] = None
) -> int:
    """Until Ctrl-C, receive the reports and replies that the gateway pushes.

    For example:

      SMSRECON_RECEIVE__PATH_SECRET=$(openssl rand -hex 16) smsrecon receive
    """
    from pipelines.receive.server import serve

    def ready(url: str) -> None:
        to_stderr(f"pushes go to {url}/push/<receive.path_secret>")

    serve(invocation.settings(), port=port, clock=invocation.now, ready=ready)
    return 0
