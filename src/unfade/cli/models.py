"""`unfade models`: the systems and the weights that ship."""

from __future__ import annotations

from rich.table import Table

from unfade.cli import options
from unfade.cli.console import escape, results, say_json


def models(as_json: options.AsJson = False) -> None:
    """List the systems and the weights inside the package, with licence, training data and scores."""
    from unfade import registry
    from unfade.weights.catalogue import shipped

    passports = shipped()
    if as_json:
        say_json(
            {
                "systems": list(registry.names("systems")),
                "weights": {name: p.model_dump(mode="json") for name, p in passports.items()},
            }
        )
        return
    table = Table(title=f"systems: {', '.join(registry.names('systems'))}", title_justify="left")
    for name in ("weights", "system", "licence", "trained on", "held-out scores"):
        table.add_column(name)
    for name, passport in passports.items():
        scores = "\n".join(f"{k} {v:.3f}" for k, v in passport.scores.items())
        table.add_row(*(escape(t) for t in (name, passport.system, passport.licence, passport.data, scores)))
    results.print(table)
