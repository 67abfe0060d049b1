"""The preview of a text: its findings, its picture and its costs, which follow the file."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path

import attrs

from anetdsl.checking import Checked, check_file
from anetdsl.codes import CODES
from anetdsl.cost import cost
from anetdsl.diagnostics import Diagnostic, Severity
from anetdsl.errors import CannotRun
from anetdsl.files import is_device
from anetdsl.ir import Network
from anetdsl.rendering.findings import render_text, summary
from anetdsl.report.cost_table import cost_table, cost_tiles
from anetdsl.report.html_page import Section
from anetdsl.report.markup import (
    Markup,
    folded,
    joined,
    paragraph,
    tag,
    text,
)
from anetdsl.report.pictures import Renderer, network_picture
from anetdsl.web.live_source import LiveContent

_MAX_FINDINGS = 50


@attrs.frozen
class Clip:
    """Size of the clip for which the costs are computed."""

    frames: int = 32
    size: tuple[int, int] = (224, 224)
    """Height and width in pixels."""
    classes: int | None = None
    """Number of classes in place of the network's own."""


@attrs.define
class PreviewSource:
    """Source of the preview of a file. While the text has errors, the last picture stays."""

    path: Path
    renderer: Renderer
    clip: Clip = attrs.field(factory=Clip)
    weights: bool = False
    """True if edges are drawn by their learned weights."""
    _drawn: tuple[Network, Markup] | None = None

    def token(self) -> Hashable:
        """Return the identity, the time and the size of the file."""
        try:
            status = self.path.stat()
        except OSError as error:
            return error.errno
        # The time of the last change of the status: an editor can restore the time of the content.
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size

    def content(self) -> LiveContent:
        """Return the findings, the picture and the costs of the text as it is now."""
        title = f"Preview of {self.path.name}"
        try:
            if is_device(self.path):  # Reading a FIFO would wait for a writer.
                raise CannotRun(f"{self.path}: this is not a regular file")
            checked = check_file(self.path)
        except CannotRun as error:
            problem = paragraph(text(str(error)), class_="bad")
            return LiveContent(title, problem, tuple(self._sections(None)))
        return LiveContent(title, _lead(checked), tuple(self._sections(checked)))

    def _sections(self, checked: Checked | None) -> Iterator[Section]:
        network = checked.network if checked is not None else None
        if checked is not None and checked.diagnostics:
            yield Section("findings", "Findings", _findings(checked))
        if network is not None and (self._drawn is None or self._drawn[0] != network):
            self._drawn = (
                network,
                network_picture(network, self.renderer, weights=self.weights),
            )
        if self._drawn is not None:
            old = (
                [paragraph(text("The last version without errors:"), class_="note")]
                if network is None
                else []
            )
            # On a narrow screen, the picture keeps a readable size and is scrolled sideways.
            picture = tag(
                "div", self._drawn[1], class_="wide", tabindex=0, role="group", aria_label="picture"
            )
            yield Section("picture", "Picture", joined([*old, picture]))
        if network is not None:
            yield Section("cost", "Cost", self._cost(network))

    def _cost(self, network: Network) -> Markup:
        clip = self.clip
        try:
            counted = cost(network, frames=clip.frames, size=clip.size, classes=clip.classes)
        except CannotRun as error:
            return paragraph(text(str(error)), class_="bad")
        return joined([cost_tiles(counted), cost_table(counted)])


def _lead(checked: Checked) -> Markup:
    network = checked.network
    if network is None:
        return paragraph(text(f"The text has {summary(checked.errors)}."), class_="bad")
    edges = sum(len(node.inputs) for node in network.nodes if not node.is_stem)
    about = f"Network {network.name}: {len(network.nodes)} nodes, {edges} edges between them."
    state = (
        paragraph(text(summary(checked.diagnostics)), class_="note")
        if checked.diagnostics
        else paragraph(text("The text has no findings."), class_="good")
    )
    return joined([paragraph(text(about)), state])


def _findings(checked: Checked) -> Markup:
    shown = checked.diagnostics[:_MAX_FINDINGS]
    parts = [
        tag(
            "pre",
            text(render_text(checked.source, [finding]).rstrip("\n")),
            class_="findings",
            tabindex=0,
            role="group",
            aria_label=f"{_kind(finding)} {finding.code}",
        )
        for finding in shown
    ]
    if len(checked.diagnostics) > len(shown):
        parts.append(paragraph(text(f"and {len(checked.diagnostics) - len(shown)} more")))
    for code in dict.fromkeys(finding.code for finding in shown):
        entry = CODES[code]
        example = [tag("pre", text(entry.example))] if entry.example else []
        content = joined([paragraph(text(entry.text)), *example])
        parts.append(folded(f"{code}: {entry.title}", content))
    return joined(parts)


def _kind(finding: Diagnostic) -> str:
    return "error" if finding.severity is Severity.ERROR else "warning"
