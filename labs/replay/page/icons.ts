import { svg } from "./dom.ts";

/** Outlines on a square of 16. */
const PATHS = {
  play: "M4 2.5 L13.5 8 L4 13.5 z",
  pause: "M4 2.5 h3 v11 h-3 z M9.5 2.5 h3 v11 h-3 z",
  on: "M3 3 L10 8 L3 13 z M11 3 h2.4 v10 h-2.4 z",
  back: "M13 3 L6 8 L13 13 z M2.6 3 h2.4 v10 h-2.4 z",
  last: "M2 3 L7.5 8 L2 13 z M7.5 3 L13 8 L7.5 13 z M13 3 h1.6 v10 h-1.6 z",
  first: "M14 3 L8.5 8 L14 13 z M8.5 3 L3 8 L8.5 13 z M1.4 3 h1.6 v10 h-1.6 z",
} as const;

/** Draws a sign of the controls. */
export function icon(name: keyof typeof PATHS): SVGSVGElement {
  const size = { viewBox: "0 0 16 16", width: 15, height: 15, class: "icon", "data-icon": name };
  return svg("svg", size, svg("path", { d: PATHS[name] }));
}
