import { messageOf } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { ACTIONS, type Action } from "./actions.ts";
import type { Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const LINES_MAX = 300;

/** Actions on an object: each is shown with its effect, and confirmed. */
export function ActionBar({ at, done }: { at: Target; done: (action: Action) => void }) {
  const [chosen, choose] = useState<Action>();
  return (
    <>
      <nav class="tabs" aria-label="Actions">
        {ACTIONS.filter((each) => each.fits(at)).map((each) => (
          <button
            key={each.title}
            aria-expanded={each.title === chosen?.title}
            onClick={() => choose(each.title === chosen?.title ? undefined : each)}
          >
            {each.title}
          </button>
        ))}
      </nav>
      {chosen && (
        <Confirm
          key={chosen.title}
          action={chosen}
          at={at}
          done={() => {
            // Another one may have been chosen meanwhile.
            choose((now) => (now === chosen ? undefined : now));
            done(chosen);
          }}
        />
      )}
    </>
  );
}

function Confirm({ action, at, done }: { action: Action; at: Target; done(): void }) {
  const { field, title } = action;
  const [effect, unread] = useAsked(() => action.preview(at), []);
  const [values, none] = useAsked(async () => field?.values?.(at), []);
  const [typed, type] = useState<string>();
  const [runs, setRuns] = useState(false);
  const [lines, setLines] = useState<string[]>([]);
  const [problem, setProblem] = useState<string>();
  const value = typed ?? values?.[0] ?? field?.value?.(at) ?? "";
  const run = async () => {
    setRuns(true);
    setProblem(undefined);
    try {
      const report = (line: string) => setLines((before) => [...before, line].slice(-LINES_MAX));
      await action.run(at, value, report);
      done();
    } catch (thrown) {
      setProblem(messageOf(thrown));
      setRuns(false);
    }
  };
  return (
    <section class="why" aria-label={`Confirm: ${title}`}>
      {effect ? (
        <ul class="effect">
          {effect.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      ) : (
        !unread && <p>Looking at what this does ...</p>
      )}
      <Problem text={unread ?? none ?? problem} />
      {field && (
        <label>
          {field.label}{" "}
          {values ? (
            <select value={value} onChange={(event) => type(event.currentTarget.value)}>
              {values.map((each) => (
                <option>{each}</option>
              ))}
            </select>
          ) : (
            <input
              type="number"
              min="0"
              value={value}
              onInput={(event) => type(event.currentTarget.value)}
            />
          )}
        </label>
      )}{" "}
      <button
        class="main"
        disabled={runs || !effect || (field && value === "")}
        onClick={() => void run()}
      >
        {title}
      </button>
      {lines.length > 0 && (
        <ul class="effect" aria-live="polite">
          {lines.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      )}
    </section>
  );
}
