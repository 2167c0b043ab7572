import { isForbidden } from "@raft2kube/client-kube/errors.ts";
import type { WriteOptions } from "@raft2kube/client-kube/rest/query.ts";
import { CodedError, tolerate } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { type AnyObject, resource } from "./api.ts";
import { useWork } from "./fields.tsx";
import { discover, type Kind, type Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";
import { changes, objectsIn, yamlOf } from "./yaml.ts";

/** The context of objects: those without a namespace go to `namespace`; `of` is the one to edit. */
type Within = { kinds: readonly Kind[]; namespace: string; of?: Pick<Target, "kind" | "object"> };

/**
 * YAML of objects, several with `---` between them: a dry run shows what would change, then
 * server-side apply changes it. The fields of the one object to edit are taken over.
 */
export default function Editor(within: Within) {
  const { of } = within;
  const [typed, setTyped] = useState<string>();
  const [lines, setLines] = useState<string[]>([]);
  const [tried, setTried] = useState<string>();
  const [round, setRound] = useState(0);
  const { run, runs, problem } = useWork();
  // Read once: a newer object must not replace what is being typed; the API refuses old edits.
  const [current, unread] = useAsked(async () => {
    if (!of) return undefined;
    return yamlOf(await resource(of.kind).get(of.object.metadata));
  }, [of?.object.metadata.uid, round]);
  const text = typed ?? current ?? "";
  const apply = async (dryRun?: "All") => {
    setTried(undefined);
    setLines([]);
    const options = { fieldManager: "r2k-dashboard", dryRun, ...(of && { force: true }) };
    for (const object of objectsIn(text)) {
      const more = await applied(object, within, options);
      setLines((before) => [...before, ...more]);
    }
    if (dryRun) return setTried(text);
    setTyped(of ? undefined : text);
    setRound(round + 1);
  };
  return (
    <>
      <textarea
        aria-label="YAML"
        spellcheck={false}
        value={text}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      <Problem text={unread ?? problem} />
      <pre class="diff" tabIndex={0} role="region" aria-label="Changes" aria-live="polite">
        {lines.map((line) => (
          <div class={{ "+": "good", "-": "bad" }[line[0]!] ?? ""}>{line}</div>
        ))}
      </pre>
      <p class="bar">
        <button disabled={runs} onClick={() => run(() => apply("All"))}>
          Show what changes
        </button>
        <button class="main" disabled={runs || tried !== text} onClick={() => run(apply)}>
          Apply
        </button>
      </p>
    </>
  );
}

/** Creates an object, or applies it to the one that is there; resolves with what changed. */
async function applied(object: AnyObject, within: Within, options: WriteOptions) {
  const { kinds, namespace: otherwise, of } = within;
  const { apiVersion = "", kind: word = "", metadata } = object;
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  const find = (all: readonly Kind[]) =>
    all.find((each) => each.kind === word && each.group === group);
  const kind = of ? find([of.kind]) : (find(kinds) ?? find(await discover()));
  const place = of ? "this edits an object that is" : "this server has";
  if (!kind) throw new CodedError("INPUT", `${place} no "${word}" in "${apiVersion}"`);
  // Where another name is written than that of the edited object, the API server refuses it.
  const { name, namespace = otherwise || "default" } = of?.object.metadata ?? metadata;
  const client = resource({ ...kind, version });
  const is = options.dryRun ? "would be" : "is";
  if (name === undefined) {
    const made = await client.create({ ...object, metadata: { ...metadata, namespace } }, options);
    return [`${word} ${made.metadata.name} ${is} created`];
  }
  // A list, since browsers log each object that is not found as an error of the page.
  const fieldSelector = `metadata.name=${name}`;
  const listed = await tolerate(client.list({ namespace, fieldSelector }), isForbidden);
  const before = listed?.items[0];
  const after = await client.patch({ namespace, name }, "apply", object, options);
  if (!before) return [`${word} ${name} ${is} ${listed ? "created" : "applied"}`];
  const differences = changes(yamlOf({ ...before, apiVersion, kind: word }), yamlOf(after));
  return [`${word} ${name} ${is} ${differences.length > 0 ? "" : "un"}changed`, ...differences];
}
