import { useState } from "preact/hooks";
import { ACTIONS, type Action } from "./actions.ts";
import { Choice, Form } from "./fields.tsx";
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
  const [[values, value] = [], none] = useAsked(
    () => Promise.all([field?.values?.(at), field?.value?.(at)]),
    [],
  );
  const [lines, setLines] = useState<string[]>([]);
  const report = (line: string) => setLines((before) => [...before, line].slice(-LINES_MAX));
  const isReady = effect && (!field?.values || values?.length);
  return (
    <section class="why" aria-label={`Confirm: ${title}`}>
      {effect ? <Lines of={effect} /> : !unread && <p>Looking at what this does ...</p>}
      <Problem text={unread ?? none} />
      <Form
        act={title}
        disabled={!isReady}
        run={({ value = "" }) => action.run(at, value, report).then(() => void done())}
      >
        {field && (
          <label>
            {field.label}{" "}
            {field.values ? (
              <Choice of={values ?? []} name="value" />
            ) : (
              <input type="number" min="0" name="value" defaultValue={value} required />
            )}
          </label>
        )}
      </Form>
      {lines.length > 0 && <Lines of={lines} />}
    </section>
  );
}
