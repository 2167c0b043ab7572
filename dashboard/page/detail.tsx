import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { formatLabelTerms, termsOf, termsOfMap } from "@raft2kube/api/selector.ts";
import { EVENTS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { explain } from "@raft2kube/explain/gather.ts";
import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { ActionBar } from "./action-bar.tsx";
import { type AnyObject, byToken, kube, resource, serverNow_ms } from "./api.ts";
import { Forwards } from "./forwards.tsx";
import { isOf, type Target } from "./kinds.ts";
import { useLive } from "./live.ts";
import { FOLLOWED_MAX, Logs } from "./logs.tsx";
import * as show from "./widgets.tsx";

const Editor = show.later(() => import("./editor.tsx"));
const isPod = isOf("pods");
const PODS_EVERY_MS = 5_000;

type ObjectView = readonly [fits: (at: Target) => boolean, view: ComponentType<Target>];

const VIEWS: Readonly<Record<string, ObjectView>> = {
  Overview: [() => true, Overview],
  YAML: [() => true, (at) => <Editor kinds={at.kinds} namespace="" of={at} />],
  Log: [(at) => isPod(at) || selectorOf(at.object) !== "", Log],
  Path: [isOf("pods", "services"), show.later(() => import("./path.tsx"))],
  Timeline: [({ kind }) => kind.namespaced, show.later(() => import("./timeline.tsx"))],
  Terminal: [isPod, show.later(() => import("./terminal.tsx"))],
  Usage: [isOf("pods", "nodes"), show.later(() => import("./usage.tsx"))],
};

/** The selector of a workload's or a Service's pods, as a query; "" if there is none. */
function selectorOf({ spec }: AnyObject): string {
  const { selector, template, ports } = spec ?? {};
  if (!(template || ports) || typeof selector !== "object" || selector === null) return "";
  // Services and ReplicationControllers have plain maps.
  const isMap = !("matchLabels" in selector || "matchExpressions" in selector);
  const terms = isMap
    ? termsOfMap(selector as Record<string, string>)
    : termsOf(selector as object);
  return formatLabelTerms(terms ?? []);
}

type Opened = Omit<Target, "object"> & { namespace: string; name: string; close(): void };

export function Detail({ kind, kinds, namespace, name, close }: Opened) {
  const [tab, setTab] = useState("Overview");
  const [object, problem] = useLive(kind, namespace, name);
  const at = object && { kind, kinds, object };
  const [, View] = VIEWS[tab]!;
  const fitting = Object.keys(VIEWS).filter((each) => at && VIEWS[each]![0](at));
  return (
    <show.Dialog title={`${kind.kind} ${name}`} close={close}>
      <show.Problem text={problem} />
      {at && <ActionBar at={at} />}
      {at && <show.Tabs label="Views" of={fitting} at={tab} set={(name) => setTab(name || tab)} />}
      {at && <View {...at} />}
    </show.Dialog>
  );
}

function Log(at: Target) {
  const { namespace, uid } = at.object.metadata;
  const list = async () => {
    if (isPod(at)) return [];
    const labelSelector = selectorOf(at.object);
    return (await resource(PODS).list({ namespace, labelSelector, limit: FOLLOWED_MAX })).items;
  };
  const [found, problem] = show.useAsked(list, [uid], PODS_EVERY_MS);
  const pods = isPod(at) ? [at.object] : found;
  return pods ? <Logs pods={pods} /> : <show.Problem text={problem} />;
}

function Overview({ kind, kinds, object }: Target) {
  const { metadata } = object;
  const { name, namespace = "", ownerReferences = [], labels = {} } = metadata;
  const [why, problem] = show.useAsked(async () => {
    const at = { kind: kind.plural, namespace, name };
    return kind.group ? undefined : explain(kube, at, serverNow_ms());
  }, [object]);
  const fieldSelector = `involvedObject.name=${name},involvedObject.kind=${kind.kind}`;
  const list = () => resource<Event>(EVENTS).list({ namespace, fieldSelector, limit: 100 });
  const [events, unlisted] = show.useAsked(list, [object]);
  // Where the page's server is not on the browser's machine.
  const forwarding = `kubectl port-forward -n ${namespace} ${name} PORT`;
  // A custom resource may have anything there.
  const conditions = [object.status?.["conditions"] ?? []].flat().filter(Boolean) as Note[];
  const owners = ownerReferences.map(({ kind: word, name: named }) => {
    const found = kinds.find((each) => each.kind === word);
    const link = found && <show.ObjectLink kind={found} namespace={namespace} name={named} />;
    return [word, " ", link ?? named, " "];
  });
  const shown = Object.entries(labels).map((pair) => <code>{pair.join("=")}</code>);
  const age = show.age(metadata.creationTimestamp);
  const facts = { Namespace: namespace, Age: age, Owner: owners, Labels: shown };
  return (
    <>
      {why && <show.Why {...why} />}
      <show.Problem text={problem} />
      <dl>
        {Object.entries(facts).map(([term, means]) => (
          <>
            <dt>{term}</dt>
            <dd>{means.length > 0 ? means : "none"}</dd>
          </>
        ))}
      </dl>
      {isPod({ kind }) && (byToken ? <code>{forwarding}</code> : <Forwards pod={object} />)}
      {conditions.length > 0 && <Notes title="Conditions" of={conditions} />}
      <show.Problem text={unlisted} />
      {events && <Notes title="Events" of={events.items} />}
    </>
  );
}

/** A condition, or an event, whose type is its status. */
type Note = { type?: string; status?: string; reason?: string; message?: string };

const Notes = ({ title, of }: { title: string; of: readonly Note[] }) => (
  <>
    <h3>{title}</h3>
    <show.Lines
      of={of.map(({ type = "", status, reason = "", message = "" }) => (
        <>
          <show.Status text={status ?? type} /> <b>{status ? type : reason}</b>{" "}
          {show.startOf(message)}
        </>
      ))}
    />
    {of.length === 0 && "none"}
  </>
);
