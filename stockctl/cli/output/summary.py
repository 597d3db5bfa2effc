"""The summary at the end of a run: what was sent, dropped, and not delivered."""

from typing import TYPE_CHECKING

from stockctl.cli.output.messages import pluralize, print_message

if TYPE_CHECKING:
    from stockctl.producer.producer import BufferedProducer, DirectProducer
    from stockctl.producer.stats import Totals


def print_backlog(producer: "DirectProducer | BufferedProducer") -> int:
    """Print how many quotes and unreadable records were not delivered, and return the sum."""
    backlog = producer.backlog
    what = _quotes_and_rejections(backlog.quotes, backlog.rejections)
    if what and backlog.path is not None:
        sent = backlog.possibly_sent
        note = f" {sent:,} of them may have been delivered already." if sent else ""
        print_message(f"{what} in the outbox {backlog.path}: the next run delivers them first.{note}")
    elif what:
        print_message(f"{what} not delivered: run it again; quotes that are already stored count once.")
    return backlog.waiting


def print_drops(producer: "DirectProducer | BufferedProducer") -> None:
    """Print how much was dropped because the outbox was full."""
    backlog = producer.backlog
    if what := _quotes_and_rejections(backlog.dropped, backlog.dropped_rejections):
        print_message(f"{what} dropped, because the outbox was full (stream.outbox_full = drop-oldest).")


def _quotes_and_rejections(quotes: int, rejections: int) -> str:
    parts = [(quotes, "quote"), (rejections, "unreadable record")]
    return " and ".join(pluralize(count, noun) for count, noun in parts if count)


def summarize(totals: "Totals", left_out: int | None = None) -> None:
    """Print a summary of a run; ``left_out`` is the number of quotes that the source itself left out."""
    parts = [f"{pluralize(totals.sent, 'quote')} sent"]
    # Whether the backend stores quotes itself or passes them on is known only after a delivery.
    stored_here = totals.is_final and totals.sent > 0
    passed_on = not totals.is_final and totals.sent > 0
    if stored_here:
        parts.append(f"{totals.stored:,} stored")
    if totals.duplicates:
        parts.append(f"{totals.duplicates:,} already stored")
    if totals.quarantined:
        parts.append(f"{totals.quarantined:,} quarantined")
    if left_out:
        parts.append(f"{left_out:,} left out")
    if totals.possibly_duplicated:
        parts.append(f"{totals.possibly_duplicated:,} possibly duplicated")
    if stored_here:
        parts.append(pluralize(totals.alerts, "alert"))
    print_message(", ".join(parts) + ("; the pipeline is processing them." if passed_on else "."))
