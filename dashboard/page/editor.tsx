import { messageOf } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, get, send } from "./api.ts";
import { discover, type Kind, pathOf } from "./kinds.ts";
import { InputError } from "./text.ts";
import { Dialog, Problem, useAsked } from "./widgets.tsx";

const APPLY = "application/apply-patch+yaml";
const query = (dry: boolean, force = false) =>
  `?fieldManager=r2k-dashboard${force ? "&force=true" : ""}${dry ? "&dryRun=All" : ""}`;

/** YAML to edit: a dry run shows what would change, then server-side apply changes it. */
export function Editor({ path }: { path: string }) {
  const [text, setText] = useState("");
  const [diff, setDiff] = useState<string[]>();
  const [problem, setProblem] = useState<string>();
  const [before, setBefore] = useState("");
  // Read once: a newer object must not replace what is being typed; the API refuses old edits.
  const [current, unread] = useAsked(async () => {
    const [object, { yamlOf }] = await Promise.all([get(path), import("./yaml.ts")]);
    return yamlOf(object);
  }, [path]);
  useEffect(() => {
    setText(current ?? "");
    setBefore(current ?? "");
  }, [current]);
  const apply = async (dry: boolean) => {
    try {
      const result = await send("PATCH", path + query(dry, true), text, APPLY);
      const { changes, yamlOf } = await import("./yaml.ts");
      const after = yamlOf(result);
      setDiff(dry ? changes(before, after) : undefined);
      setProblem(dry ? undefined : "applied");
      if (dry) return;
      setBefore(after);
      setText(after);
    } catch (thrown) {
      setProblem(messageOf(thrown));
    }
  };
  return (
    <>
      <textarea
        aria-label="YAML"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setDiff(undefined);
        }}
      />
      <Problem text={problem ?? unread} />
      {diff && (
        <pre class="diff" tabIndex={0}>
          {diff.map((line) => (
            <div class={line.startsWith("+") ? "added" : "removed"}>{line}</div>
          ))}
          {diff.length === 0 && "nothing would change"}
        </pre>
      )}
      <p>
        <button onClick={() => void apply(true)}>Show what changes</button>{" "}
        <button class="main" disabled={!diff} onClick={() => void apply(false)}>
          Apply
        </button>
      </p>
    </>
  );
}

/** Objects from YAML, several with `---` between them: a dry run of all, then all. */
export function Create({
  kinds,
  namespace,
  close,
}: {
  kinds: readonly Kind[];
  namespace: string;
  close(): void;
}) {
  const [text, setText] = useState("");
  const [results, setResults] = useState<string[]>([]);
  const [tried, setTried] = useState(false);
  const [problem, setProblem] = useState<string>();
  const run = async (dry: boolean) => {
    setProblem(undefined);
    setResults([]);
    try {
      const { objectsIn } = await import("./yaml.ts");
      for (const object of objectsIn(text)) {
        const result = await create(kinds, namespace, object, dry);
        setResults((before) => [...before, result]);
      }
      setTried(dry);
    } catch (thrown) {
      setTried(false);
      setProblem(messageOf(thrown));
    }
  };
  return (
    <Dialog title="Create from YAML" close={close}>
      <p>
        Objects without a namespace go to <b>{namespace || "default"}</b>.
      </p>
      <textarea
        aria-label="YAML"
        spellcheck={false}
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setTried(false);
        }}
      />
      <ul class="effect" aria-live="polite">
        {results.map((line) => (
          <li>{line}</li>
        ))}
      </ul>
      <Problem text={problem} />
      <p>
        <button onClick={() => void run(true)}>Dry run</button>{" "}
        <button class="main" disabled={!tried} onClick={() => void run(false)}>
          Create
        </button>
      </p>
    </Dialog>
  );
}

/** Creates an object or applies it to the one that is there; resolves with what was done. */
async function create(
  kinds: readonly Kind[],
  within: string,
  object: AnyObject,
  dry: boolean,
): Promise<string> {
  const { apiVersion = "", kind: word = "", metadata } = object;
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  const find = (all: readonly Kind[]) =>
    all.find((each) => each.kind === word && each.group === group);
  const kind = find(kinds) ?? find(await discover());
  if (!kind) throw new InputError(`this server has no kind "${word}" in "${apiVersion}"`);
  const { name, namespace = within || "default" } = metadata;
  const at = { ...kind, version };
  if (name === undefined) {
    const made = await send("POST", pathOf(at, namespace) + query(dry), object);
    return `${word} ${made.metadata.name} ${dry ? "would be created" : "created"}`;
  }
  await send("PATCH", pathOf(at, namespace, name) + query(dry), object, APPLY);
  return `${word} ${name} ${dry ? "would be applied" : "applied"}`;
}
