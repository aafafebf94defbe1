"""`bus topics`: the topics that the region needs."""

from __future__ import annotations

import asyncio

import typer

from bus.audit.note import act_note
from bus.audit.notes import note_at
from bus.cli.context import installation, language, region
from bus.cli.output import JsonOption, headings, print_json, print_table, talk
from bus.kafka.administration import Administration, connect_admin, count_brokers
from bus.provision.topic_apply import TopicDiff, apply_topics, read_topics, topic_diff
from bus.provision.topic_plan import TopicSpec, replication_factor_for, topics_of
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="The topics that the region needs.")


@app.command()
def plan(*, json: JsonOption = False) -> None:
    """Show what applying would change; exit 1 where anything differs.

    Example: bus topics plan
    """
    admin = connect_admin(installation().cluster_as_admin())
    diff = topic_diff(_planned(admin), read_topics(admin))
    _print(diff, json=json)
    if not diff.is_empty or diff.repartitioned:
        raise typer.Exit(1)


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Create missing topics and mend settings; nothing is ever deleted.

    Example: bus topics apply
    """
    current = installation()
    admin = connect_admin(current.cluster_as_admin())
    planned = _planned(admin)
    diff = topic_diff(planned, read_topics(admin))
    if not diff.is_empty:
        settings = [str(one) for one in diff.differing]
        noted = act_note("topics_apply", topics=[*diff.missing], settings=settings)
        asyncio.run(note_at(current.fund_dsn(), [noted]))
    _print(apply_topics(admin, planned), json=json)


def _planned(admin: Administration) -> dict[str, TopicSpec]:
    factor = replication_factor_for(count_brokers(admin))
    return dict(topics_of(region(), replication_factor=factor))


def _print(diff: TopicDiff, *, json: bool) -> None:
    if json:
        print_json(diff)
        return
    spoken = language()
    print_table(
        headings("topic", "difference"),
        [
            *[
                [name, text("topics.missing", spoken, partitions=spec.partitions)]
                for name, spec in diff.missing.items()
            ],
            *[[difference.topic, str(difference)] for difference in diff.differing],
            *[[name, text("topics.surplus", spoken)] for name in diff.surplus],
        ],
    )
    for finding in diff.repartitioned:
        talk.print(finding.spoken(language()), markup=False, style="yellow")
