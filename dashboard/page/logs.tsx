import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { queryString } from "@raft2kube/client-kube/rest/query.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, containersOf, kube, text } from "./api.ts";
import { Check, Choice, Input, useWork } from "./fields.tsx";
import { Problem } from "./widgets.tsx";

const LINES_MAX = 5_000;
/** Logs that are followed at the same time: each is a stream. */
export const FOLLOWED_MAX = 20;
const TAIL_LINES = 1_000;
const DOWNLOAD_BYTES_MAX = 64 << 20;
const LINE_CHARS_MAX = 16_384;

/** A container whose log is shown, and the label of its lines among those of others. */
type Source = { label: string; pod: AnyObject; container: string };

const sourcesOf = (pods: readonly AnyObject[]): Source[] =>
  pods.flatMap((pod) =>
    containersOf(pod).map(({ name: container }) => {
      const label = pods.length > 1 ? `${pod.metadata.name} ${container}` : container;
      return { label, pod, container };
    }),
  );

const pathOf = ({ pod, container }: Source, query: Record<string, number | boolean>) =>
  resourcePath(PODS, { ...nameOf(pod), subresource: "log" }) + queryString({ container, ...query });

export function Logs({ pods }: { pods: readonly AnyObject[] }) {
  const sources = sourcesOf(pods);
  const [only, setOnly] = useState("");
  const [search, setSearch] = useState("");
  const [previous, setPrevious] = useState(false);
  const { run, problem } = useWork();
  const chosen = sources.filter(({ label }) => only === "" || label === only);
  const followed = chosen.slice(0, FOLLOWED_MAX);
  const [shown, ends] = useFollowed(followed, previous);
  const some = `only the first ${FOLLOWED_MAX} of ${chosen.length} are followed`;
  const found = shown.filter((line) => line.includes(search));
  return (
    <>
      <div class="bar">
        <Choice
          aria-label="Container"
          of={sources.map(({ label }) => label)}
          all={sources.length > 1 ? `all ${sources.length}` : undefined}
          value={only}
          set={setOnly}
        />
        <Input label="Search" placeholder="search" value={search} set={setSearch} />
        <Check label="before its restart" value={previous} set={setPrevious} />
        <span class="count">{found.length} lines</span>
        <button onClick={() => run(() => download(chosen, previous))}>Download</button>
      </div>
      {[problem, chosen.length > FOLLOWED_MAX && some, ...ends].map((text) => (
        <Problem text={text} />
      ))}
      <pre class="log" tabIndex={0} role="log" aria-label="Lines">
        {found.join("\n")}
      </pre>
    </>
  );
}

/** The last lines of logs, and why those end that do; another pod, or a start, reads all again. */
function useFollowed(sources: readonly Source[], previous: boolean) {
  const key = sources.map(({ label, pod: { metadata, status } }) => {
    return [label, metadata.uid, status?.["phase"] === "Pending"];
  });
  const [{ lines }, setLog] = useState<{ lines: readonly string[] }>({ lines: [] });
  const [ends, setEnds] = useState<readonly string[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    // Grows to twice of what is shown: no copy of all for each line that comes.
    const kept: string[] = [];
    setLog({ lines: kept });
    setEnds([]);
    const query = { tailLines: TAIL_LINES, ...(previous ? { previous } : { follow: true }) };
    const follow = async (source: Source, prefix: string): Promise<string> => {
      const path = pathOf(source, query);
      const { body } = await kube.open({ method: "GET", path, signal: stop.signal });
      for await (const lines of linesOf(body as AsyncIterable<Uint8Array>)) {
        if (stop.signal.aborted) break;
        for (const line of lines) kept.push(prefix + line);
        if (kept.length > 2 * LINES_MAX) kept.splice(0, kept.length - LINES_MAX);
        setLog({ lines: kept });
      }
      return "the log has ended";
    };
    for (const source of sources) {
      const prefix = sources.length > 1 ? `${source.label} | ` : "";
      const ended = (why: string) =>
        stop.signal.aborted || setEnds((before) => [...before, prefix + why]);
      void follow(source, prefix).catch(messageOf).then(ended);
    }
    return () => stop.abort();
  }, [previous, key.join()]);
  return [lines.slice(-LINES_MAX), ends] as const;
}

async function* linesOf(parts: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let begun = "";
  for await (const part of parts) {
    const lines = (begun + decoder.decode(part, { stream: true })).split("\n").map(cut);
    begun = lines.pop()!;
    // A line of a terminal ends with a carriage return too.
    yield lines.map((line) => line.replace(/\r$/, ""));
  }
  if (begun !== "") yield [begun];
}

/** Cuts a long line; what is added to one that was cut is cut off too. */
const cut = (line: string): string =>
  line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)} ... (cut)` : line;

async function download(sources: readonly Source[], previous: boolean): Promise<void> {
  const parts: string[] = [];
  const limitBytes = Math.floor(DOWNLOAD_BYTES_MAX / sources.length);
  for (const source of sources) {
    if (sources.length > 1) parts.push(`==> ${source.label} <==\n`);
    parts.push(await text(pathOf(source, { limitBytes, ...(previous && { previous }) })));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.download = `${(sources[0]?.label ?? "none").replace(/\W+/g, "-")}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
}
