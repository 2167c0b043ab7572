import { messageOf } from "@raft2kube/std/errors.ts";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type AnyObject, get, lines, text } from "./api.ts";
import { PODS, pathOf } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const LINES_MAX = 5_000;
/** Logs that are followed at the same time: each is a stream. */
const FOLLOWED_MAX = 20;
const TAIL_LINES = 1_000;
const DOWNLOAD_BYTES_MAX = 64 << 20;

/** A container whose log is shown, and the label of its lines among those of others. */
type Source = { label: string; path: string };

export function sourcesOf(pods: readonly AnyObject[]): Source[] {
  return pods.flatMap(({ metadata: { namespace = "", name }, spec }) => {
    const all = ["initContainers", "containers"].flatMap(
      (field) => (spec?.[field] ?? []) as { name: string }[],
    );
    return all.map((container) => ({
      label: pods.length > 1 ? `${name} ${container.name}` : container.name,
      path: `${pathOf(PODS, namespace, name, "log")}?container=${encodeURIComponent(container.name)}`,
    }));
  });
}

/** The logs of the pods of a selector. */
export function SelectedLogs({ namespace, selector }: { namespace: string; selector: string }) {
  const query = `limit=${FOLLOWED_MAX}&labelSelector=${encodeURIComponent(selector)}`;
  const path = `${pathOf(PODS, namespace)}?${query}`;
  const [pods, problem] = useAsked(() => get<{ items: AnyObject[] | null }>(path), [path]);
  return (
    <>
      <Problem text={problem} />
      {pods && <Logs pods={pods.items ?? []} />}
    </>
  );
}

/** Logs of containers, followed, in the order in which lines come. */
export function Logs({ pods }: { pods: readonly AnyObject[] }) {
  const sources = useMemo(() => sourcesOf(pods), [pods[0]?.metadata.uid, pods.length]);
  const [only, setOnly] = useState("");
  const [search, setSearch] = useState("");
  const [previous, setPrevious] = useState(false);
  const [problem, setProblem] = useState<string>();
  const chosen = sources.filter(({ label }) => only === "" || label === only);
  const followed = chosen.slice(0, FOLLOWED_MAX);
  const [shown, ends] = useFollowed(followed, previous, `${only} ${previous} ${sources.length}`);
  const found = shown.filter((line) => line.includes(search));
  const save = () =>
    void download(chosen, previous).catch((thrown: unknown) => setProblem(messageOf(thrown)));
  return (
    <>
      <div class="bar">
        <select
          aria-label="Container"
          value={only}
          onChange={(event) => setOnly(event.currentTarget.value)}
        >
          {sources.length > 1 && <option value="">all {sources.length}</option>}
          {sources.map(({ label }) => (
            <option>{label}</option>
          ))}
        </select>
        <input
          aria-label="Search"
          placeholder="search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <label>
          <input
            type="checkbox"
            checked={previous}
            onChange={(event) => setPrevious(event.currentTarget.checked)}
          />{" "}
          before its restart
        </label>
        <span class="count">{found.length} lines</span>
        <button onClick={save}>Download</button>
      </div>
      <Problem text={problem} />
      {chosen.length > followed.length && (
        <Problem text={`only the first ${FOLLOWED_MAX} of ${chosen.length} are followed`} />
      )}
      <pre class="log" tabIndex={0} role="log" aria-label="Lines">
        {found.join("\n")}
      </pre>
      {ends.map((end) => (
        <Problem text={end} />
      ))}
    </>
  );
}

function useFollowed(sources: readonly Source[], previous: boolean, key: string) {
  const [shown, setShown] = useState<string[]>([]);
  const [ends, setEnds] = useState<string[]>([]);
  useEffect(() => {
    let all: string[] = [];
    let frame = 0;
    setShown([]);
    setEnds([]);
    const stops = sources.map(({ label, path }) => {
      const prefix = sources.length > 1 ? `${label} | ` : "";
      const query = `&tailLines=${TAIL_LINES}${previous ? "&previous=true" : "&follow=true"}`;
      return lines(
        path + query,
        (line) => {
          all.push(prefix + line);
          if (all.length > 2 * LINES_MAX) all = all.slice(-LINES_MAX);
          frame ||= requestAnimationFrame(() => {
            frame = 0;
            setShown(all.slice(-LINES_MAX));
          });
        },
        (why) => setEnds((before) => [...before, `${prefix}${why || "the log has ended"}`]),
      );
    });
    return () => {
      for (const stop of stops) stop();
      cancelAnimationFrame(frame);
    };
  }, [key]);
  return [shown, ends] as const;
}

async function download(sources: readonly Source[], previous: boolean): Promise<void> {
  const parts: string[] = [];
  for (const { label, path } of sources) {
    if (sources.length > 1) parts.push(`==> ${label} <==\n`);
    const query = `&limitBytes=${Math.floor(DOWNLOAD_BYTES_MAX / sources.length)}`;
    parts.push(await text(`${path}${query}${previous ? "&previous=true" : ""}`));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.download = `${(sources[0]?.label ?? "none").replace(/\W+/g, "-")}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
}
