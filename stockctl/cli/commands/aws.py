"""deploy, template and logs: what only the AWS side has."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.commands.lifecycle import show_steps
from stockctl.cli.errors import handle_errors
from stockctl.cli.options import Since, aws_backend, configuration
from stockctl.cli.output.alerts import since_timestamp
from stockctl.cli.output.stdio import pause
from stockctl.cli.output.tables import Format, Output, emit, write, write_csv
from stockctl.cli.output.terminal import escape_control, print_message, utc_text
from stockctl.errors import UsageError
from stockctl.market.numbers import to_json

if TYPE_CHECKING:
    from stockctl.backends.aws.logs import LogLine

_PANEL = "On AWS"
_POLL_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("deploy", rich_help_panel=_PANEL)(handle_errors(deploy))
    app.command("template", rich_help_panel=_PANEL)(handle_errors(template))
    app.command("logs", rich_help_panel=_PANEL)(handle_errors(logs))


def deploy(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Bring the code that is installed here to the Lambda functions, and change nothing else."""
    _, backend = aws_backend(ctx, "'deploy' updates the code of the Lambda functions")
    outcome = backend.deploy(print_message)
    show_steps(outcome.steps, output)
    print_message(
        "The functions run the code that is installed here." + ("" if outcome.steps else " Nothing changed.")
    )


def template(
    ctx: typer.Context,
    *,
    operator_policy: Annotated[
        bool, typer.Option("--operator-policy", help="Print the IAM policy of whoever runs the commands.")
    ] = False,
    part: Annotated[
        int | None, typer.Option("--part", min=1, help="Of a policy that is too long for a managed one.")
    ] = None,
) -> None:
    """Print the CloudFormation template."""
    if operator_policy:
        _write_policy(ctx, part)
        return
    if part is not None:
        raise UsageError("--part is of the policy.", "Add --operator-policy.")
    from stockctl.backends.aws.stack.template import template_text

    write(template_text().rstrip("\n"))


def _write_policy(ctx: typer.Context, part: int | None) -> None:
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.factory import now

    policy = AwsBackend(configuration(ctx).settings, now).operator_policy()
    parts = policy.parts
    if part is not None and part > len(parts):
        raise UsageError(f"--part: {part} is more than there are: {len(parts)}.")
    write(json.dumps(policy.document if part is None else parts[part - 1], indent=2))
    print_message(f"The policy holds in {policy.scope}.")
    if part is None and len(parts) > 1:
        print_message(
            "It fits into a role or a permission set, inline, and is too long for one managed policy: "
            f"--part 1 to --part {len(parts)} print managed policies that add up to it."
        )


class StageName(StrEnum):
    """A function, by its stage."""

    INGEST = "ingest"
    TREND = "trend"


def logs(
    ctx: typer.Context,
    stage: Annotated[StageName, typer.Argument(help="Whose log.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Since = "10m",
    output: Output = Format.TABLE,
) -> None:
    """Show the log of a Lambda function."""
    start = since_timestamp(since)
    _, backend = aws_backend(ctx, "'logs' shows the log of a Lambda function")
    tail = backend.log(stage.value, start or "")
    if follow:
        lines = tail.follow(
            lambda: pause(_POLL_SECONDS), lambda: print_message("There is no log yet; waiting for it.")
        )
        for line in lines:
            _write_line(line, output)
        return
    found = list(tail.read())
    if output is not Format.TABLE:
        emit([line._asdict() for line in found], ("timestamp", "message"), [], output)
        return
    for line in found:
        _write_line(line, output)
    if not found:
        print_message("No lines.")


def _write_line(line: "LogLine", output: Format) -> None:
    if output is Format.JSON:
        write(to_json(line._asdict()))
    elif output is Format.CSV:
        write_csv((), [line], header=False)
    else:
        write(f"{utc_text(line.timestamp)} {escape_control(line.message)}")
    sys.stdout.flush()
