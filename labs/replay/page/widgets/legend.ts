import type { Family, Recording } from "../../recording.ts";
import { html } from "../dom.ts";

const NAMES: Readonly<Record<Family, string>> = {
  vote: "election",
  append: "append",
  heartbeat: "heartbeat",
  snapshot: "snapshot or sync",
  question: "question",
  read: "answer",
  write: "write",
  event: "watch event",
};

/** Draws the legend: the colours of this recording's arrows, and the marks beside them. */
export function drawLegend({ events, tracks }: Recording): HTMLElement {
  const seen = new Set(events.flatMap((event) => (event.kind === "message" ? [event.family] : [])));
  const families = (Object.keys(NAMES) as Family[]).filter((family) => seen.has(family));
  const items = families.map((family) => {
    return html("span", {}, html("i", { class: `key ${family}` }), NAMES[family]);
  });
  const isLost = events.some((event) => event.kind === "message" && event.lost);
  const hasTimers = tracks.some(({ initial }) => initial.timer !== null);
  return html(
    "div",
    { class: "legend" },
    ...items,
    isLost ? html("span", {}, html("i", { class: "key lost" }), "lost") : undefined,
    hasTimers ? html("span", {}, html("i", { class: "key timer" }), "election timer") : undefined,
    html("span", { class: "keys" }, "space plays · ← → step · D first deviation"),
  );
}
