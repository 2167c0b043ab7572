import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { EVENTS } from "@raft2kube/client-kube/rest/resources.ts";
import { EXPLAINED, explain } from "@raft2kube/explain/gather.ts";
import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { ActionBar } from "./action-bar.tsx";
import { type AnyObject, kube, resource, serverNow_ms } from "./api.ts";
import { Editor } from "./editor.tsx";
import { Ports } from "./forwards.tsx";
import { isOf, type Kind, type Target } from "./kinds.ts";
import { useLive } from "./live.ts";
import { Logs, SelectedLogs } from "./logs.tsx";
import { openObject } from "./place.ts";
import { age, Dialog, Facts, later, Problem, Status, Tabs, useAsked, Why } from "./widgets.tsx";

type EventLine = AnyObject & { type?: string; reason?: string; message?: string };
type Condition = { type: string; status: string; message?: string };

const isPod = isOf("pods");

/** The views of an object, by their titles. */
const VIEWS: Readonly<Record<string, { fits(at: Target): boolean; view: ComponentType<Target> }>> =
  {
    Overview: { fits: () => true, view: Overview },
    YAML: { fits: () => true, view: Yaml },
    Log: { fits: (at) => isPod(at) || selectorOf(at.object) !== undefined, view: Log },
    Path: { fits: isOf("pods", "services"), view: later(() => import("./path.tsx")) },
    Timeline: { fits: ({ kind }) => kind.namespaced, view: later(() => import("./timeline.tsx")) },
    Terminal: { fits: isPod, view: later(() => import("./terminal.tsx")) },
    Usage: { fits: isOf("pods", "nodes"), view: later(() => import("./usage.tsx")) },
  };

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
  const [object, problem] = useLive(kind, namespace, name);
  const at = object && { kind, kinds, object };
  const View = VIEWS[tab]!.view;
  return (
    <Dialog title={`${kind.kind} ${name}`} close={close}>
      <Problem text={problem} />
      {at && (
        <>
          <ActionBar at={at} />
          <Tabs
            label="Views"
            of={Object.keys(VIEWS).filter((each) => VIEWS[each]!.fits(at))}
            at={tab}
            choose={setTab}
          />
          <View {...at} />
        </>
      )}
    </Dialog>
  );
}

function Yaml({ kind, kinds, object: { metadata } }: Target) {
  return <Editor kinds={kinds} namespace="" of={{ kind, metadata }} />;
}

function Log(at: Target) {
  const { namespace = "" } = at.object.metadata;
  if (isPod(at)) return <Logs pods={[at.object]} />;
  return <SelectedLogs namespace={namespace} selector={selectorOf(at.object) ?? ""} />;
}

function Overview({ kind, kinds, object }: Target) {
  const { metadata } = object;
  const { name, namespace = "", ownerReferences = [], labels = {} } = metadata;
  const [why, problem] = useAsked(
    async () =>
      kind.group === "" && kind.plural in EXPLAINED
        ? explain(kube, kind.plural, namespace, name, serverNow_ms())
        : undefined,
    [object],
  );
  const owner = (word: string, named: string) => {
    const found = kinds.find((each) => each.kind === word);
    if (!found) return named;
    const within = found.namespaced ? namespace : undefined;
    return (
      <button class="link" onClick={() => openObject(groupResourceOf(found), within, named)}>
        {named}
      </button>
    );
  };
  return (
    <>
      <Why of={why} />
      <Problem text={problem} />
      <Facts
        of={[
          ...(namespace ? [["Namespace", namespace] as const] : []),
          ["Age", age(metadata.creationTimestamp)],
          ...ownerReferences.map((each) => {
            return ["Owner", [each.kind, " ", owner(each.kind, each.name)]] as const;
          }),
          ["Labels", Object.entries(labels).map((pair) => <code>{pair.join("=")}</code>)],
        ]}
      />
      {isPod({ kind }) && <Ports pod={object} />}
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
  const fieldSelector = `involvedObject.name=${name},involvedObject.kind=${kind.kind}`;
  const [events, problem] = useAsked(
    () => resource<EventLine>(EVENTS).list({ namespace, fieldSelector, limit: 100 }),
    [object],
  );
  return (
    <>
      <h3>Events</h3>
      <Problem text={problem} />
      <ul class="events">
        {events?.items.map(({ type = "", reason, message }) => (
          <li>
            <Status text={type} /> <b>{reason ?? ""}</b> {message ?? ""}
          </li>
        ))}
        {events?.items.length === 0 && <li>none</li>}
      </ul>
    </>
  );
}
