import type { NodeMetrics, PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { timeOf } from "@raft2kube/api/time.ts";
import { notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { selects } from "../../cache/selection.ts";
import { walkFrom } from "../../cache/states.ts";
import type { Entry } from "../../object/entry.ts";
import { readListOptions } from "../../registry/list-options.ts";
import { selectionOf } from "../../registry/selection.ts";
import { type Answer, objectAnswer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import { keyOf } from "../../storage/keys.ts";
import type { ApiServer, Serve } from "../server.ts";
import { nodeUsage, podUsage, type Usage, type Window } from "./points.ts";

type Windows = ReadonlyMap<string, Window>;

/** Serves NodeMetrics: of the nodes that are there, those that were measured twice. */
export const serveNodeMetrics: Serve = async (server, resource, context) => {
  const windows = await server.scraper.windows();
  const metricsOf = (entry: Entry): NodeMetrics | undefined => {
    const window = windows.get(entry.name);
    const used = window && nodeUsage(window);
    if (used === undefined) return undefined;
    const { timestamp, window: length, usage } = used;
    return { ...head(server, resource, entry), timestamp, window: length, usage };
  };
  const nodes = server.resources.of("v1", "nodes");
  return await answer<NodeMetrics>({ resource, context, measured: nodes, metricsOf });
};

/** Serves PodMetrics: of the pods that run, those that their own node has measured twice. */
export const servePodMetrics: Serve = async (server, resource, context) => {
  const windows = await server.scraper.windows();
  const metricsOf = (entry: Entry): PodMetrics | undefined => {
    if (entry.fields["status.phase"] !== "Running") return undefined;
    const used = usageOf(windows, entry);
    if (used === undefined) return undefined;
    const containers = [...used].map(([name, { usage }]) => ({ name, usage }));
    // The earliest stands for all.
    const [first] = [...used.values()].sort((a, b) => a.timestamp_ms - b.timestamp_ms);
    const { timestamp, window } = first!;
    return { ...head(server, resource, entry), timestamp, window, containers };
  };
  const pods = server.resources.of("v1", "pods");
  return await answer<PodMetrics>({ resource, context, measured: pods, metricsOf });
};

/** A kubelet is believed about the pods of its node alone. */
function usageOf(windows: Windows, entry: Entry): Map<string, Usage> | undefined {
  const window = windows.get(entry.fields["spec.nodeName"] ?? "");
  return window && podUsage(window, `${entry.namespace}/${entry.name}`);
}

function head(
  { clock }: ApiServer,
  { kind: { group, version, kind } }: Resource,
  entry: Entry,
): KubeObject {
  const { name, namespace, labels } = entry;
  return {
    kind,
    apiVersion: `${group}/${version}`,
    metadata: {
      name,
      ...(namespace === "" ? {} : { namespace }),
      creationTimestamp: timeOf(clock.now()),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    },
  };
}

interface Asked<T extends KubeObject> {
  readonly resource: Resource;
  readonly context: RequestContext;
  /** Nodes or pods. */
  readonly measured: Resource;
  metricsOf(entry: Entry): T | undefined;
}

async function answer<T extends KubeObject>({
  resource,
  context,
  measured,
  metricsOf,
}: Asked<T>): Promise<Answer> {
  const { info, query } = context;
  const { kind } = resource;
  const cache = await measured.cache();
  const namespace = kind.namespaced ? info.namespace : "";
  if (info.verb !== "list") {
    const entry = cache.get(keyOf(measured.kind, namespace, info.name));
    if (entry === undefined) throw notFound(measured.subject, info.name);
    const found = metricsOf(entry);
    if (found !== undefined) return objectAnswer(found, kind);
    const named = namespace === "" ? info.name : `${namespace}/${info.name}`;
    throw notFound(resource.subject, named);
  }
  // The fields that can be selected by are those of the metrics.
  const { labelSelector, fieldSelector } = readListOptions(kind, query);
  const selection = selectionOf(measured.kind, namespace, { labelSelector, fieldSelector });
  const items: Buffer[] = [];
  walkFrom(cache.state, selection.prefix, selection.prefix, (entry) => {
    const found = selects(selection, entry) ? metricsOf(entry) : undefined;
    if (found !== undefined) items.push(Buffer.from(JSON.stringify(found)));
  });
  return { type: "list", list: { kind, revision: 0, items } };
}
