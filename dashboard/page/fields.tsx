import { messageOf } from "@raft2kube/std/errors.ts";
import type { InputHTMLAttributes, SelectHTMLAttributes } from "preact";
import { useState } from "preact/hooks";

type Settable<Attributes> = Attributes & { set(value: string): void };

/** A field whose value is set while it is typed. */
export const Input = ({ set, ...given }: Settable<InputHTMLAttributes>) => (
  <input {...given} onInput={(event) => set(event.currentTarget.value)} />
);

type ChoiceProps = Settable<SelectHTMLAttributes> & {
  /** Values; `all` is the text of the empty one, which comes first. */
  of: readonly string[];
  all?: string | undefined;
};

/** One of some values. */
export const Choice = ({ of, all, set, ...given }: ChoiceProps) => (
  <select {...given} onChange={(event) => set(event.currentTarget.value)}>
    {all !== undefined && <option value="">{all}</option>}
    {of.map((each) => (
      <option>{each}</option>
    ))}
  </select>
);

type CheckProps = { label: string; value: boolean; set(value: boolean): void };

export const Check = ({ label, value, set }: CheckProps) => (
  <label>
    <input type="checkbox" checked={value} onChange={() => set(!value)} /> {label}
  </label>
);

/** Work that a person asks for: whether it runs, and why it failed the last time. */
export function useWork() {
  const [runs, setRuns] = useState(false);
  const [problem, setProblem] = useState<string>();
  const run = async (work: () => Promise<unknown>) => {
    setRuns(true);
    setProblem(undefined);
    try {
      await work();
    } catch (thrown) {
      setProblem(messageOf(thrown));
    }
    setRuns(false);
  };
  return { run: (work: () => Promise<unknown>) => void run(work), runs, problem };
}
