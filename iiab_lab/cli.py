"""The `iiab` command: words on the command line → one function of `iiab_lab.commands`, imported only when called.

Nothing heavy is imported here, so `iiab --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .errors import LabError

app = typer.Typer(
    name="iiab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Inference-in-a-Box Lab: a whole enterprise AI inference platform on one machine.",
    epilog="State lives in $IIAB_HOME (default ~/.iiab). Start with [bold]iiab up[/bold].",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Engine = Annotated[str, typer.Option(help="Where the platform runs.", metavar="embedded|cluster")]
Context = Annotated[str, typer.Option(help="Of the kubeconfig: a cluster that is there; else kind makes one.")]


@app.command()
def up(
    engine: Engine = "embedded",
    ports: Annotated[
        str, typer.Option(envvar="IIAB_PORTS", help="auto, or NAME=PORT,… (gateway, gateway_tls, prometheus, …).")
    ] = "",
    admin_password: Annotated[
        str,
        typer.Option(
            envvar="IIAB_ADMIN_PASSWORD", help="Of the management service's admin; else a random one, in a Secret."
        ),
    ] = "",
    context: Context = "",
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be run, and run nothing (cluster).")] = False,
    start: Annotated[str, typer.Option("--from", help="Go on with this step (cluster).", metavar="STEP")] = "",
    use: Annotated[
        list[str] | None, typer.Option(help="A step whose work is done on that cluster by others.", metavar="STEP")
    ] = None,
    registry: Annotated[
        str, typer.Option(envvar="IIAB_REGISTRY", help="From where that cluster pulls our images.", metavar="HOST/PATH")
    ] = "",
    preload: Annotated[
        bool, typer.Option("--preload", help="Make kind's cluster, pull every image into it, and stop there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Boot the platform, wait until it is ready, print its endpoints. Running it again changes nothing.

    With --engine cluster the real platform is installed on Kubernetes: on a kind cluster of its own, or on --context.
    """
    from .commands.up import up as run
    from .commands.up_cluster import Cluster

    run(engine, ports, as_json, admin_password, Cluster(context, plan, start, tuple(use or ()), registry, preload))


@app.command()
def down() -> None:
    """Stop the platform. Its state stays: `iiab up` has every object back. Of a cluster, what was installed is taken away."""
    from .commands.up import down as run

    run()


@app.command()
def status(as_json: Json = False) -> None:
    """Endpoints, versions and health. Exit code 3 when nothing runs, 4 when something is not ready."""
    from .commands.status import status as run

    raise typer.Exit(run(as_json))


@app.command()
def doctor(engine: Engine = "embedded", context: Context = "", as_json: Json = False) -> None:
    """Check this machine before booting: each line a number, a bar and, where it is missed, a cure."""
    from .commands.doctor import doctor as run

    raise typer.Exit(run(as_json, engine, context))


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Back to a clean platform: stop, forget every object, model and log, boot again."""
    from .commands.up import reset as run

    run(yes)


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="A new file; it will hold Secrets.")]) -> None:
    """Write every object and volume to one file (not what Prometheus measured). The platform may run meanwhile."""
    from .commands.backup import backup as run

    run(file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file that `iiab backup` wrote.")]) -> None:
    """Put a backup in the place of the platform's state. What was there is set aside, not deleted."""
    from .commands.backup import restore as run

    run(file)


@app.command()
def renew(
    name: Annotated[str, typer.Argument(help="A Certificate; or pod/NAME, for the certificate of a workload.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where it is; `default` for one by name.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every Certificate (of the namespace) but CAs.")] = False,
    as_json: Json = False,
) -> None:
    """Have a certificate issued anew at once, as `cmctl renew` does, and wait until it is there."""
    from .commands.renew import renew as run

    run(name, namespace, everything, as_json)


@app.command(name="rotate-ca")
def rotate_ca(
    which: Annotated[str, typer.Argument(help="edge or mesh", metavar="CA")],
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="End while both are trusted; again without, to end it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a new root in the place of a CA's, both trusted meanwhile; no request fails. Broken off, it goes on where it was."""
    from .commands.renew import rotate as run

    run(which, keep_old, as_json)


@app.command()
def token(
    tenant: Annotated[str, typer.Argument(help="tenant-a, tenant-b, … or admin")],
    new_key: Annotated[bool, typer.Option("--new-key", help="First make a key that signs from soon on.")] = False,
    retire_keys: Annotated[
        bool, typer.Option("--retire-keys", help="First take out all keys but the newest: their tokens end.")
    ] = False,
) -> None:
    """Print a signed JWT for a tenant, as the identity service gives it to that tenant's client."""
    from .commands.token import print_token

    print_token(tenant, new_key, retire_keys)


Model = Annotated[str, typer.Argument(help="Its name.")]
Tenant = Annotated[str, typer.Option(help="Whose model it is.")]


@app.command()
def publish(
    model: Model,
    tenant: Tenant = "tenant-a",
    host: Annotated[str, typer.Option(help="A public hostname of your own.")] = "",
    path: Annotated[str, typer.Option(help="Where under the hostname, as /models/iris.")] = "",
    per_minute: Annotated[int, typer.Option(help="Requests a minute, of each key.")] = 0,
    per_hour: Annotated[int, typer.Option(help="Requests an hour, of each key.")] = 0,
    burst: Annotated[int, typer.Option(help="What may come on top within a minute.")] = -1,
    as_json: Json = False,
) -> None:
    """Publish a model under a hostname with an API key and limits, or change how it is published."""
    from .commands.publish import publish as run

    limits = {"requestsPerMinute": per_minute, "requestsPerHour": per_hour, "burstLimit": burst}
    said = {name: value for name, value in limits.items() if value > 0 or (name == "burstLimit" and value == 0)}
    places = {"publicHostname": host, "externalPath": path, "rateLimiting": said}
    run(model, tenant, {name: value for name, value in places.items() if value}, as_json)


@app.command()
def unpublish(model: Model, tenant: Tenant = "tenant-a") -> None:
    """Take a published model back: its routes, limits and keys go."""
    from .commands.publish import unpublish as run

    run(model, tenant)


@app.command()
def keys(
    model: Model,
    tenant: Tenant = "tenant-a",
    add: Annotated[str, typer.Option(help="Make another key, of this name.", metavar="NAME")] = "",
    rotate: Annotated[str, typer.Option(help="A new key for an old one; `latest` for the latest.", metavar="ID")] = "",
    revoke: Annotated[str, typer.Option(help="Close a key at once.", metavar="ID")] = "",
    overlap: Annotated[int, typer.Option(help="Seconds for which a rotated key still opens.")] = 300,
) -> None:
    """List the API keys of a published model; add, rotate or revoke one."""
    from .commands.publish import keys as run

    run(model, tenant, add, rotate, revoke, overlap)


@app.command()
def load(
    model: Model,
    rate: Annotated[float, typer.Option(help="Open loop: so many requests a second, whatever the answers do.")] = 0,
    concurrency: Annotated[int, typer.Option(help="Closed loop: so many users, each waiting for its answer.")] = 0,
    plan: Annotated[
        str,
        typer.Option(
            help="Phases, parted by commas: \\[NAME=]SHAPE:RATE:SECONDS with constant:R, ramp:R-R, step:R-R/STEPS, "
            "spike:BASE-PEAK/WIDTH, sine:LOW-HIGH/PERIOD, closed:USERS."
        ),
    ] = "",
    seconds: Annotated[str, typer.Option(help="For how long, with --rate and --concurrency: 30, 90s, 1.5m.")] = "10",
    poisson: Annotated[bool, typer.Option("--poisson", help="Random arrivals of the same rates.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random arrivals: the same seed, the same moments.")] = 0,
    tenant: Annotated[str, typer.Option(help="Whose token to send; else that of the model's own tenant.")] = "",
    rows: Annotated[str, typer.Option(help="What to predict, as JSON; else one iris flower.", metavar="JSON")] = "",
    v2: Annotated[bool, typer.Option("--v2", help="The Open Inference Protocol, in place of V1.")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Over HTTPS, trusting the platform's CA.")] = False,
    connections: Annotated[int, typer.Option(help="At most so many at once, each with one request in flight.")] = 512,
    requests: Annotated[int, typer.Option(help="At most so many altogether.")] = 1_000_000,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer, from when a request was due.")] = 10.0,
    as_json: Json = False,
    csv: Annotated[Path | None, typer.Option(help="Write one row per request to this file.")] = None,
) -> None:
    """Send predictions to a model at a rate, or by a plan, and tell how long they took.

    Latency counts from the moment a request was due, so a stall shows in every request it delays (no coordinated
    omission); `late` is how far the generator itself was behind. Ctrl-C stops, and what was measured is told.

    Exit code 0: every request got a 2xx. 1: at least one did not, or was not sent. 130: stopped by Ctrl-C.

    Examples:

    iiab load sklearn-iris --rate 50 --seconds 30

    iiab load sklearn-iris --concurrency 8 --seconds 1m --csv requests.csv

    iiab load sklearn-iris --poisson --plan 'warm=constant:10:10s,ramp:10-200:30s,spike:50-500/3:20s'
    """
    from .commands.load import Bounds, Request, Wish
    from .commands.load import load as run

    request, bounds = Request(model, tenant, rows, v2, tls), Bounds(connections, requests, timeout)
    wish = Wish(rate, concurrency, plan, seconds, poisson, seed)
    raise typer.Exit(run(request, wish, bounds, as_json, csv))


stream = typer.Typer(invoke_without_command=True, no_args_is_help=False)
app.add_typer(stream, name="audit")
Copy = Annotated[Path | None, typer.Option(help="A copy of the stream, in place of this platform's.")]


@stream.callback()
def audit(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Whose resource it was, or whose caller.")] = "",
    actor: Annotated[str, typer.Option(help="Who asked: a client, a user, a workload's identity.")] = "",
    decision: Annotated[str, typer.Option(help="allowed, denied or error.")] = "",
    since: Annotated[str, typer.Option(help="An age (90s, 10m, 2h, 7d) or a time, ISO 8601.")] = "",
    request: Annotated[str, typer.Option(help="One request, by its x-request-id or Audit-Id.", metavar="ID")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 50,
    hops: Annotated[bool, typer.Option("--hops", help="What each hop said, in place of one row per request.")] = False,
    as_json: Json = False,
    csv: Annotated[Path | None, typer.Option(help="Write the rows to this file.")] = None,
    folder: Copy = None,
) -> None:
    """Who did what on the platform, and how it was decided: the newest requests to the API and through the gateways.

    Examples:

    iiab audit --decision denied --since 10m

    iiab audit --tenant tenant-a --limit 1000 --csv tenant-a.csv

    iiab audit verify
    """
    if context.invoked_subcommand is None:
        from .audit import Query
        from .commands.audit import show

        show(Query(tenant, actor, decision, since, request), limit, hops, as_json, csv, folder)


@stream.command()
def verify(folder: Copy = None, as_json: Json = False) -> None:
    """Check every record of the stream against its hash, and its end against the seal. Exit code 1 where one does not hold."""
    from .commands.audit import verify as run

    raise typer.Exit(run(folder, as_json))


tenant = typer.Typer(no_args_is_help=True)
app.add_typer(tenant, name="tenant", help="Tenants of the platform: one more, one less, while the others go on.")
Whose = Annotated[str, typer.Argument(help="The tenant, which is its namespace.", metavar="NAME")]


@tenant.command(name="add")
def tenant_add(
    name: Whose,
    cpu: Annotated[str, typer.Option(help="Cores that its Pods may ask for: 8, 500m.")] = "",
    memory: Annotated[str, typer.Option(help="Memory of its Pods, by their limits: 16Gi.")] = "",
    storage: Annotated[str, typer.Option(help="Volumes, together: 20Gi.")] = "",
    models: Annotated[int, typer.Option(help="Models at most.")] = -1,
    published: Annotated[int, typer.Option(help="Published models at most.")] = -1,
) -> None:
    """Everything a tenant needs, or nothing: namespace, share, accounts and roles, walls, keys. Again: changes its share."""
    from .commands.tenant import add as run

    counts = {name: value for name, value in (("models", models), ("published", published)) if value >= 0}
    amounts = {name: value for name, value in (("cpu", cpu), ("memory", memory), ("storage", storage)) if value}
    run(name, amounts | counts)


@tenant.command(name="remove")
def tenant_remove(name: Whose, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Its models, doors, volumes, keys and whatever else there is of it, for good; the others notice nothing."""
    from .commands.tenant import remove as run

    run(name, yes)


@tenant.command(name="export")
def tenant_export(
    name: Whose,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    secrets: Annotated[bool, typer.Option("--secrets", help="Its Secrets too; the file is then 0600.")] = False,
) -> None:
    """Write what a tenant is as manifests, without what controllers make of it; it says what is not in it."""
    from .commands.tenant import export as run

    run(name, file, secrets)


@tenant.command(name="import")
def tenant_import(
    file: Annotated[Path, typer.Argument(help="A file that `iiab tenant export` wrote.")],
    name: Annotated[str, typer.Option("--as", help="Another name than it has there.", metavar="NAME")] = "",
) -> None:
    """Make a tenant of a file, here or elsewhere: everything, or nothing. Its keys are new."""
    from .commands.tenant import bring as run

    run(file, name)


@tenant.command(name="list")
def tenant_list(as_json: Json = False) -> None:
    """The tenants there are, and how much of its share each uses."""
    from .commands.tenant import show as run

    run(as_json)


@app.command()
def scenario(
    name: Annotated[str | None, typer.Argument(help="Nothing lists them.")] = None, as_json: Json = False
) -> None:
    """Run one scenario and print its Report. Exit code 1 when a check failed."""
    from .commands.scenario import run_scenario

    raise typer.Exit(run_scenario(name, as_json))


@app.command()
def run(
    notebooks: Annotated[list[Path] | None, typer.Argument(help="All of them when none is named.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write executed notebooks, report.html and junit.xml here.")
    ] = None,
) -> None:
    """Run notebooks headless through papermill and print a table of their checks."""
    from .commands.run import run as run_all

    raise typer.Exit(run_all(notebooks or [], report))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def kubectl(context: typer.Context) -> None:
    """kubectl on this platform's API: the real one where installed, else get, describe, logs, apply, delete."""
    from .commands.kubectl import kubectl as run

    raise typer.Exit(run(context.args))


def main() -> None:
    """Entry point: a LabError becomes its message and its exit code, never a traceback."""
    try:
        app()
    except LabError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
