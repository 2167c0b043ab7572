import { humanDuration } from "@raft2kube/api/human-duration.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import type { Explanation } from "@raft2kube/explain/explanation.ts";
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { serverNow_ms } from "./api.ts";
import type { Kind } from "./kinds.ts";
import { follow } from "./live.ts";
import { hrefOf } from "./place.ts";

/** `3m12s`, `5h`, `2d`, by the server's clock. */
export function age(created: string | undefined): string {
  const s = (serverNow_ms() - Date.parse(created ?? "")) / 1_000;
  return Number.isNaN(s) ? "" : humanDuration(Math.max(0, s));
}

/** Tones of statuses, each with its mark and its words. */
const TONES = [
  ["good", "●", /^(Running|Active|Bound|Ready|True|Available|Complete(d)?|Succeeded|Normal)$/],
  ["bad", "▲", /Error|BackOff|Failed|Lost|NotReady|Evicted|OOM|Unknown|Invalid|Warning/],
  ["soon", "◐", /Pending|Creating|Terminating|Init|Waiting|Released|SchedulingDisabled/],
] as const;

/** A status as a word with a mark: never by its colour alone. */
export function Status({ text }: { text: string }) {
  const [tone, mark] = TONES.find(([, , words]) => words.test(text) && !/ /.test(text)) ?? [];
  if (!mark) return <>{text}</>;
  return (
    <span class={`status ${tone}`}>
      <i aria-hidden="true">{mark}</i>
      {text}
    </span>
  );
}

export const Why = ({ state, sentence, remedy, unseen }: Explanation) => (
  <section class={`why ${state}`} aria-label="Explanation">
    <p>
      <i aria-hidden="true">{{ well: "✓", waiting: "◐", wrong: "▲" }[state]}</i>
      {sentence}.
    </p>
    <p hidden={!remedy}>
      <b>What to do</b> {remedy}
    </p>
    <p hidden={!unseen}>
      <b>Not seen for lack of rights</b> {unseen?.join(", ")}
    </p>
  </section>
);

/** A link that opens an object beside the list of its kind. */
export function ObjectLink(at: { kind: Kind; namespace: string; name: string }) {
  const [kind, name] = [groupResourceOf(at.kind), at.name];
  const of = at.kind.namespaced ? at.namespace : undefined;
  return (
    <a class="link" href={hrefOf({ view: undefined, kind, of, name })}>
      {name}
    </a>
  );
}

type CellsProps = { of: readonly ComponentChildren[]; as?: "td" | "th" };

/** A row of a table. */
export const Cells = ({ of, as: Cell = "td" }: CellsProps) => (
  <tr>
    {of.map((each) => (
      <Cell>{each}</Cell>
    ))}
  </tr>
);

/** How far a key moves the focus; rows in the document reach at least so far. */
const STEPS = new Map(Object.entries({ ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }));

/** Moves the focus between links, and the field before them. */
export function moveFocus(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step = STEPS.get(event.key);
  if (step === undefined) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>(".link, input")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  event.preventDefault();
}

/** Characters that are shown of a problem, a message or a cell, which may have a whole object's. */
const SHOWN_CHARS_MAX = 2_000;
export const startOf = (text: unknown) => String(text).slice(0, SHOWN_CHARS_MAX);

export const Problem = ({ text }: { text: string | false | undefined }) =>
  text ? (
    <p class="problem" role="alert">
      {startOf(text)}
    </p>
  ) : null;

type DialogProps = { title: string; close(): void; children: ComponentChildren; class?: string };

/** A dialog that takes the keyboard's focus; Escape, and a click beside it, close it. */
export function Dialog({ title, close, children, ...given }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog {...given} ref={ref} aria-label={title} onClose={close} closedby="any">
      <header>
        <h2>{title}</h2>
        <button class="plain" aria-label="Close" onClick={close}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

type LinesProps = { of: readonly ComponentChildren[]; class?: string };

/** Lines in a list, which a screen reader reads as they come. */
export const Lines = ({ of, class: look = "events" }: LinesProps) => (
  <ul class={look} aria-live="polite">
    {of.map((line) => (
      <li>{line}</li>
    ))}
  </ul>
);

type TabsProps = { label: string; of: readonly string[]; at: string; set(name: string): void };

/** Buttons of which one at most is pressed; pressed again, it sets "". */
export const Tabs = ({ label, of, at, set }: TabsProps) => (
  <nav class="tabs" aria-label={label}>
    {of.map((name) => (
      <button aria-pressed={name === at} onClick={() => set(name === at ? "" : name)}>
        {name}
      </button>
    ))}
  </nav>
);

type Asked<T> = [value: T | undefined, problem: string | undefined];

/**
 * The value of a promise, asked before the first paint, when a key changes, and after a failure;
 * with `every_ms` also that long after each answer, and the last value stays after a failure.
 */
export function useAsked<T>(ask: () => Promise<T>, keys: unknown[], every_ms = Infinity): Asked<T> {
  const [state, set] = useState<Asked<T>>([undefined, undefined]);
  useLayoutEffect(() => {
    const round = async (signal: AbortSignal) => {
      const value = await ask();
      if (!signal.aborted) set([value, undefined]);
      return every_ms;
    };
    return follow(round, (why) => set(([last]) => [every_ms < Infinity ? last : undefined, why]));
  }, keys);
  return state;
}

type Load<Props> = () => Promise<{ default: ComponentType<Props> }>;

/** Returns a part of the page that is loaded when it is shown. */
export function later<Props extends object>(load: Load<Props>) {
  return (given: Props) => {
    const [module, problem] = useAsked(load, []);
    return module ? <module.default {...given} /> : <Problem text={problem} />;
  };
}
