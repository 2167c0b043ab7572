import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, type DiscoveredResource, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { isNodeReady } from "@raft2kube/controllers/node-state.ts";
import { explain } from "@raft2kube/explain/gather.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type Check, type Finding, failed, ok, warning } from "../preflight/check.ts";
import {
  apiServiceFinding,
  clockFinding,
  deletionFinding,
  imageFinding,
  isPodWell,
  namespaceFinding,
  nodeFinding,
  type WebhookConfiguration,
  webhookFinding,
} from "./objects.ts";

/** Pods that are not well and are explained; the others are counted. */
const EXPLAINED_MAX = 10;
const WEBHOOKS = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];

/**
 * Checks of what a running cluster's objects say: nodes, their clocks, pods, deletions that do not
 * end, webhooks and API services that do not answer. `stopped` nodes are not judged.
 */
export async function objectChecks(client: KubeClient, stopped: readonly string[], now_ms: number) {
  const resources = await discover(client);
  const listOf = async <T extends KubeObject>(kind: string, namespace?: string) => {
    const resource = resources.find((each) => groupResourceOf(each) === kind);
    return resource
      ? (await client.resource(resource as ResourceType<T>).listAll({ namespace })).items
      : [];
  };
  const each = <T extends KubeObject>(
    what: string,
    objects: readonly T[],
    judge: (object: T) => Finding | undefined,
  ) =>
    objects.flatMap((object) => {
      const finding = judge(object);
      return finding ? [check(`${what} ${keyOf(object)}`, finding)] : [];
    });
  const [nodes, leases, pods, namespaces, slices, services, ...webhooks] = await Promise.all([
    listOf<Node>("nodes"),
    listOf<Lease>("leases.coordination.k8s.io", "kube-node-lease"),
    listOf<Pod>("pods"),
    listOf<Namespace>("namespaces"),
    listOf<EndpointSlice>("endpointslices.discovery.k8s.io"),
    listOf<APIService>("apiservices.apiregistration.k8s.io"),
    ...WEBHOOKS.map((kind) => listOf<WebhookConfiguration>(`${kind}.admissionregistration.k8s.io`)),
  ]);
  const judged = nodes.filter(({ metadata: { name = "" } }) => !stopped.includes(name));
  return [
    ...each("node", judged, nodeFinding),
    ...each("clock of node", judged, (node) => {
      const lease = leases.find(({ metadata }) => metadata.name === node.metadata.name);
      return lease && clockFinding(lease, isNodeReady(node), now_ms);
    }),
    ...each("deletion of namespace", namespaces, namespaceFinding),
    ...(await deletionChecks(client, resources, now_ms)),
    ...WEBHOOKS.flatMap((kind, i) =>
      each("webhooks of", webhooks[i]!, (found) => webhookFinding(kind, found, slices)),
    ),
    ...each("APIService", services, apiServiceFinding),
    ...each("image of pod", pods, (pod) => imageFinding(pod, nodes)).slice(0, EXPLAINED_MAX),
    ...(await podChecks(client, pods)),
  ];
}

/** Judges what is being deleted, of any kind; kinds that cannot be listed are named. */
async function deletionChecks(client: KubeClient, resources: DiscoveredResource[], now_ms: number) {
  const deleted: KubeObject[] = [];
  const silent: Check[] = [];
  const look = async (resource: DiscoveredResource) => {
    const kind = groupResourceOf(resource);
    try {
      const list = await client.resource<KubeObject>(resource).listAll({ metadataOnly: true });
      const gone = list.items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
      deleted.push(...gone.map(({ metadata }) => ({ kind, metadata })));
    } catch (thrown) {
      silent.push(check(`list of ${kind}`, failed(messageOf(thrown), `kubectl get ${kind} -A`)));
    }
  };
  await Promise.all(resources.filter((each) => canDo(each, "list", "delete")).map(look));
  return [check("deletions", deletionFinding(deleted, now_ms)), ...silent];
}

/** A check that has been asked. */
export const check = (name: string, finding: Finding): Check => ({
  name,
  ask: async () => finding,
});

/** Pods that are well are counted; of the others each has the reason that r2k explain gives. */
async function podChecks(client: KubeClient, pods: readonly Pod[]): Promise<Check[]> {
  const unwell = pods.filter((pod) => !isPodWell(pod));
  const explained = unwell.slice(0, EXPLAINED_MAX).map(async (pod) => {
    const { namespace = "", name = "" } = pod.metadata;
    const at = { kind: "pod", namespace, name };
    try {
      const explanation = await explain(client, at, client.clock.now());
      if (explanation === undefined) return []; // it was deleted after the list
      const { state, sentence, remedy = "wait" } = explanation;
      const judge = { well: ok, waiting: warning, wrong: failed }[state];
      return [check(`pod ${keyOf(pod)}`, judge(sentence, remedy))];
    } catch (thrown) {
      // Its events may be too many to be read in time: the other findings stay.
      const remedy = `kubectl describe pod -n ${namespace} ${name}`;
      return [check(`pod ${keyOf(pod)}`, failed(messageOf(thrown), remedy))];
    }
  });
  const rest = Math.max(0, unwell.length - EXPLAINED_MAX);
  const count = `${pods.length - unwell.length} well, ${unwell.length} not`;
  const all =
    rest === 0 ? ok(count) : warning(`${count}; ${rest} are not shown`, "kubectl get pods -A");
  return [check("pods", all), ...(await Promise.all(explained)).flat()];
}
