import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf, type ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  ENDPOINT_SLICES,
  LEASES,
  NAMESPACES,
  NODES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
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
const WEBHOOKS = ["validating", "mutating"].map((kind) => ({
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: `${kind}webhookconfigurations`,
  namespaced: false,
}));
const API_SERVICES = {
  group: "apiregistration.k8s.io",
  version: "v1",
  plural: "apiservices",
  namespaced: false,
};

/**
 * Checks of what a running cluster's objects say: nodes, their clocks, pods, deletions that do not
 * end, webhooks and API services that do not answer. `stopped` nodes are not judged.
 */
export async function objectChecks(
  client: KubeClient,
  stopped: readonly string[],
  now_ms: number,
): Promise<Check[]> {
  const isJudged = ({ metadata: { name = "" } }: Node | Lease) => !stopped.includes(name);
  const listOf = async <T extends KubeObject>(type: ResourceType, namespace?: string) =>
    (await client.resource<T>(type).listAll({ namespace })).items;
  const [nodes, leases, pods, namespaces, slices, services] = await Promise.all([
    listOf<Node>(NODES),
    listOf<Lease>(LEASES, "kube-node-lease"),
    listOf<Pod>(PODS),
    listOf<Namespace>(NAMESPACES),
    listOf<EndpointSlice>(ENDPOINT_SLICES),
    listOf<APIService>(API_SERVICES),
  ]);
  const webhooks = WEBHOOKS.map(async (type) =>
    (await listOf<WebhookConfiguration>(type)).map((each) =>
      check(`webhooks of ${each.metadata.name}`, webhookFinding(type.plural, each, slices)),
    ),
  );
  const ready = new Set(nodes.filter(isNodeReady).map(({ metadata }) => metadata.name));
  return [
    ...nodes.filter(isJudged).map((node) => check(`node ${node.metadata.name}`, nodeFinding(node))),
    ...leases.filter(isJudged).map((lease) => {
      const { name } = lease.metadata;
      return check(`clock of node ${name}`, clockFinding(lease, ready.has(name), now_ms));
    }),
    ...namespaces
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map((each) => check(`deletion of namespace ${each.metadata.name}`, namespaceFinding(each))),
    ...(await deletionChecks(client, now_ms)),
    ...(await Promise.all(webhooks)).flat(),
    ...services
      .map((each) => check(`APIService ${each.metadata.name}`, apiServiceFinding(each)))
      .filter(({ finding }) => finding.state !== "ok"),
    ...pods
      .flatMap((pod) => {
        const finding = imageFinding(pod, nodes);
        const name = `image of pod ${pod.metadata.namespace}/${pod.metadata.name}`;
        return finding === undefined ? [] : [check(name, finding)];
      })
      .slice(0, EXPLAINED_MAX),
    ...(await podChecks(client, pods)),
  ];
}

/** Judges what is being deleted, of any kind; kinds that cannot be listed are named. */
async function deletionChecks(client: KubeClient, now_ms: number): Promise<Check[]> {
  const resources = (await discover(client)).filter((each) => canDo(each, "list", "delete"));
  const deleted: DeletedObject[] = [];
  const silent: Check[] = [];
  await Promise.all(
    resources.map(async (resource) => {
      const kind = groupResourceOf(resource);
      try {
        const { items } = await client
          .resource<KubeObject>(resource)
          .listAll({ metadataOnly: true });
        const gone = items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
        deleted.push(...gone.map(({ metadata }) => ({ kind, metadata })));
      } catch (thrown) {
        silent.push(check(`list of ${kind}`, failed(messageOf(thrown), `kubectl get ${kind} -A`)));
      }
    }),
  );
  return [check("deletions", deletionFinding(deleted, now_ms)), ...silent];
}

const check = (name: string, finding: Finding) => ({ name, finding, ask: async () => finding });

/** Pods that are well are counted; of the others each has the reason that r2k explain gives. */
async function podChecks(client: KubeClient, pods: readonly Pod[]): Promise<Check[]> {
  const unwell = pods.filter((pod) => !isPodWell(pod));
  const explained = await Promise.all(
    unwell.slice(0, EXPLAINED_MAX).map(async ({ metadata }) => {
      const { namespace = "", name = "" } = metadata;
      const explanation = await explainObject(client, `pod/${name}`, namespace);
      const { state, sentence, remedy = "wait" } = explanation;
      const judge = { well: ok, waiting: warning, wrong: failed }[state];
      return check(`pod ${namespace}/${name}`, judge(sentence, remedy));
    }),
  );
  const rest = unwell.length - explained.length;
  const count = `${pods.length - unwell.length} well, ${unwell.length} not`;
  const all =
    rest === 0 ? ok(count) : warning(`${count}; ${rest} are not shown`, "kubectl get pods -A");
  return [check("pods", all), ...explained];
}
