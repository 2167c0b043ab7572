import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, type DiscoveredResource, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { isNodeReady } from "@raft2kube/controllers/node-state.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { explainObject } from "../observe/explain-object.ts";
import { type Check, type Finding, failed, ok, warning } from "../preflight/check.ts";
import {
  apiServiceFinding,
  clockFinding,
  type DeletedObject,
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

/**
 * Checks of what a running cluster's objects say: nodes, their clocks, pods, deletions that do not
 * end, webhooks and API services that do not answer. `stopped` nodes are not judged.
 */
export async function objectChecks(
  client: KubeClient,
  stopped: readonly string[],
  now_ms: number,
): Promise<Check[]> {
  const resources = await discover(client);
  const listOf = async <T extends KubeObject>(kind: string, namespace?: string) => {
    const resource = resources.find((each) => groupResourceOf(each) === kind);
    return resource ? (await client.resource<T>(resource).listAll({ namespace })).items : [];
  };
  const isJudged = ({ metadata: { name = "" } }: Node | Lease) => !stopped.includes(name);
  const [nodes, leases, pods, namespaces, slices, services] = await Promise.all([
    listOf<Node>("nodes"),
    listOf<Lease>("leases.coordination.k8s.io", "kube-node-lease"),
    listOf<Pod>("pods"),
    listOf<Namespace>("namespaces"),
    listOf<EndpointSlice>("endpointslices.discovery.k8s.io"),
    listOf<APIService>("apiservices.apiregistration.k8s.io"),
  ]);
  const webhooks = ["validating", "mutating"].map(async (way) => {
    const kind = `${way}webhookconfigurations`;
    const found = await listOf<WebhookConfiguration>(`${kind}.admissionregistration.k8s.io`);
    return found.map((each) =>
      check(`webhooks of ${each.metadata.name}`, webhookFinding(kind, each, slices)),
    );
  });
  const ready = new Set(nodes.filter(isNodeReady).map(({ metadata }) => metadata.name));
  const lacking = pods.flatMap((pod) => {
    const finding = imageFinding(pod, nodes);
    return finding ? [check(`image of pod ${keyOf(pod)}`, finding)] : [];
  });
  return [
    ...nodes.filter(isJudged).map((node) => check(`node ${keyOf(node)}`, nodeFinding(node))),
    ...leases.filter(isJudged).map((lease) => {
      const { name } = lease.metadata;
      return check(`clock of node ${name}`, clockFinding(lease, ready.has(name), now_ms));
    }),
    ...namespaces
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map((each) => check(`deletion of namespace ${keyOf(each)}`, namespaceFinding(each))),
    ...(await deletionChecks(client, resources, now_ms)),
    ...(await Promise.all(webhooks)).flat(),
    ...services
      .map((each) => check(`APIService ${keyOf(each)}`, apiServiceFinding(each)))
      .filter(({ finding }) => finding.state !== "ok"),
    ...lacking.slice(0, EXPLAINED_MAX),
    ...(await podChecks(client, pods)),
  ];
}

/** Judges what is being deleted, of any kind; kinds that cannot be listed are named. */
async function deletionChecks(
  client: KubeClient,
  resources: readonly DiscoveredResource[],
  now_ms: number,
): Promise<Check[]> {
  const deleted: DeletedObject[] = [];
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

const check = (name: string, finding: Finding) => ({ name, finding, ask: async () => finding });

/** Pods that are well are counted; of the others each has the reason that r2k explain gives. */
async function podChecks(client: KubeClient, pods: readonly Pod[]): Promise<Check[]> {
  const unwell = pods.filter((pod) => !isPodWell(pod));
  const explained = unwell.slice(0, EXPLAINED_MAX).map(async (pod) => {
    const { namespace = "", name = "" } = pod.metadata;
    const explanation = await explainObject(client, `pod/${name}`, namespace);
    const { state, sentence, remedy = "wait" } = explanation;
    const judge = { well: ok, waiting: warning, wrong: failed }[state];
    return check(`pod ${keyOf(pod)}`, judge(sentence, remedy));
  });
  const rest = Math.max(0, unwell.length - EXPLAINED_MAX);
  const count = `${pods.length - unwell.length} well, ${unwell.length} not`;
  const all =
    rest === 0 ? ok(count) : warning(`${count}; ${rest} are not shown`, "kubectl get pods -A");
  return [check("pods", all), ...(await Promise.all(explained))];
}
