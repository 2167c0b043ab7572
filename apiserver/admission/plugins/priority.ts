import type { PriorityClass as SchedulingClass } from "@raft2kube/api/gen/scheduling/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

type PriorityClass = SchedulingClass & KubeObject;

const PREEMPT_LOWER = "PreemptLowerPriority";

/** An update that leaves out what this plugin once filled in does not mean to change it. */
function keepPriority({ spec }: Pod, { spec: old }: Pod): void {
  if (old.priority !== undefined) spec.priority ??= old.priority;
  if (old.preemptionPolicy !== undefined) spec.preemptionPolicy ??= old.preemptionPolicy;
}

function mismatch(
  request: AdmissionRequest,
  what: string,
  given: number | string,
  wanted: number | string,
) {
  return refusal(
    request,
    `the ${what} (${given}) must not be provided in pod spec; priority admission controller ` +
      `computed ${wanted} from the given PriorityClass name`,
  );
}

/** Turns a pod's priority class into a number; only one class may be the default. */
export function priority(context: AdmissionContext): AdmissionPlugin {
  const classes = context.resources.of("scheduling.k8s.io/v1", "priorityclasses");
  const defaultClass = async () =>
    (await classes.cache())
      .list()
      .map((entry) => entry.shared<PriorityClass>())
      .filter((each) => each.globalDefault === true)
      .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  return {
    name: "Priority",
    async admit(request) {
      if (!concerns(request, "", "pods")) return;
      if (request.operation === "UPDATE") keepPriority(request.object as Pod, request.old as Pod);
      if (request.operation !== "CREATE") return;
      const { spec } = request.object as Pod;
      const named = spec.priorityClassName
        ? await classes.store.find<PriorityClass>("", spec.priorityClassName)
        : await defaultClass();
      if (spec.priorityClassName && named === undefined) {
        const name = spec.priorityClassName;
        throw refusal(request, `no PriorityClass with name ${name} was found`);
      }
      if (named) spec.priorityClassName = named.metadata.name!;
      const value = named?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        throw mismatch(request, "integer value of priority", spec.priority, value);
      }
      spec.priority = value;
      const policy = named?.preemptionPolicy ?? PREEMPT_LOWER;
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
        const what = "string value of PreemptionPolicy";
        throw mismatch(request, what, spec.preemptionPolicy, policy);
      }
      spec.preemptionPolicy = policy;
    },
    async validate(request) {
      if (request.operation === "DELETE" || request.resource !== classes) return;
      const wanted = request.object as PriorityClass;
      if (wanted.globalDefault !== true) return;
      const current = await defaultClass();
      if (current === undefined || current.metadata.name === request.name) return;
      const why = `PriorityClass ${current.metadata.name} is already marked as default`;
      throw refusal(request, `${why}. Only one default can exist`);
    },
  };
}
