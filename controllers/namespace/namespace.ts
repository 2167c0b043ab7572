import type { Namespace } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { NAMESPACES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { NAMESPACE_QPS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import { deleteContent } from "./content.ts";
import {
  deletionConditions,
  FINALIZER,
  isEmpty,
  isTerminating,
  pauseAfter,
  type RemainingContent,
} from "./plan.ts";

const ACCOUNT = "namespace-controller";

/** Empties namespaces that are being deleted, and lets them go when nothing is left. */
export function startNamespaces(context: ControllerContext): Running {
  const namespaces = context.informers.of(NAMESPACES);
  const client = context.client(ACCOUNT, { qps: NAMESPACE_QPS, burst: NAMESPACE_QPS });
  const writer = client.resource(NAMESPACES);
  /** Namespaces that were not empty when they were looked at, by name. */
  const kept = new Map<string, Pick<RemainingContent, "kinds"> & { readonly looks: number }>();

  const reconcile = async (name: string) => {
    const seen = namespaces.store.get(name);
    const { kinds, looks } = kept.get(name) ?? { kinds: [], looks: 0 };
    kept.delete(name);
    if (!seen || !isTerminating(seen)) return;
    const content = await deleteContent(client, name, kinds);
    try {
      if (isEmpty(content)) await finalize(await writer.get({ name }));
      else await setConditions(await writer.get({ name }), content);
    } catch (thrown) {
      if (isNotFound(thrown)) return;
      throw thrown;
    }
    if (isEmpty(content)) return;
    kept.set(name, { kinds: content.kinds, looks: looks + 1 });
    return { again_ms: pauseAfter(content, looks) };
  };

  const finalize = async (namespace: Namespace) => {
    if (!isTerminating(namespace)) return;
    const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== FINALIZER);
    const finalized = { ...namespace, spec: { ...namespace.spec, finalizers } };
    await writer.updateSubresource({ name: keyOf(namespace) }, "finalize", finalized);
  };

  const setConditions = async (namespace: Namespace, content: RemainingContent) => {
    const conditions = deletionConditions(namespace, content, context.clock.now());
    const old = namespace.status?.conditions ?? [];
    const status = { ...namespace.status, conditions };
    if (JSON.stringify(old) !== JSON.stringify(conditions)) {
      await writer.updateStatus({ ...namespace, status });
    }
  };

  const reads = [namespaces];
  const loop = startLoop(context, {
    queue: "namespace",
    name: ACCOUNT,
    reads,
    workers: 10, // as upstream: some may wait for conversion webhooks that hang
    reconcile,
  });
  const look = (namespace: Namespace) => {
    if (isTerminating(namespace)) loop.queue.add(keyOf(namespace));
  };
  // Its own conditions are no reason to look again: each look lists all objects that are left.
  const updated = (namespace: Namespace, old: Namespace) => {
    if (!isTerminating(old)) look(namespace);
  };
  namespaces.handle({ added: look, updated });
  return loop;
}
