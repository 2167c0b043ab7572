import { isDeepStrictEqual } from "node:util";
import { covers } from "@raft2kube/api/core/v1/quota/scopes.ts";
import { type Counted, chargedUntil, usageOf } from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Pod, ResourceQuota } from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { discover } from "@raft2kube/client-kube/rest/discovery.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  RESOURCE_QUOTAS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { QUOTA_COUNT_MS, QUOTA_RESYNC_MS, QUOTA_SETTLE_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import {
  type Held,
  isUncounted,
  listedUsage,
  otherCounted,
  statusOf,
  untilRelease_ms,
} from "./plan.ts";

const ACCOUNT = "resourcequota-controller";

/** Kinds of the core group that quotas count by their bare name, and that have no informer here. */
const LISTED = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

/**
 * Keeps the status of quotas: limits and usage, counted again whenever pods, services or claims
 * come or go, and from time to time for kinds that are only listed. Lists take long, in which
 * admission writes the quota for each object that is created: the usage is written into the quota
 * as it is after them.
 */
export function startResourceQuota(context: ControllerContext): Running {
  const { clock, informers } = context;
  const quotas = informers.of(RESOURCE_QUOTAS);
  quotas.index(NAMESPACE_INDEX, byNamespace);
  const followed = [
    follow(informers.of(PODS), PODS),
    follow(informers.of(SERVICES), SERVICES),
    follow(informers.of(PERSISTENT_VOLUME_CLAIMS), PERSISTENT_VOLUME_CLAIMS),
  ];
  const client = context.client(ACCOUNT);
  const writer = client.resource(RESOURCE_QUOTAS);

  /** When a quota's kinds that are listed are due again (monotonic), set once it is written. */
  const due_ms = new Map<string, number>();

  const listedOf = (quota: ResourceQuota): Counted[] =>
    otherCounted(quota, LISTED).filter(
      ({ group, plural }) => group !== "" || followed.every((each) => each.plural !== plural),
    );

  const reconcile = async (key: string) => {
    const listed = quotas.store.get(key);
    if (!listed) return void due_ms.delete(key);
    const others = listedOf(listed);
    const isDue = clock.monotonic() >= (due_ms.get(key) ?? 0) || isUncounted(listed, others);
    const namespace = listed.metadata.namespace ?? "";
    const far = isDue && others.length > 0 ? await list(client, others, namespace) : undefined;
    const quota = quotas.store.get(key);
    // A quota that was changed meanwhile is queued again.
    if (!quota || !isDeepStrictEqual(quota.spec, listed.spec)) return;
    const near = followed.map(
      ({ plural, inNamespace }): Held => ({ group: "", plural, objects: inNamespace(namespace) }),
    );
    const status = await statusOf(quota, [...near, ...(far ?? [])], clock.now());
    const charged = { quota, listed: far && listed };
    Object.assign(status.used!, listedUsage(status, others, charged));
    const isShown = isDeepStrictEqual(status, quota.status);
    if (!isShown) await undefinedIfNotFound(writer.updateStatus({ ...quota, status }));
    const isKnown = isDeepStrictEqual(status.hard, quota.status?.hard);
    const now_ms = clock.monotonic();
    if (far) due_ms.set(key, now_ms + (isKnown ? QUOTA_COUNT_MS : QUOTA_SETTLE_MS));
    const near_ms = isShown ? QUOTA_RESYNC_MS : QUOTA_SETTLE_MS;
    const far_ms = others.length > 0 ? due_ms.get(key)! - now_ms : Infinity;
    loop.queue.addAfter(key, Math.min(near_ms, far_ms, untilRelease_ms(near, clock.now())));
  };

  const reads = [quotas, ...followed];
  const loop = startLoop(context, {
    queue: "resourcequota_primary",
    name: ACCOUNT,
    reads,
    workers: 1,
    reconcile,
  });
  const count = (quota: Quota) => loop.queue.add(keyOf(quota));
  // Admission takes from the status of quotas for objects that informers have not seen yet: a
  // change of the status, or a new object, must not cause another count.
  quotas.handle({
    added: count,
    // Nothing is counted for it then, and it is not looked at again.
    deleted: count,
    updated: (quota, old) => {
      if (!isDeepStrictEqual(quota.spec, old.spec)) count(quota);
    },
  });
  const quotasOf = ({ metadata }: KubeObject) =>
    quotas.store.by(NAMESPACE_INDEX, metadata.namespace ?? "");
  for (const { onRelease } of followed) onRelease(quotasOf, count, clock);
  return loop;
}

/** Lists the objects of a namespace that have no informer here. */
async function list(
  client: KubeClient,
  counted: readonly Counted[],
  namespace: string,
): Promise<Held[]> {
  const known = await discover(client);
  const lists = counted.map(async ({ group, plural }): Promise<Held> => {
    const type = known.find((each) => each.group === group && each.plural === plural);
    if (!type?.namespaced) return { group, plural, objects: [] };
    const { items } = await client.resource(type).listAll({ namespace, metadataOnly: true });
    return { group, plural, objects: items };
  });
  return await Promise.all(lists);
}

type Quota = ResourceQuota & KubeObject;

/** Watched objects of one kind, of any type. */
interface Followed {
  readonly plural: string;
  readonly synced: Promise<void>;
  inNamespace(namespace: string): KubeObject[];
  /** Calls back for the quotas of objects that are gone, or may use less than before. */
  onRelease(
    quotasOf: (object: KubeObject) => Quota[],
    count: (quota: Quota) => void,
    clock: Pick<Clock, "now">,
  ): void;
}

export function follow<T extends KubeObject>(
  informer: Pick<Informer<T>, "handle" | "index" | "store" | "synced">,
  type: ResourceType,
): Followed {
  informer.index(NAMESPACE_INDEX, byNamespace);
  return {
    plural: type.plural,
    synced: informer.synced,
    inNamespace: (namespace) => informer.store.by(NAMESPACE_INDEX, namespace),
    onRelease(quotasOf, count, clock) {
      informer.handle({
        deleted: (object) => quotasOf(object).forEach(count),
        updated(object, old) {
          const quotas = quotasOf(object);
          // An object of a namespace without a quota is not counted: it may have 40,000 amounts.
          if (quotas.length === 0) return;
          const now_ms = clock.now();
          const [usage, before] = [object, old].map((each) => usageOf(type, each, now_ms));
          const changed = isDue(type, object, old) || !isDeepStrictEqual(usage, before);
          for (const quota of quotas) {
            if (changed || covers(quota, type, object) !== covers(quota, type, old)) count(quota);
          }
        },
      });
    },
  };
}

/** Whether a pod will be released at another time than before: its quotas wait for it. */
function isDue({ plural }: ResourceType, object: KubeObject, old: KubeObject): boolean {
  return plural === "pods" && chargedUntil(object as Pod) !== chargedUntil(old as Pod);
}
