import type { KubeObject } from "@raft2kube/api/kind.ts";
import { forbidden } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";
import type { Pod } from "../../object/pod.ts";

interface PriorityClass extends KubeObject {
  value?: number;
  globalDefault?: boolean;
  preemptionPolicy?: string;
}

const PREEMPT_LOWER = "PreemptLowerPriority";

/** An update that leaves out what this plugin once filled in does not mean to change it. */
function keepPriority({ spec }: Pod, { spec: old }: Pod): void {
  if (old.priority !== undefined) spec.priority ??= old.priority;
  if (old.preemptionPolicy !== undefined) spec.preemptionPolicy ??= old.preemptionPolicy;
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
        throw forbidden(
          request.resource.subject,
          request.name,
          `no PriorityClass with name ${spec.priorityClassName} was found`,
        );
      }
      if (named) spec.priorityClassName = named.metadata.name!;
      const value = named?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        throw forbidden(
          request.resource.subject,
          request.name,
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; ` +
            `priority admission controller computed ${value} from the given PriorityClass name`,
        );
      }
      spec.priority = value;
      const policy = named?.preemptionPolicy ?? PREEMPT_LOWER;
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
        throw forbidden(
          request.resource.subject,
          request.name,
          `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided ` +
            `in pod spec; priority admission controller computed ${policy} from the given ` +
            "PriorityClass name",
        );
      }
      spec.preemptionPolicy = policy;
    },
    async validate(request) {
      if (request.operation === "DELETE" || request.resource !== classes) return;
      const wanted = request.object as PriorityClass;
      if (wanted.globalDefault !== true) return;
      const current = await defaultClass();
      if (current === undefined || current.metadata.name === request.name) return;
      throw forbidden(
        classes.subject,
        request.name,
        `PriorityClass ${current.metadata.name} is already marked as default. ` +
          "Only one default can exist",
      );
    },
  };
}
