"""Chart the fitness over the candidates of one search (Figure 4)."""

from __future__ import annotations

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import GREY, Axis, Dot, Dots, Line, plot
from anetdsl.report.facts import Curve, best_curve, scored_candidates, top_three_curve
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, figure
from anetdsl.report.wording import fitness_label


def fitness_chart(run: Run, *, standalone: bool) -> str:
    """Draw the fitness over the candidates as SVG.

    A `standalone` chart has a heading and its own style.
    """
    three, best = top_three_curve(run), best_curve(run)
    dots = [
        Dot(
            one.number,
            one.fitness,
            f"{one.name}: {one.estimate}",
            error=one.estimate.standard_error,
        )
        for one in scored_candidates(run)
    ]
    return plot(
        [
            Dots("a candidate", dots, color=GREY, faint=True),
            Line("best so far", best, color=1, stepped=True),
            Line("mean of the top three", three, color=0, dashed=False, stepped=True),
        ],
        title="Fitness over the candidates of the search",
        description=_description(best, three),
        x=candidates_axis(run),
        y=Axis(fitness_label(run.records)),
        heading=standalone,
        styled=standalone,
        width=CHART_WIDTH,
    )


def fitness_curves(run: Run) -> Markup:
    """Return the figure with the fitness over the candidates."""
    first = min(run.settings.population, run.settings.candidates)
    origin = (
        "Each candidate is drawn at random, without a parent."
        if run.settings.method == "random"
        else f"The first {first} candidates are drawn at random."
    )
    return figure(
        "Fitness over the candidates",
        Markup(fitness_chart(run, standalone=False)),
        "The mean fitness of the three best candidates so far, as in Figure 4 of the paper, and "
        f"the fitness of the best one. Each dot is a candidate. {origin}{_whiskers(run)}",
    )


def _whiskers(run: Run) -> str:
    """Explain the whiskers, if any candidate has them."""
    estimates = [one.estimate for one in scored_candidates(run)]
    if all(one.standard_error is None for one in estimates):
        return ""
    second = " and, after a second training, between seeds"
    trained_again = any(one.trainings > 1 for one in estimates)
    return (
        " Whiskers are one standard error long: the uncertainty by the number of validation clips"
        f"{second if trained_again else ''}."
    )


def candidates_axis(run: Run) -> Axis:
    """Return the axis of all candidates of a search, including those that are not finished."""
    last = max(run.settings.candidates, *(record.index + 1 for record in run.records), 1)
    return Axis("candidates so far", whole=True, low=0, high=last)


def _description(best: Curve, three: Curve) -> str:
    """Describe the chart for screen readers."""
    if not best:
        return "There is no candidate with a fitness yet."
    text = f"The best fitness rises from {best[0][1]:.2f} to {best[-1][1]:.2f}"
    if not three:
        return f"{text}."
    return f"{text}; the mean of the top three from {three[0][1]:.2f} to {three[-1][1]:.2f}."
