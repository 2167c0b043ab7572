import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import type { PatchType } from "@raft2kube/client-kube/rest/query.ts";
import { CONTROLLER_REVISIONS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { type AnyObject, resource, serverNow_ms } from "./api.ts";
import { dependents } from "./dependents.ts";
import { drain, type Plan } from "./drain.ts";
import { isOf, type Target } from "./kinds.ts";

export interface Action {
  title: string;
  fits(at: Target): boolean;
  plan(at: Target): Promise<Plan>;
}

const patch = ({ kind, object }: Target, type: PatchType, change: unknown, part = {}) =>
  resource(kind).patch({ ...nameOf(object), ...part }, type, change);

/** A custom resource keeps the number where its definition says. */
async function scale(at: Target): Promise<Plan> {
  const subresource = "scale";
  const { spec } = await resource(at.kind).getSubresource<AnyObject>(nameOf(at.object), "scale");
  return {
    effect: ["The number of pods changes."],
    number: ["Replicas", String(spec?.["replicas"] ?? 0)],
    run: (_, value) => patch(at, "merge", { spec: { replicas: Number(value) } }, { subresource }),
  };
}

async function restart(at: Target): Promise<Plan> {
  const effect = ["Its pods are replaced one after the other, as after a change."];
  const run = () => {
    const now = new Date(serverNow_ms()).toISOString();
    const annotations = { "kubectl.kubernetes.io/restartedAt": now };
    return patch(at, "merge", { spec: { template: { metadata: { annotations } } } });
  };
  return { effect, run };
}

const REVISION = "deployment.kubernetes.io/revision";

const revisionOf = ({ metadata, revision }: AnyObject) =>
  Number(revision ?? metadata.annotations?.[REVISION]);

/** Plans the way back to the template before the present one. Throws CodedError without one. */
async function rollBack(at: Target): Promise<Plan> {
  const { kind, object } = at;
  const { namespace, uid: own } = object.metadata;
  const type = kind.plural === "deployments" ? REPLICA_SETS : CONTROLLER_REVISIONS;
  const { items } = await resource(type).list({ namespace, limit: 500 });
  const [, found] = items
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === own))
    .sort((a, b) => revisionOf(b) - revisionOf(a));
  if (!found) throw new CodedError("INPUT", "no earlier revision is kept");
  const { name, creationTimestamp } = found.metadata;
  const effect = [`To revision ${revisionOf(found)}: ${name}, of ${creationTimestamp}`];
  const { data, spec } = found;
  if (data) return { effect, run: () => patch(at, "strategic", data) };
  const value = structuredClone(spec?.["template"]) as AnyObject;
  delete value.metadata.labels?.["pod-template-hash"];
  const change = [{ op: "replace", path: "/spec/template", value }];
  return { effect, run: () => patch(at, "json", change) };
}

const unschedulable = (title: string, value: boolean, means: string): Action => ({
  title,
  fits: (at) => isOf("nodes")(at) && (at.object.spec?.["unschedulable"] === true) !== value,
  plan: async (at) => ({
    effect: [means],
    run: () => patch(at, "merge", { spec: { unschedulable: value || null } }),
  }),
});

async function deletion(at: Target): Promise<Plan> {
  const { kind, object } = at;
  // Not another one of the same name that came in its place.
  const preconditions = { uid: object.metadata.uid };
  const options = { propagationPolicy: "Background", preconditions } as const;
  const run = () => resource(kind).delete(nameOf(object), options);
  return { effect: await dependents(at), run };
}

const ROLLED = isOf("deployments.apps", "daemonsets.apps", "statefulsets.apps");

export const ACTIONS: readonly Action[] = [
  { title: "Scale", fits: ({ kind }) => kind.subresources.includes("scale"), plan: scale },
  { title: "Restart", fits: ROLLED, plan: restart },
  { title: "Roll back", fits: ROLLED, plan: rollBack },
  unschedulable("Cordon", true, "No new pods come to this node; those on it stay."),
  unschedulable("Uncordon", false, "New pods may come to this node again."),
  { title: "Drain", fits: isOf("nodes"), plan: drain },
  { title: "Delete", fits: ({ kind }) => canDo(kind, "delete"), plan: deletion },
];
