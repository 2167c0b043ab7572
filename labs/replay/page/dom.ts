/** A part of the page: a text, an element, or nothing. */
export type Child = Node | string | number | undefined;

type Attributes = Readonly<Record<string, string | number | undefined>>;

const SVG = "http://www.w3.org/2000/svg";

/** Creates an HTML element: `html("button", { class: "play" }, "Play")`. */
export function html<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return filled(document.createElement(name), attributes, children);
}

/** Creates an SVG element. */
export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled<E extends Element>(
  element: E,
  attributes: Attributes,
  children: readonly Child[],
): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child !== undefined) element.append(typeof child === "number" ? String(child) : child);
  }
  return element;
}

/** Creates a button with a label for screen readers, which calls `act`. */
export function button(label: string, content: Child, act: () => void): HTMLButtonElement {
  const made = html("button", { type: "button", title: label, "aria-label": label }, content);
  made.addEventListener("click", act);
  return made;
}

/** A time as the page shows it. */
export function timeText(at: number, unit: "ms" | "step"): string {
  return unit === "ms" ? `${at.toFixed(1)} ms` : `step ${Math.floor(at)}`;
}
