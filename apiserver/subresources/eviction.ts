import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { Core } from "../core.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest, methodNotSupported } from "../errors/catalog.ts";
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
  if (info.verb !== "create") throw methodNotSupported(resource.subject, info.verb);
  const options = writeOptionsOf(context);
  const eviction = await decodeBody<Eviction>(context.request, await readBody(context.request), {
    kind: { group: "policy", version: "v1", kind: "Eviction" },
    otherVersions: ["policy/v1beta1"],
    schema: "policy/v1.Eviction",
    fieldValidation: options.fieldValidation,
    warnings: options.warnings,
  });
  const { namespace, name } = info;
  if (eviction.metadata.name && eviction.metadata.name !== name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const request: DeleteRequest = readDeleteRequest(eviction.deleteOptions ?? {}, query);
  const pod = await resource.store.get<Pod>(namespace, name);
  if (!canIgnoreBudgets(pod)) await spendBudget(core, namespace, pod, request.dryRun);
  await deleteObject(core, resource, namespace, name, request, options);
  return objectAnswer(successStatus(201), undefined, 201);
}

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
      reason: "InternalError",
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
            message:
              `The disruption budget ${budget.metadata.name} needs more healthy pods ` +
              `than are there now`,
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
