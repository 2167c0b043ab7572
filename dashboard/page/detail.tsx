import { useEffect, useState } from "preact/hooks";
import { EXPLAINED, explain } from "@raft2kube/explain/gather.ts";
import { type AnyObject, get, lines, read, send, serverNow_ms } from "./api.ts";
import { type Kind, pathOf } from "./kinds.ts";
import { Dialog, Problem, Status, Why, age, useAsked } from "./widgets.tsx";

const LOG_LINES_MAX = 5_000;

interface EventLine { type?: string; reason?: string; message?: string }
interface Condition { type: string; status: string; message?: string }

/** One object: why it is so, conditions, events, YAML to edit, and a pod's log. */
export function Detail({ kind, namespace, name, close }: {
  kind: Kind; namespace: string; name: string; close(): void;
}) {
  const [tab, setTab] = useState("Overview");
  const path = pathOf(kind, namespace, name);
  const [object, problem] = useAsked(() => get<AnyObject>(path), [path, tab]);
  const tabs = ["Overview", "YAML", ...(kind.plural === "pods" && !kind.group ? ["Log"] : [])];
  return (
    <Dialog title={`${kind.kind} ${name}`} close={close}>
      <nav class="tabs" aria-label="Views">
        {tabs.map((each) => (
          <button key={each} aria-pressed={tab === each} onClick={() => setTab(each)}>
            {each}</button>
        ))}
      </nav>
      <Problem text={problem} />
      {object && tab === "Overview" && <Overview kind={kind} object={object} />}
      {object && tab === "YAML" && <Editor path={path} />}
      {object && tab === "Log" && <Log object={object} />}
    </Dialog>
  );
}

function Overview({ kind, object }: { kind: Kind; object: AnyObject }) {
  const { name, namespace = "", ownerReferences = [], labels = {} } = object.metadata;
  const [why, problem] = useAsked(async () => kind.group === "" && kind.plural in EXPLAINED
    ? explain(read, kind.plural, namespace, name, serverNow_ms()) : undefined, [object]);
  const of = encodeURIComponent(`involvedObject.name=${name},involvedObject.kind=${kind.kind}`);
  const within = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const [events, noEvents] = useAsked(() =>
    get<{ items: EventLine[] }>(`/api/v1${within}/events?fieldSelector=${of}&limit=100`), [object]);
  const conditions = (object.status?.["conditions"] ?? []) as Condition[];
  return (
    <>
      <Why of={why} /><Problem text={problem} />
      <dl>
        {namespace && <><dt>Namespace</dt><dd>{namespace}</dd></>}
        <dt>Age</dt><dd>{age(object.metadata.creationTimestamp)}</dd>
        {ownerReferences.map((owner) => <><dt>Owner</dt><dd>{owner.kind} {owner.name}</dd></>)}
        <dt>Labels</dt>
        <dd>{Object.entries(labels).map(([key, value]) => <code>{key}={value}</code>)}</dd>
      </dl>
      {conditions.length > 0 && <><h3>Conditions</h3><ul class="events">{conditions.map((each) => (
        <li><b>{each.type}</b> <Status text={String(each.status)} /> {each.message}</li>))}</ul></>}
      <h3>Events</h3><Problem text={noEvents} />
      <ul class="events">{(events?.items ?? []).map((event) => (
        <li><Status text={event.type ?? ""} /> <b>{event.reason}</b> {event.message}</li>))}
        {events?.items?.length === 0 && <li>none</li>}</ul>
    </>
  );
}

/** YAML to edit: a dry run shows what would change, then server-side apply changes it. */
function Editor({ path }: { path: string }) {
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
      const query = `?fieldManager=r2k-dashboard&force=true${dry ? "&dryRun=All" : ""}`;
      const result = await send("PATCH", path + query, text, "application/apply-patch+yaml");
      const { changes, yamlOf } = await import("./yaml.ts");
      const after = yamlOf(result);
      setDiff(changes(before, after));
      if (!dry) setBefore(after);
      setProblem(dry ? undefined : "applied");
    } catch (thrown) {
      setProblem(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
  return (
    <>
      <textarea aria-label="YAML" spellcheck={false} value={text}
        onInput={(event) => { setText(event.currentTarget.value); setDiff(undefined); }} />
      <Problem text={problem ?? unread} />
      {diff && <pre class="diff">{diff.map((line) => (
        <div class={line.startsWith("+") ? "added" : "removed"}>{line}</div>))}
        {diff.length === 0 && "nothing would change"}</pre>}
      <p><button onClick={() => void apply(true)}>Show what changes</button>{" "}
        <button class="main" disabled={!diff} onClick={() => void apply(false)}>Apply</button></p>
    </>
  );
}

function Log({ object }: { object: AnyObject }) {
  const containers = (object.spec?.["containers"] ?? []) as { name: string }[];
  const names = containers.map((each) => each.name);
  const [container, setContainer] = useState(names[0] ?? "");
  const [shown, setShown] = useState<string[]>([]);
  const [search, setSearch] = useState("");
  const [end, setEnd] = useState<string>();
  const { namespace = "", name } = object.metadata;
  useEffect(() => {
    let all: string[] = [];
    let frame = 0;
    const within = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
    const path = `${within}/pods/${encodeURIComponent(name)}` +
      `/log?follow=true&tailLines=1000&container=${encodeURIComponent(container)}`;
    setEnd(undefined);
    const stop = lines(path, (line) => {
      all.push(line);
      if (all.length > 2 * LOG_LINES_MAX) all = all.slice(-LOG_LINES_MAX);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setShown(all.slice(-LOG_LINES_MAX));
      });
    }, (why) => setEnd(why || "the log has ended"));
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [container]);
  return (
    <>
      <p><select aria-label="Container"
        onChange={(event) => setContainer(event.currentTarget.value)}>
        {names.map((each) => <option>{each}</option>)}</select>{" "}
        <input aria-label="Search" placeholder="search" value={search}
          onInput={(event) => setSearch(event.currentTarget.value)} /></p>
      <pre class="log" tabIndex={0}>{shown.filter((line) => line.includes(search)).join("\n")}</pre>
      <Problem text={end} />
    </>
  );
}
