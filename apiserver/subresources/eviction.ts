import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { Core } from "../core.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest, methodNotAllowed, notFound } from "../errors/catalog.ts";
import { type Answer, objectAnswer } from "../http/answer.ts";
import { readBody } from "../http/body.ts";
import type { RequestContext } from "../http/context.ts";
import { decodeBody } from "../http/decode.ts";
import { deleteObject } from "../registry/delete.ts";
import { type DeleteRequest, readDeleteRequest } from "../registry/delete-options.ts";
import { timeText } from "../registry/metadata.ts";
import type { Resource } from "../registry/resource.ts";
import { writeOptionsOf } from "../registry/serve-create.ts";
import { successStatus } from "./success.ts";

interface Eviction extends KubeObject {
  deleteOptions?: object;
}

interface Pod extends KubeObject {
  status?: { phase?: string; conditions?: { type: string; status: string }[] };
}

interface Budget extends KubeObject {
  spec?: { selector?: LabelSelector };
  status?: {
    disruptionsAllowed?: number;
    desiredHealthy?: number;
    currentHealthy?: number;
    observedGeneration?: number;
    disruptedPods?: Record<string, string>;
  };
}

/** POST pods/NAME/eviction: a deletion that disruption budgets may refuse for now (429). */
export async function serveEviction(
  core: Core,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  const { info, query } = context;
  if (info.verb !== "create") throw methodNotAllowed();
  const options = writeOptionsOf(context);
  const eviction = await decodeBody<Eviction>(context.request, await readBody(context.request), {
    kind: { group: "policy", version: "v1", kind: "Eviction" },
    otherVersions: ["policy/v1beta1"],
    schema: "policy/v1.Eviction",
    fieldValidation: options.fieldValidation,
    warnings: options.warnings,
  });
  const { namespace, name } = info;
  if (eviction.metadata.name !== name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const request: DeleteRequest = readDeleteRequest(eviction.deleteOptions ?? {}, query);
  const pod = await resource.store.get<Pod>(namespace, name);
  if (!canIgnoreBudgets(pod)) await spendBudget(core, namespace, pod, request.dryRun);
  if (!request.dryRun) await markEvicted(core, resource, pod);
  await deleteObject(core, resource, namespace, name, request, options);
  return objectAnswer(successStatus(201), undefined, 201);
}

/** Says in the pod's status why it goes, for those who count disruptions. */
async function markEvicted(core: Core, resource: Resource, pod: Pod): Promise<void> {
  const { namespace = "", name = "", uid } = pod.metadata;
  await resource.store.change<Pod>(namespace, name, (current) => {
    if (current === undefined) throw notFound(resource.subject, name);
    if (current.metadata.uid !== uid) return { do: "keep", object: current };
    const before = current.status?.conditions ?? [];
    const others = before.filter(({ type }) => type !== DISRUPTION_TARGET);
    const condition = {
      type: DISRUPTION_TARGET,
      status: "True",
      reason: "EvictionByEvictionAPI",
      message: "Eviction API: evicting",
      lastTransitionTime: timeText(core.clock.now()),
    };
    const status = { ...current.status, conditions: [...others, condition] };
    return { do: "write", object: { ...current, status } };
  });
}

const DISRUPTION_TARGET = "DisruptionTarget";

/** Pods that do not serve, or are going already, disturb nothing by going. */
function canIgnoreBudgets(pod: Pod): boolean {
  const { phase = "" } = pod.status ?? {};
  return (
    ["Pending", "Succeeded", "Failed"].includes(phase) ||
    pod.metadata.deletionTimestamp !== undefined
  );
}

async function spendBudget(
  core: Core,
  namespace: string,
  pod: Pod,
  dryRun: boolean,
): Promise<void> {
  const resource = core.registry.of("policy/v1", "poddisruptionbudgets");
  const cache = await resource.cache();
  const budgets = cache
    .list()
    .filter((entry) => entry.namespace === namespace)
    .map((entry) => entry.object<Budget>())
    .filter((budget) => matchesSelector(budget.spec?.selector, pod.metadata.labels));
  if (budgets.length > 1) {
    throw new ApiError({
      code: 500,
      reason: "",
      message:
        "This pod has more than one PodDisruptionBudget, which the eviction " +
        "subresource does not support.",
    });
  }
  const [budget] = budgets;
  if (budget === undefined) return;
  await resource.store.change<Budget>(namespace, budget.metadata.name!, (current) => {
    const spent = spend(current ?? budget, pod, core.clock.now());
    return { do: dryRun ? "keep" : "write", object: spent };
  });
}

function spend(budget: Budget, pod: Pod, now_ms: number): Budget {
  const status = budget.status ?? {};
  const allowed = status.disruptionsAllowed ?? 0;
  const { name } = budget.metadata;
  const stale = (status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0);
  if (stale || allowed <= 0) {
    throw new ApiError({
      code: 429,
      reason: "TooManyRequests",
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          {
            reason: "DisruptionBudget",
            message: stale
              ? `The disruption budget ${name} is still being processed by the server.`
              : `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods ` +
                `and has ${status.currentHealthy ?? 0} currently`,
          },
        ],
        ...(stale ? { retryAfterSeconds: 10 } : {}),
      },
    });
  }
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: allowed - 1,
      disruptedPods: { ...status.disruptedPods, [pod.metadata.name!]: timeText(now_ms) },
    },
  };
}
