"""deploy, template and logs: commands that concern AWS only."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.commands.lifecycle import show_steps
from stockctl.cli.options import Since, aws_backend, load_configuration
from stockctl.cli.output.alerts import since_timestamp
from stockctl.cli.output.messages import escape_control, pluralize, print_message, utc_text
from stockctl.cli.output.standard_streams import pause
from stockctl.cli.output.tables import Format, Output, emit, write, write_csv
from stockctl.cli.registration import add_command
from stockctl.errors import UsageError
from stockctl.market.numbers import to_json

if TYPE_CHECKING:
    from stockctl.backends.aws.logs import LogLine

_POLL_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    add_command(app, "deploy", deploy, "stockctl --target aws deploy", "stockctl --target aws deploy -o json")
    add_command(
        app,
        "template",
        template,
        "stockctl template > template.yaml",
        "stockctl template --operator-policy --part 1",
    )
    add_command(
        app,
        "logs",
        logs,
        "stockctl --target aws logs ingest --since 1h",
        "stockctl --target aws logs trend --follow",
    )


def deploy(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Update the code of the Lambda functions to the installed version; changes nothing else."""
    _, backend = aws_backend(ctx)
    outcome = backend.deploy(print_message)
    show_steps(outcome.steps, output)
    print_message("The functions run the installed version." + ("" if outcome.steps else " Nothing changed."))


def template(
    ctx: typer.Context,
    *,
    operator_policy: Annotated[
        bool,
        typer.Option("--operator-policy", help="Print the IAM policy that a user of the commands needs."),
    ] = False,
    part: Annotated[
        int | None,
        typer.Option(
            "--part",
            metavar="N",
            min=1,
            help="Print only part N of the policy; each part fits into one IAM managed policy.",
        ),
    ] = None,
) -> None:
    """Print the CloudFormation template."""
    if operator_policy:
        _write_policy(ctx, part)
        return
    if part is not None:
        raise UsageError("--part works only with --operator-policy.", "Add --operator-policy.")
    from stockctl.backends.aws.stack.template import template_text

    write(template_text().rstrip("\n"))


def _write_policy(ctx: typer.Context, part: int | None) -> None:
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.factory import now

    policy = AwsBackend(load_configuration(ctx).settings, now).operator_policy()
    parts = policy.parts
    if part is not None and part > len(parts):
        raise UsageError(f"--part = {part} is too high: the policy has {pluralize(len(parts), 'part')}.")
    write(json.dumps(policy.document if part is None else parts[part - 1], indent=2))
    print_message(f"The policy is valid for {policy.scope}.")
    if part is None and len(parts) > 1:
        print_message(
            "It fits as an inline policy of a role or permission set, but it is too long for one managed "
            f"policy. To print it as several managed policies, use --part 1 to --part {len(parts)}."
        )


class FunctionName(StrEnum):
    """A Lambda function, named after the stage that it runs."""

    INGEST = "ingest"
    TREND = "trend"


def logs(
    ctx: typer.Context,
    stage: Annotated[FunctionName, typer.Argument(metavar="FUNCTION", help="The function: ingest or trend.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Continue to print new lines until Ctrl-C.")
    ] = False,
    since: Since = "10m",
    output: Output = Format.TABLE,
) -> None:
    """Show the log of a Lambda function."""
    start = since_timestamp(since)
    _, backend = aws_backend(ctx)
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
