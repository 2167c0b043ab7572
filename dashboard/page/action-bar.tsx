import { useState } from "preact/hooks";
import { ACTIONS, type Action } from "./actions.ts";
import { Form } from "./fields.tsx";
import type { Target } from "./kinds.ts";
import { Lines, Problem, Tabs, useAsked } from "./widgets.tsx";

const LINES_MAX = 300;

/** Actions on an object: each is shown with its effect, and confirmed. */
export function ActionBar({ at }: { at: Target }) {
  const [title, choose] = useState("");
  const [did, setDid] = useState("");
  const fitting = ACTIONS.filter((each) => each.fits(at));
  const chosen = fitting.find((each) => each.title === title);
  const done = () => {
    // Another one may have been chosen meanwhile.
    choose((now) => (now === title ? "" : now));
    setDid(`${title}: done`);
  };
  return (
    <>
      <Tabs label="Actions" of={fitting.map((each) => each.title)} at={title} set={choose} />
      {chosen && <Confirm key={title} action={chosen} at={at} done={done} />}
      {did && <p role="status">{did}</p>}
    </>
  );
}

function Confirm({ action, at, done }: { action: Action; at: Target; done(): void }) {
  const { title } = action;
  const [plan, problem] = useAsked(() => action.plan(at), []);
  const [number, now] = plan?.number ?? [];
  const [lines, setLines] = useState<string[]>([]);
  const report = (line: string) => setLines((before) => [...before, line].slice(-LINES_MAX));
  return (
    <section class="why" aria-label={`Confirm: ${title}`}>
      {!problem && <Lines of={plan?.effect ?? ["Looking at what this does ..."]} class="effect" />}
      <Problem text={problem} />
      <Form
        act={title}
        disabled={!plan}
        run={async ({ value = "" }) => plan?.run(report, value).then(done)}
      >
        {number && (
          <label>
            {number} <input type="number" min="0" name="value" defaultValue={now} required />
          </label>
        )}
      </Form>
      {lines.length > 0 && <Lines of={lines} class="effect" />}
    </section>
  );
}
