import { messageOf } from "@raft2kube/std/errors.ts";
import type { ComponentChildren, InputHTMLAttributes, SelectHTMLAttributes } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "./widgets.tsx";

type Set = (value: string) => void;
type InputProps = InputHTMLAttributes & { label: string; set?: Set; done?: Set };

/** A field with a label for screen readers; its value is set while it is typed, or when it is done. */
export const Input = ({ label, set, done, ...given }: InputProps) => (
  <input
    aria-label={label}
    onInput={(event) => set?.(event.currentTarget.value)}
    onChange={(event) => done?.(event.currentTarget.value)}
    {...given}
  />
);

/** Choices; `all` is the text of the empty one, which comes first. */
type Choices = { of: readonly string[]; all?: string | undefined; set?: Set };

export const Choice = ({ of, all, set, ...given }: Choices & SelectHTMLAttributes) => (
  <select {...given} onChange={(event) => set?.(event.currentTarget.value)}>
    {all !== undefined && <option value="">{all}</option>}
    {of.map((each) => (
      <option>{each}</option>
    ))}
  </select>
);

export const Check = (of: { label: string; value: boolean; set(value: boolean): void }) => (
  <label>
    <input type="checkbox" checked={of.value} onChange={() => of.set(!of.value)} /> {of.label}
  </label>
);

/** Work that a person asks for: whether it runs, and why it failed the last time. */
export function useWork() {
  const [runs, setRuns] = useState(false);
  const [problem, setProblem] = useState<string>();
  const run = (work: () => Promise<unknown>) => {
    setRuns(true);
    const settled = (thrown?: unknown) => {
      setRuns(false);
      setProblem(thrown === undefined ? undefined : messageOf(thrown));
    };
    void work().then(() => settled(), settled);
  };
  return { run, runs, problem };
}

type FormProps = {
  children: ComponentChildren;
  act: string;
  disabled?: boolean;
  /** Works with the values of the named fields; resolves with a text to show, if any. */
  run(values: Readonly<Record<string, string>>): Promise<string | void>;
};

export function Form({ children, act, disabled = false, run: work }: FormProps) {
  const { run, runs, problem } = useWork();
  const [answer, setAnswer] = useState<string | void>();
  const submit = (event: Event & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>;
    setAnswer(undefined);
    run(async () => setAnswer(await work(values)));
  };
  return (
    <form class="bar" onSubmit={submit}>
      {children}
      <button class="main" disabled={runs || disabled}>
        {act}
      </button>
      <output>{answer ?? ""}</output>
      <Problem text={problem} />
    </form>
  );
}
