import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import type { PatchType } from "@raft2kube/client-kube/rest/query.ts";
import { CONTROLLER_REVISIONS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { type AnyObject, resource, serverNow_ms } from "./api.ts";
import { dependents } from "./dependents.ts";
import { drain, evictions, type Report } from "./drain.ts";
import { isOf, type Target } from "./kinds.ts";

/** An action on an object, shown with its preview before a person confirms it. */
export interface Action {
  title: string;
  fits(at: Target): boolean;
  preview(at: Target): Promise<string[]>;
  /** A number to enter, and the present one. */
  number?: { label: string; now(at: Target): Promise<string> };
  /** `shown` is the preview that was confirmed. */
  run(at: Target, value: string, report: Report, shown: readonly string[]): Promise<void>;
}

const patch = async ({ kind, object }: Target, type: PatchType, change: unknown, part = {}) =>
  void (await resource(kind).patch({ ...nameOf(object), ...part }, type, change));
const SCALE = { subresource: "scale" };
const replicas = async ({ kind, object }: Target) => {
  const { spec } = await resource(kind).getSubresource<AnyObject>(nameOf(object), "scale");
  return String(spec?.["replicas"] ?? 0);
};
const ROLLED = isOf("deployments.apps", "daemonsets.apps", "statefulsets.apps");

const REVISION = "deployment.kubernetes.io/revision";

const revisionOf = ({ metadata, revision }: AnyObject) =>
  Number(revision ?? metadata.annotations?.[REVISION]);

/** Returns what has the template before the present one. Throws CodedError if nothing has. */
async function previous({ kind, object: { metadata } }: Target): Promise<AnyObject> {
  const type = kind.plural === "deployments" ? REPLICA_SETS : CONTROLLER_REVISIONS;
  const { items } = await resource(type).list({ namespace: metadata.namespace, limit: 500 });
  const [, found] = items
    .filter((of) => of.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
    .sort((a, b) => revisionOf(b) - revisionOf(a));
  if (found) return found;
  throw new CodedError("INPUT", "no earlier revision is kept");
}

function rollBackText(of: AnyObject): string {
  const { name, creationTimestamp } = of.metadata;
  return `To revision ${revisionOf(of)}: ${name}, of ${creationTimestamp}`;
}

async function rollBack(at: Target, shown: readonly string[]): Promise<void> {
  const found = await previous(at);
  if (!shown.includes(rollBackText(found))) {
    throw new CodedError("INPUT", "another revision is the one before by now: look at it again");
  }
  const data = found["data"] as object | undefined;
  if (data) return patch(at, "strategic", data);
  const value = structuredClone(found.spec?.["template"]) as AnyObject;
  delete value.metadata.labels?.["pod-template-hash"];
  await patch(at, "json", [{ op: "replace", path: "/spec/template", value }]);
}

const unschedulable = (title: string, value: boolean, means: string): Action => ({
  title,
  fits: (at) => isOf("nodes")(at) && (at.object.spec?.["unschedulable"] === true) !== value,
  preview: async () => [means],
  run: (at) => patch(at, "merge", { spec: { unschedulable: value || null } }),
});

export const ACTIONS: readonly Action[] = [
  {
    title: "Scale",
    fits: (at) => at.kind.subresources.includes("scale"),
    preview: async () => ["The number of pods changes."],
    // A custom resource keeps the number where its definition says.
    number: { label: "Replicas", now: replicas },
    run: (at, value) => patch(at, "merge", { spec: { replicas: Number(value) } }, SCALE),
  },
  {
    title: "Restart",
    fits: ROLLED,
    preview: async () => ["Its pods are replaced one after the other, as after a change."],
    run: (at) => {
      const now = new Date(serverNow_ms()).toISOString();
      const annotations = { "kubectl.kubernetes.io/restartedAt": now };
      return patch(at, "merge", { spec: { template: { metadata: { annotations } } } });
    },
  },
  {
    title: "Roll back",
    fits: ROLLED,
    preview: async (at) => [rollBackText(await previous(at))],
    run: (at, _value, _report, shown) => rollBack(at, shown),
  },
  unschedulable("Cordon", true, "No new pods come to this node; those on it stay."),
  unschedulable("Uncordon", false, "New pods may come to this node again."),
  { title: "Drain", fits: isOf("nodes"), preview: ({ object }) => evictions(object), run: drain },
  {
    title: "Delete",
    fits: ({ kind }) => canDo(kind, "delete"),
    preview: dependents,
    run: ({ kind, object }) => {
      // Not another one of the same name that came in its place.
      const preconditions = { uid: object.metadata.uid };
      const options = { propagationPolicy: "Background", preconditions } as const;
      return resource(kind).delete(nameOf(object), options);
    },
  },
];
