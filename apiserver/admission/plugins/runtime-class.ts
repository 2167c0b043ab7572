import { isDeepStrictEqual } from "node:util";
import type { RuntimeClass as NodeRuntimeClass } from "@raft2kube/api/gen/node/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Pod } from "../../object/pod.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

type RuntimeClass = NodeRuntimeClass & KubeObject;

/** Gives a pod what its runtime costs and where it runs, as its RuntimeClass says. */
export function runtimeClass(context: AdmissionContext): AdmissionPlugin {
  const classes = context.resources.of("node.k8s.io/v1", "runtimeclasses");
  const classOf = async (request: AdmissionRequest): Promise<RuntimeClass | undefined> => {
    const name = (request.object as Pod).spec.runtimeClassName;
    if (name === undefined) return undefined;
    if (name === "") {
      const message = "resource name may not be empty";
      throw new ApiError({ code: 500, reason: "", message });
    }
    const cached = (await classes.cache()).get(keyOf(classes.kind, "", name));
    const found = cached?.object<RuntimeClass>() ?? (await classes.store.find("", name));
    if (found) return found;
    throw refusal(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
  };
  return {
    name: "RuntimeClass",
    async admit(request) {
      if (!isCreation(request)) return;
      const found = await classOf(request);
      if (found === undefined) return;
      setOverhead(request, found);
      setScheduling(request, found);
    },
    async validate(request) {
      if (!isCreation(request)) return;
      const wanted = (await classOf(request))?.overhead;
      const { overhead } = (request.object as Pod).spec;
      if (wanted !== undefined)
        return checkOverhead(request, wanted.podFixed ?? {}, overhead ?? {});
      if (overhead === undefined) return;
      const why = "Pod Overhead set without corresponding RuntimeClass defined Overhead";
      throw refusal(request, `pod rejected: ${why}`);
    },
  };
}

function isCreation(request: AdmissionRequest): boolean {
  return request.operation === "CREATE" && concerns(request, "", "pods");
}

function checkOverhead(request: AdmissionRequest, wanted: object, given: object): void {
  if (isDeepStrictEqual(wanted, given)) return;
  const why = "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  throw refusal(request, `pod rejected: ${why}`);
}

function setOverhead(request: AdmissionRequest, { overhead }: RuntimeClass): void {
  if (overhead === undefined) return;
  const { spec } = request.object as Pod;
  const { podFixed = {} } = overhead;
  if (Object.keys(spec.overhead ?? {}).length > 0) checkOverhead(request, podFixed, spec.overhead!);
  spec.overhead = { ...podFixed };
}

function setScheduling(request: AdmissionRequest, { scheduling }: RuntimeClass): void {
  if (scheduling === undefined) return;
  const { spec } = request.object as Pod;
  const selector = spec.nodeSelector ?? {};
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    if (Object.hasOwn(selector, key) && selector[key] !== value) {
      const ofClass = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}`;
      const why = `conflict: ${ofClass}; pod.spec.nodeSelector[${key}] = ${selector[key]}`;
      throw refusal(request, why);
    }
  }
  const whole = { ...selector, ...scheduling.nodeSelector };
  if (Object.keys(whole).length > 0) spec.nodeSelector = whole;
  const tolerations = [...(spec.tolerations ?? [])];
  for (const each of scheduling.tolerations ?? []) {
    if (!tolerations.some((known) => isDeepStrictEqual(known, each))) tolerations.push(each);
  }
  if (tolerations.length > 0) spec.tolerations = tolerations;
}
