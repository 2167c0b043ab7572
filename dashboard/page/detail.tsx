import { EXPLAINED, explain } from "@raft2kube/explain/gather.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ActionBar } from "./action-bar.tsx";
import { type AnyObject, get, read, serverNow_ms } from "./api.ts";
import { Editor } from "./editor.tsx";
import { Ports } from "./forwards.tsx";
import { type Kind, keyOf, pathOf, type Target } from "./kinds.ts";
import { useLive } from "./live.ts";
import { Logs, SelectedLogs } from "./logs.tsx";
import { openObject } from "./place.ts";
import { age, Dialog, Problem, Status, useAsked, Why } from "./widgets.tsx";

type EventLine = { type?: string; reason?: string; message?: string };
type Condition = { type: string; status: string; message?: string };

const USED = ["pods", "nodes"];
const PATHS = ["pods", "services"];

function tabsOf(kind: Kind, object: AnyObject | undefined): string[] {
  const key = keyOf(kind);
  const isPod = key === "pods";
  return [
    "Overview",
    "YAML",
    ...(isPod || (object && selectorOf(object)) ? ["Log"] : []),
    ...(PATHS.includes(key) ? ["Path"] : []),
    ...(kind.namespaced ? ["Timeline"] : []),
    ...(isPod ? ["Terminal"] : []),
    ...(USED.includes(key) ? ["Usage"] : []),
  ];
}

/** The selector of an object's pods, of a workload or a Service. */
function selectorOf({ spec = {} }: AnyObject): string | undefined {
  const selector = spec["selector"] as Record<string, unknown> | undefined;
  const labels = spec["template"] ? selector?.["matchLabels"] : spec["ports"] && selector;
  if (typeof labels !== "object" || labels === null) return undefined;
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(",");
}

interface Opened {
  kind: Kind;
  kinds: readonly Kind[];
  namespace: string;
  name: string;
  close(): void;
}

/** One object: why it is so, what can be done with it, YAML, logs, a terminal, its use. */
export function Detail({ kind, kinds, namespace, name, close }: Opened) {
  const [tab, setTab] = useState("Overview");
  const path = pathOf(kind, namespace, name);
  const [object, problem] = useLive(kind, namespace, name);
  const [did, setDid] = useState<string>();
  return (
    <Dialog title={`${kind.kind} ${name}`} close={close}>
      {object && (
        <ActionBar
          at={{ kind, kinds, object, path }}
          done={({ title }) => setDid(`${title}: done`)}
        />
      )}
      {did && <p role="status">{did}</p>}
      <nav class="tabs" aria-label="Views">
        {tabsOf(kind, object).map((each) => (
          <button key={each} aria-pressed={tab === each} onClick={() => setTab(each)}>
            {each}
          </button>
        ))}
      </nav>
      <Problem text={problem} />
      {object && <View tab={tab} at={{ kind, kinds, object, path }} />}
    </Dialog>
  );
}

function View({ tab, at }: { tab: string; at: Target }) {
  const { kind, object, path } = at;
  const isPod = keyOf(kind) === "pods";
  switch (tab) {
    case "YAML":
      return <Editor path={path} />;
    case "Log":
      return isPod ? (
        <Logs pods={[object]} />
      ) : (
        <SelectedLogs
          namespace={object.metadata.namespace ?? ""}
          selector={selectorOf(object) ?? ""}
        />
      );
    case "Path":
      return <Later load={() => import("./path.tsx")} with={{ object, isPod }} />;
    case "Timeline":
      return <Later load={() => import("./timeline.tsx")} with={{ object, kind: kind.kind }} />;
    case "Terminal":
      return <Later load={() => import("./terminal.tsx")} with={{ pod: object }} />;
    case "Usage":
      return <Later load={() => import("./usage.tsx")} with={{ object, isNode: !isPod }} />;
    default:
      return <Overview {...at} />;
  }
}

/** A part of the page that is loaded when it is shown. */
export function Later<T extends object>({
  load,
  with: given,
}: {
  load(): Promise<{ default: FunctionComponent<T> }>;
  with: T;
}) {
  const [part, setPart] = useState<{ of: FunctionComponent<T> }>();
  const [problem, setProblem] = useState<string>();
  useEffect(
    () =>
      void load().then(
        (module) => setPart({ of: module.default }),
        (thrown: unknown) => setProblem(messageOf(thrown)),
      ),
    [],
  );
  return part ? <part.of {...given} /> : <Problem text={problem} />;
}

function Overview({ kind, kinds, object }: Target) {
  const { name, namespace = "", ownerReferences = [], labels = {} } = object.metadata;
  const [why, problem] = useAsked(
    async () =>
      kind.group === "" && kind.plural in EXPLAINED
        ? explain(read, kind.plural, namespace, name, serverNow_ms())
        : undefined,
    [object],
  );
  const owner = (word: string, named: string) => {
    const found = kinds.find((each) => each.kind === word);
    if (!found) return named;
    const open = () => openObject(keyOf(found), found.namespaced ? namespace : undefined, named);
    return (
      <button class="link" onClick={open}>
        {named}
      </button>
    );
  };
  return (
    <>
      <Why of={why} />
      <Problem text={problem} />
      <dl>
        {namespace && (
          <>
            <dt>Namespace</dt>
            <dd>{namespace}</dd>
          </>
        )}
        <dt>Age</dt>
        <dd>{age(object.metadata.creationTimestamp)}</dd>
        {ownerReferences.map((each) => (
          <>
            <dt>Owner</dt>
            <dd>
              {each.kind} {owner(each.kind, each.name)}
            </dd>
          </>
        ))}
        <dt>Labels</dt>
        <dd>
          {Object.entries(labels).map((pair) => (
            <code>{pair.join("=")}</code>
          ))}
        </dd>
      </dl>
      {keyOf(kind) === "pods" && <Ports pod={object} />}
      <Conditions of={(object.status?.["conditions"] ?? []) as Condition[]} />
      <Events kind={kind} object={object} />
    </>
  );
}

function Conditions({ of }: { of: readonly Condition[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>Conditions</h3>
      <ul class="events">
        {of.map((each) => (
          <li>
            <b>{each.type}</b> <Status text={String(each.status)} /> {each.message ?? ""}
          </li>
        ))}
      </ul>
    </>
  );
}

function Events({ kind, object }: { kind: Kind; object: AnyObject }) {
  const { name, namespace } = object.metadata;
  const of = encodeURIComponent(`involvedObject.name=${name},involvedObject.kind=${kind.kind}`);
  const within = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const [events, problem] = useAsked(
    () => get<{ items: EventLine[] }>(`/api/v1${within}/events?fieldSelector=${of}&limit=100`),
    [object],
  );
  return (
    <>
      <h3>Events</h3>
      <Problem text={problem} />
      <ul class="events">
        {(events?.items ?? []).map((event) => (
          <li>
            <Status text={event.type ?? ""} /> <b>{event.reason ?? ""}</b> {event.message ?? ""}
          </li>
        ))}
        {events?.items?.length === 0 && <li>none</li>}
      </ul>
    </>
  );
}
