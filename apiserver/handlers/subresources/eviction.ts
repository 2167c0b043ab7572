import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { admissionRequest } from "../../admission/plugin.ts";
import { UPDATE_ATTEMPTS_MAX } from "../../limits.ts";
import { checkPreconditions, countAsDeletion, deleteObject } from "../../registry/delete.ts";
import { type DeleteRequest, readDeleteBody } from "../../registry/delete-options.ts";
import { internalWrite } from "../../registry/internal-write.ts";
import { listObjects } from "../../registry/list.ts";
import type { WriteOptions } from "../../registry/write-options.ts";
import type { Resource } from "../../resource/resource.ts";
import type { ChangeOptions } from "../../storage/object-store.ts";
import type { ApiServer, Serve } from "../server.ts";
import { readObject, writeOptionsOf } from "../write-request.ts";
import { withCondition } from "./conditions.ts";
import {
  type Budget,
  budgetAmong,
  budgetNotReady,
  type EvictedPod,
  goesForFree,
  needsBudget,
  spendBudget,
} from "./disruption-budget.ts";
import { createdAnswer } from "./success.ts";

interface Eviction extends KubeObject {
  deleteOptions?: { dryRun?: string[] };
}

const FORM = {
  kind: { group: "policy", version: "v1", kind: "Eviction" },
  otherVersions: ["policy/v1beta1"],
  schema: "policy/v1.Eviction",
};

/** POST pods/NAME/eviction: a deletion that disruption budgets may refuse for now (429). */
export const serveEviction: Serve = async (server, resource, context) => {
  const { info, query } = context;
  const given = writeOptionsOf(context);
  const eviction = await readObject<Eviction>(context, FORM, given);
  if (eviction.metadata.name !== info.name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const read = (): DeleteRequest =>
    readDeleteBody({
      ...eviction.deleteOptions,
      dryRun: [...(eviction.deleteOptions?.dryRun ?? []), ...query.getAll("dryRun")],
    });
  const { dryRun } = read();
  const options = { ...given, dryRun };
  // Before anything of it is done: a budget that was spent is not given back.
  const admitted = admissionRequest("CREATE", resource, info, { object: eviction }, options);
  await server.admission.admit(admitted);
  const request = read();
  await server.admission.validate(admitted);
  // A webhook may add a dry run, and take none away.
  const deletion = { ...request, dryRun: dryRun || request.dryRun, isAdmitted: true };
  await new PodEviction(server, resource, deletion, options).evict(info.namespace, info.name);
  return createdAnswer();
};

/** One eviction, with its options. */
class PodEviction {
  readonly #server: ApiServer;
  readonly #pods: Resource;
  readonly #request: DeleteRequest;
  readonly #options: WriteOptions;
  readonly #counted: ChangeOptions;

  constructor(server: ApiServer, pods: Resource, request: DeleteRequest, options: WriteOptions) {
    this.#server = server;
    this.#pods = pods;
    this.#request = request;
    this.#options = options;
    this.#counted = { countWrite: countAsDeletion(options) };
  }

  /** Deletes the pod, if need be at a budget's cost. Throws 429 when that has nothing left. */
  async evict(namespace: string, name: string): Promise<void> {
    const asked = this.#request.resourceVersion !== undefined;
    for (let attempt = 1; ; attempt++) {
      const pod = await this.#pods.store.get<EvictedPod>(namespace, name);
      if (needsBudget(pod)) return await this.#evictServing(pod);
      try {
        // It must not start to serve meanwhile; what has ended or is going cannot.
        const pinned = pod.status?.phase === "Pending" && !pod.metadata.deletionTimestamp;
        return await this.#remove(pod, pinned);
      } catch (thrown) {
        const again = isReason(thrown, "Conflict") && !asked && attempt < UPDATE_ATTEMPTS_MAX;
        if (!again) throw thrown;
      }
    }
  }

  async #evictServing(pod: EvictedPod): Promise<void> {
    const budget = await this.#budgetOf(pod);
    if (budget === undefined) return await this.#remove(pod, false);
    if (!goesForFree(budget, pod)) {
      await this.#spend(budget, pod);
      return await this.#remove(pod, false);
    }
    try {
      await this.#remove(pod, true);
    } catch (thrown) {
      // It may have become healthy: asked again, the budget decides.
      const changed = isReason(thrown, "Conflict") && this.#request.resourceVersion === undefined;
      throw changed ? budgetNotReady(budget.metadata.name ?? "") : thrown;
    }
  }

  /** The budget that counts a pod. Throws 500 when there are several. */
  async #budgetOf({ metadata }: EvictedPod): Promise<Budget | undefined> {
    const resource = this.#server.resources.of("policy/v1", "poddisruptionbudgets");
    const newest = { match: { type: "newest" }, limit: 0, continue: "" } as const;
    const all = { ...newest, labelSelector: "", fieldSelector: "" };
    const { items } = await listObjects(resource, metadata.namespace ?? "", all);
    return await budgetAmong(items, metadata.labels);
  }

  async #spend({ metadata }: Budget, pod: EvictedPod): Promise<void> {
    const resource = this.#server.resources.of("policy/v1", "poddisruptionbudgets");
    const { namespace = "", name = "" } = metadata;
    const spend = (current: Budget | undefined) => {
      if (current === undefined) throw notFound(resource.subject, name);
      const now_ms = this.#server.clock.now();
      const spent = spendBudget(cloneObject(current), pod.metadata.name ?? "", now_ms);
      const own = { ...internalWrite(), subresource: "status" };
      updateManagedFields(resource, spent, current, own, now_ms);
      return { do: this.#request.dryRun ? "keep" : "write", object: spent } as const;
    };
    await resource.store.change(namespace, name, spend, this.#counted);
  }

  /** Says in the pod's status why it goes, and deletes it; `pinned` means as it was looked at. */
  async #remove(pod: EvictedPod, pinned: boolean): Promise<void> {
    const { namespace = "", name = "", resourceVersion } = pod.metadata;
    const seen = pinned ? (this.#request.resourceVersion ?? resourceVersion) : undefined;
    let request = seen === undefined ? this.#request : { ...this.#request, resourceVersion: seen };
    if (!request.dryRun) {
      const marked = await this.#mark(namespace, name, request);
      // The mark is our own change: what was asked to be unchanged is that for the rest.
      if (request.resourceVersion !== undefined) request = { ...request, resourceVersion: marked };
    }
    await deleteObject(this.#server, this.#pods, namespace, name, request, this.#options);
  }

  /** Adds the DisruptionTarget condition; returns the pod's new resourceVersion. */
  async #mark(namespace: string, name: string, request: DeleteRequest): Promise<string> {
    const pods = this.#pods;
    const attempt = (current: EvictedPod | undefined) => {
      if (current === undefined) throw notFound(pods.subject, name);
      checkPreconditions(pods, current, request);
      return { do: "write", object: marked(current, this.#server.clock.now()) } as const;
    };
    const { object } = await pods.store.change(namespace, name, attempt, this.#counted);
    return object.metadata.resourceVersion ?? "";
  }
}

const DISRUPTION_TARGET = "DisruptionTarget";

function marked(pod: EvictedPod, now_ms: number): EvictedPod {
  const conditions = withCondition(pod.status?.conditions, {
    type: DISRUPTION_TARGET,
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
    lastTransitionTime: timeText(now_ms),
  });
  return { ...pod, status: { ...pod.status, conditions } };
}
