import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import {
  ENDPOINT_SLICES,
  LEASES,
  NAMESPACES,
  NODES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { explainObject } from "../observe/explain-object.ts";
import { type Check, type Finding, failed, ok, warning } from "../preflight/check.ts";
import {
  type ApiService,
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
const WEBHOOK_KINDS = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];

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
  const [nodes, leases, pods, namespaces, slices] = await Promise.all([
    client.resource<Node>(NODES).listAll(),
    client.resource<Lease>(LEASES).listAll({ namespace: "kube-node-lease" }),
    client.resource<Pod>(PODS).listAll(),
    client.resource<Namespace>(NAMESPACES).listAll(),
    client.resource<EndpointSlice>(ENDPOINT_SLICES).listAll(),
  ]);
  return [
    ...nodes.items
      .filter(isJudged)
      .map((node) => check(`node ${node.metadata.name}`, nodeFinding(node))),
    ...leases.items.filter(isJudged).map((lease) => {
      const { name } = lease.metadata;
      const node = nodes.items.find(({ metadata }) => metadata.name === name);
      const isReady = node !== undefined && nodeFinding(node).state !== "failed";
      return check(`clock of node ${name}`, clockFinding(lease, isReady, now_ms));
    }),
    ...namespaces.items
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map((each) => check(`deletion of namespace ${each.metadata.name}`, namespaceFinding(each))),
    ...(await deletionChecks(client, now_ms)),
    ...(await webhookChecks(client, slices.items)),
    ...(await apiServiceChecks(client)),
    ...pods.items
      .flatMap((pod) => {
        const finding = imageFinding(pod, nodes.items);
        const name = `image of pod ${pod.metadata.namespace}/${pod.metadata.name}`;
        return finding === undefined ? [] : [check(name, finding)];
      })
      .slice(0, EXPLAINED_MAX),
    ...(await podChecks(client, pods.items)),
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

const check = (name: string, finding: Finding): Check => {
  return { name, ask: () => Promise.resolve(finding) };
};

async function webhookChecks(
  client: KubeClient,
  slices: readonly EndpointSlice[],
): Promise<Check[]> {
  const checks = WEBHOOK_KINDS.map(async (kind) => {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind}`;
    const { items } = await client.request<{ items: WebhookConfiguration[] }>({
      method: "GET",
      path,
    });
    return items.map((each) =>
      check(`webhooks of ${each.metadata.name}`, webhookFinding(kind, each, slices)),
    );
  });
  return (await Promise.all(checks)).flat();
}

async function apiServiceChecks(client: KubeClient): Promise<Check[]> {
  const path = "/apis/apiregistration.k8s.io/v1/apiservices";
  const { items } = await client.request<{ items: ApiService[] }>({ method: "GET", path });
  const remote = items.filter(({ status }) => {
    return status?.conditions?.some(
      ({ type, status: state }) => type === "Available" && state !== "True",
    );
  });
  return remote.map((each) => check(`APIService ${each.metadata.name}`, apiServiceFinding(each)));
}

/** Pods that are well are counted; of the others each has the reason that r2k explain gives. */
async function podChecks(client: KubeClient, pods: readonly Pod[]): Promise<Check[]> {
  const unwell = pods.filter((pod) => !isPodWell(pod));
  const explained = await Promise.all(
    unwell.slice(0, EXPLAINED_MAX).map(async ({ metadata }) => {
      const { namespace = "", name = "" } = metadata;
      const explanation = await explainObject(client, `pod/${name}`, namespace);
      const { state, sentence, remedy = "wait" } = explanation;
      const finding = {
        well: ok(sentence),
        waiting: warning(sentence, remedy),
        wrong: failed(sentence, remedy),
      }[state];
      return check(`pod ${namespace}/${name}`, finding);
    }),
  );
  const rest = unwell.length - explained.length;
  const count = `${pods.length - unwell.length} well, ${unwell.length} not`;
  const all =
    rest === 0 ? ok(count) : warning(`${count}; ${rest} are not shown`, "kubectl get pods -A");
  return [check("pods", all), ...explained];
}
