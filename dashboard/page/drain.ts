import { type AnyObject, ApiError, get, send } from "./api.ts";
import { PODS, pathOf, type Target } from "./kinds.ts";

const RETRY_MS = 5_000;
const TRIES_MAX = 60;

const isDaemon = ({ metadata }: AnyObject) =>
  metadata.ownerReferences?.some(
    ({ apiVersion, kind, controller }) =>
      kind === "DaemonSet" && apiVersion.startsWith("apps/") && controller,
  ) ?? false;
const isMirror = ({ metadata }: AnyObject) =>
  metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
const isOver = ({ status }: AnyObject) =>
  ["Succeeded", "Failed"].includes(String(status?.["phase"]));

async function podsOn(node: AnyObject): Promise<AnyObject[]> {
  const of = encodeURIComponent(`spec.nodeName=${node.metadata.name}`);
  const { items } = await get<{ items: AnyObject[] | null }>(`/api/v1/pods?fieldSelector=${of}`);
  return items ?? [];
}

const label = ({ metadata: { namespace, name } }: AnyObject) => `${namespace}/${name}`;

/** Lists, in lines, the effect of a drain on each pod of the node. */
export async function evictions(node: AnyObject): Promise<string[]> {
  return [
    "The node is cordoned.",
    ...(await podsOn(node)).map((pod) => {
      if (isDaemon(pod) || isMirror(pod)) return `${label(pod)} stays: it belongs to the node`;
      const volumes = (pod.spec?.["volumes"] ?? []) as { emptyDir?: object }[];
      const loses = volumes.some(({ emptyDir }) => emptyDir)
        ? "; the data in its emptyDir is lost"
        : "";
      const alone =
        isOver(pod) || pod.metadata.ownerReferences?.length ? "" : "; no controller makes it again";
      return `${label(pod)} is evicted${loses}${alone}`;
    }),
  ];
}

/** Cordons the node, then evicts its pods; one that a budget protects is tried again. */
export async function drain(
  { object, path }: Target,
  _: string,
  report: (line: string) => void,
): Promise<void> {
  const cordon = { spec: { unschedulable: true } };
  await send("PATCH", path, cordon, "application/merge-patch+json");
  let left = (await podsOn(object)).filter((pod) => !isDaemon(pod) && !isMirror(pod));
  for (let tries = 0; left.length > 0; tries++) {
    const kept: AnyObject[] = [];
    for (const pod of left) {
      try {
        await evict(pod);
        report(`${label(pod)} is evicted`);
      } catch (thrown) {
        if (!(thrown instanceof ApiError) || thrown.status !== 429) throw thrown;
        if (tries === TRIES_MAX) throw thrown;
        report(`${label(pod)} waits: ${thrown.message}`);
        kept.push(pod);
      }
    }
    left = kept;
    if (left.length > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function evict({ metadata: { namespace = "", name, uid } }: AnyObject): Promise<void> {
  const path = pathOf(PODS, namespace, name, "eviction");
  const body = {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name, namespace },
    deleteOptions: { preconditions: { uid } },
  };
  await send("POST", path, body).catch((thrown: unknown) => {
    // It ended meanwhile.
    if (!(thrown instanceof ApiError) || ![404, 409].includes(thrown.status)) throw thrown;
  });
}
