import type { ReplayCase } from "../../recording.ts";
import { html } from "../dom.ts";
import type { Events } from "./events.ts";

/** Events shown from where two runs part. */
const SHOWN = 4;

/** How the run ended, and where it parts from the reference's. */
export function drawVerdict(
  shown: ReplayCase,
  source: string,
  describe: Events["describe"],
): HTMLElement[] {
  const { own, reference, deviation } = shown;
  const parts: HTMLElement[] = [];
  if (own.failure !== undefined) {
    parts.push(html("div", { class: "verdict failed" }, ...judgementOf(own.failure)));
  } else if (source === "the reference") {
    parts.push(html("div", { class: "verdict" }, "The reference's run: every promise held."));
  } else if (!deviation) {
    const text = `In this run every promise held, and ${source} did what the reference does.`;
    parts.push(html("div", { class: "verdict passed" }, text));
  } else {
    const text =
      "Every promise held. That the run differs is no mistake in itself: another number of " +
      "random numbers drawn, say, is enough.";
    parts.push(html("div", { class: "verdict passed" }, text));
  }
  if (!reference || !deviation) return parts;
  const column = (name: string, events: ReplayCase["own"]["events"], from: number) => {
    const texts = events
      .slice(from)
      .map((event) => describe(event))
      .filter(Boolean)
      .slice(0, SHOWN);
    const lines = texts.length > 0 ? texts : ["nothing more"];
    const items = lines.map((text) => html("li", {}, text));
    return html("div", {}, html("h4", {}, name), html("ol", {}, ...items));
  };
  parts.push(
    html(
      "div",
      { class: "verdict parting" },
      html("h3", {}, "Here this run and the reference's part ways"),
      html(
        "div",
        { class: "columns" },
        column(source, own.events, deviation.own),
        column("the reference", reference.events, deviation.reference),
      ),
    ),
  );
  return parts;
}

/** The four lines of a judgement: when, what happened, what was expected, why it matters. */
function judgementOf(failure: string): HTMLElement[] {
  return failure.split("\n").map((line, i) => {
    const named = /^\s+(what happened|expected|why it matters):\s+(.*)$/.exec(line);
    if (!named) return html(i === 0 ? "h3" : "p", {}, line);
    return html("p", {}, html("b", {}, named[1]), ` ${named[2]}`);
  });
}
