import { useState } from "preact/hooks";
import { ACTIONS, type Action } from "./actions.ts";
import { Choice, Input, useWork } from "./fields.tsx";
import type { Target } from "./kinds.ts";
import { Lines, Problem, Tabs, useAsked } from "./widgets.tsx";

const LINES_MAX = 300;

/** Actions on an object: each is shown with its effect, and confirmed. */
export function ActionBar({ at }: { at: Target }) {
  const [title, choose] = useState<string>();
  const [did, setDid] = useState<string>();
  const fitting = ACTIONS.filter((each) => each.fits(at));
  const chosen = fitting.find((each) => each.title === title);
  const done = () => {
    // Another one may have been chosen meanwhile.
    choose((now) => (now === title ? undefined : now));
    setDid(`${title}: done`);
  };
  return (
    <>
      <Tabs
        label="Actions"
        of={fitting.map((each) => each.title)}
        at={title}
        choose={(name) => choose(name === title ? undefined : name)}
      />
      {chosen && <Confirm key={title} action={chosen} at={at} done={done} />}
      {did && <p role="status">{did}</p>}
    </>
  );
}

function Confirm({ action, at, done }: { action: Action; at: Target; done(): void }) {
  const { field, title } = action;
  const [effect, unread] = useAsked(() => action.preview(at), []);
  const [values, none] = useAsked(async () => field?.values?.(at), []);
  const [typed, type] = useState<string>();
  const [lines, setLines] = useState<string[]>([]);
  const { run, runs, problem } = useWork();
  const value = typed ?? values?.[0] ?? field?.value?.(at) ?? "";
  const report = (line: string) => setLines((before) => [...before, line].slice(-LINES_MAX));
  return (
    <section class="why" aria-label={`Confirm: ${title}`}>
      {effect ? <Lines of={effect} /> : !unread && <p>Looking at what this does ...</p>}
      <Problem text={unread ?? none ?? problem} />
      {field && (
        <label>
          {field.label}{" "}
          {values ? (
            <Choice of={values} value={value} set={type} />
          ) : (
            <Input type="number" min="0" value={value} set={type} />
          )}
        </label>
      )}{" "}
      <button
        class="main"
        disabled={runs || !effect || (field && value === "")}
        onClick={() => run(() => action.run(at, value, report).then(done))}
      >
        {title}
      </button>
      {lines.length > 0 && <Lines of={lines} />}
    </section>
  );
}
