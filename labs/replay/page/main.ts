import type { Replay } from "../recording.ts";
import { html } from "./dom.ts";
import { View } from "./view.ts";

/** Returns the parameters of the address after `#`: `case=2&at=120&view=reference&theme=dark`. */
const asked = (): URLSearchParams => new URLSearchParams(location.hash.slice(1));

function showTheme(theme: string | null): void {
  if (theme === "dark" || theme === "light") document.documentElement.dataset["theme"] = theme;
}

function otherTheme(): string {
  const shown = document.documentElement.dataset["theme"];
  const dark = shown ? shown === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  return dark ? "light" : "dark";
}

const replay = JSON.parse(document.getElementById("replay")!.textContent!) as Replay;
const root = document.getElementById("page")!;
let view: View | undefined;

function show(number: number, options: { at?: number; reference?: boolean } = {}): void {
  view?.end();
  const shown = replay.cases[number] ?? replay.cases[0]!;
  view = new View(shown, replay.source, options);
  root.replaceChildren(...top(replay.cases.indexOf(shown)), view.element);
  view.show();
}

function top(selected: number): HTMLElement[] {
  const theme = html("button", { type: "button", class: "theme", title: "light or dark" }, "◐");
  theme.addEventListener("click", () => showTheme(otherTheme()));
  const titles = [...new Set(replay.cases.map(({ title }) => title))];
  const { title } = replay.cases[selected]!;
  const tabs = titles.map((each) => {
    const tab = html("button", { type: "button", "aria-pressed": String(each === title) }, each);
    tab.addEventListener("click", () => show(replay.cases.findIndex((one) => one.title === each)));
    return tab;
  });
  const header = html(
    "header",
    {},
    html("span", { class: "brand" }, "raft2kube"),
    html("h1", {}, html("small", {}, `lab ${replay.lab}`), replay.title),
    html("span", { class: "source" }, replay.source),
    theme,
  );
  const cases = tabs.length > 1 ? html("nav", { class: "cases" }, ...tabs) : html("nav");
  return [header, ...otherFailures(), cases, ...variants(selected)];
}

/** Checks that failed, where the runs below do not show it. */
function otherFailures(): HTMLElement[] {
  const { failed = [] } = replay;
  if (failed.length === 0) return [];
  const text = `The judge has found a mistake that these runs may not show: ${failed.join("; ")}`;
  return [html("p", { class: "verdict failed others" }, text)];
}

/** Buttons for the variants of one title. */
function variants(selected: number): HTMLElement[] {
  const { title } = replay.cases[selected]!;
  const same = replay.cases.filter((one) => one.title === title);
  if (same.length < 2) return [];
  const buttons = same.map((one) => {
    const number = replay.cases.indexOf(one);
    const pressed = String(number === selected);
    const text = one.variant.split(" ").at(-1) === "0" ? "no power loss" : one.variant;
    const made = html("button", { type: "button", "aria-pressed": pressed }, text);
    made.addEventListener("click", () => show(number));
    return made;
  });
  return [html("nav", { class: "variants" }, ...buttons)];
}

const wanted = asked();
showTheme(wanted.get("theme"));
const at = wanted.get("at");
show(Number(wanted.get("case") ?? 0), {
  ...(at === null ? {} : { at: Number(at) }),
  ...(wanted.has("view") ? { reference: wanted.get("view") === "reference" } : {}),
});
addEventListener("resize", () => view?.show());
addEventListener("keydown", (event) => view?.pressed(event));

// `lab watch` serves the page, and says when there is a newer one.
if (location.protocol !== "file:") {
  new EventSource("changes").addEventListener("message", ({ data }) => {
    if (data === "changed") location.reload();
    else document.body.dataset["state"] = String(data);
  });
}
