import type { Explanation } from "@raft2kube/explain/explanation.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { serverNow_ms } from "./api.ts";

/** `3m`, `5h`, `2d`, by the server's clock. */
export function age(created: string | undefined): string {
  const s = Math.max(0, (serverNow_ms() - Date.parse(created ?? "")) / 1_000);
  if (Number.isNaN(s)) return "";
  if (s < 120) return `${Math.floor(s)}s`;
  if (s < 7_200) return `${Math.floor(s / 60)}m`;
  return s < 172_800 ? `${Math.floor(s / 3_600)}h` : `${Math.floor(s / 86_400)}d`;
}

const GOOD = /^(Running|Active|Bound|Ready|True|Available|Complete(d)?|Succeeded|Normal)$/;
const BAD = /(Error|BackOff|Failed|Lost|NotReady|Evicted|OOM|Unknown|Invalid|Warning)/;
const SOON = /(Pending|Creating|Terminating|Init|Waiting|Released|SchedulingDisabled)/;

export function tone(text: string): string {
  return GOOD.test(text) ? "good" : BAD.test(text) ? "bad" : SOON.test(text) ? "soon" : "";
}

/** A status as a word with a mark: never by its colour alone. */
export function Status({ text }: { text: string }) {
  const as = tone(text);
  const mark = { good: "●", bad: "▲", soon: "◐" }[as];
  return (
    <span class={`status ${as}`}>
      {mark && <i aria-hidden="true">{mark}</i>}
      {text}
    </span>
  );
}

export function Why({ of }: { of: Explanation | undefined }) {
  if (!of) return null;
  const mark = { well: "✓", waiting: "◐", wrong: "▲" }[of.state];
  return (
    <section class={`why ${of.state}`} aria-label="Explanation">
      <p>
        <i aria-hidden="true">{mark}</i>
        {of.sentence}.
      </p>
      {of.remedy && (
        <p class="remedy">
          <b>What to do</b> {of.remedy}
        </p>
      )}
      {of.unseen && (
        <p class="remedy">
          <b>Not seen</b> for lack of rights: {of.unseen.join(", ")}
        </p>
      )}
    </section>
  );
}

export function Problem({ text }: { text: string | undefined }) {
  return text ? (
    <p class="problem" role="alert">
      {text}
    </p>
  ) : null;
}

/** A dialog that takes the keyboard's focus; Escape closes it. */
export function Dialog({
  title,
  close,
  children,
  small = false,
}: {
  title: string;
  close(): void;
  children: ComponentChildren;
  small?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog
      ref={ref}
      class={small ? "small" : ""}
      aria-label={title}
      onClose={close}
      onClick={(event) => event.target === ref.current && close()}
    >
      <div class="inside">
        <header>
          <h2>{title}</h2>
          <button class="plain" aria-label="Close" onClick={close}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks now and again while a view is open; returns why there is no new answer. */
export function useRepeated<T>(
  ask: () => Promise<T>,
  take: (answer: T) => void,
  every_ms: number,
  keys: unknown[],
): string | undefined {
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let [open, timer] = [true, 0];
    const next = async () => {
      try {
        const answer = await ask();
        if (!open) return;
        take(answer);
        setProblem(undefined);
      } catch (thrown) {
        if (!open) return;
        setProblem(messageOf(thrown));
      }
      timer = window.setTimeout(next, every_ms);
    };
    void next();
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, keys);
  return problem;
}

/** A table that is shown whole. */
export function WholeTable({
  label,
  columns,
  rows,
}: {
  label: string;
  columns: readonly string[];
  rows: readonly ComponentChildren[][];
}) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((each) => (
              <th scope="col">{each}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells) => (
            <tr>
              {cells.map((each) => (
                <td>{each}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type Asked<T> = [value: T | undefined, problem: string | undefined];

/** The value of a promise, asked before the first paint, and again when a key changes. */
export function useAsked<T>(ask: () => Promise<T>, keys: unknown[]): Asked<T> {
  const [state, set] = useState<Asked<T>>([undefined, undefined]);
  useLayoutEffect(() => {
    let current = true;
    ask().then(
      (value) => current && set([value, undefined]),
      (thrown: unknown) => current && set([undefined, messageOf(thrown)]),
    );
    return () => {
      current = false;
    };
  }, keys);
  return state;
}
