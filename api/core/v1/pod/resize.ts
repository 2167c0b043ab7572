/** `/resize`: the amounts of cpu and memory of a pod that exists, and nothing else. */
import { isDeepStrictEqual } from "node:util";
import { type FieldError, forbidden, invalid } from "../../../errors.ts";
import type { Container, Pod, ResourceRequirements } from "../../../gen/core/v1.ts";
import { keep, keepMetadata, newFindings, raiseGeneration } from "../../../strategy.ts";
import { validateMetadataUpdate } from "../../../validation/metadata.ts";
import { isMirrorPod } from "./mirror.ts";
import { qosClassOf } from "./qos.ts";
import { validatePodSpec } from "./validate-spec.ts";

const LISTS = ["containers", "initContainers"] as const;
const MUTABLE = ["cpu", "memory"];
const ONLY = "only cpu and memory resources are mutable";

/**
 * Takes resources and resize policies from the new pod and all else from the old one. Containers
 * that are others than before are left as they came, for the rules to find.
 */
export function prepareResize(pod: Pod, old: Pod): void {
  if (LISTS.every((list) => (pod.spec[list] ?? []).length === (old.spec[list] ?? []).length)) {
    const wanted = pod.spec;
    keep(pod, old, "spec");
    keep(pod, old, "status");
    keepMetadata(pod, old, "labels");
    keepMetadata(pod, old, "ownerReferences");
    if (wanted.resources === undefined) delete pod.spec.resources;
    else pod.spec.resources = wanted.resources;
    for (const list of LISTS) {
      const merged = withResources(wanted[list] ?? [], old.spec[list] ?? []);
      if (merged.length > 0) pod.spec[list] = merged;
    }
  }
  raiseGeneration(pod, old);
}

function withResources(wanted: readonly Container[], old: readonly Container[]): Container[] {
  if (wanted.some(({ name }, index) => name !== old[index]?.name)) return [...wanted];
  return old.map((container, index) => {
    const { resources: _resources, resizePolicy: _policy, ...rest } = container;
    const { resources, resizePolicy } = wanted[index]!;
    return {
      ...rest,
      ...(resources === undefined ? {} : { resources }),
      ...(resizePolicy === undefined ? {} : { resizePolicy }),
    };
  });
}

/** Validates a resize, with upstream's errors in upstream's order. */
export function validateResize(pod: Pod, old: Pod): FieldError[] {
  if (isMirrorPod(old)) return [forbidden("", "static pods cannot be resized")];
  if (old.spec.os?.name === "windows") return [forbidden("", "windows pods cannot be resized")];
  const errors = [
    ...validateMetadataUpdate(pod.metadata, old.metadata),
    ...newFindings(
      ({ metadata, spec }) => validatePodSpec(spec, "spec", metadata.name ?? ""),
      pod,
      old,
    ),
  ];
  if (qosClassOf(pod.spec) !== (old.status?.qosClass ?? qosClassOf(old.spec))) {
    const rule = "Pod QOS Class may not change as a result of resizing";
    errors.push(invalid("spec", pod.status?.qosClass ?? "", rule));
  }
  if (!isSupported(old)) {
    errors.push(forbidden("spec", "Pod running on node without support for resize"));
  }
  errors.push(...validatePodLevel(pod.spec.resources, old.spec.resources, "spec.resources"));
  const order = LISTS.flatMap((list) => validateOrder(pod, old, list));
  if (order.length > 0) return [...errors, ...order];
  return [
    ...errors,
    ...(["initContainers", "containers"] as const).flatMap((list) =>
      (old.spec[list] ?? []).flatMap((before, index) =>
        validateRemoved(
          pod.spec[list]![index]!.resources,
          before.resources,
          `spec.${list}[${index}].resources`,
        ),
      ),
    ),
    ...old.spec.containers.flatMap((before, index) =>
      isSameBut(pod.spec.containers[index]!, before) ? [] : [forbidden("spec", ONLY)],
    ),
    ...(old.spec.initContainers ?? []).flatMap((before, index) =>
      validateInit(pod.spec.initContainers![index]!, before, `spec.initContainers[${index}]`),
    ),
  ];
}

/** Resources of the pod itself grow and shrink where it was created with them. */
function validatePodLevel(
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  path: string,
): FieldError[] {
  if (now === undefined) {
    return before === undefined ? [] : [forbidden(path, "pod-level resources cannot be removed")];
  }
  const errors = validateRemoved(now, before, path, "pod-level ");
  if (before !== undefined && isDeepStrictEqual(fixedResources(now), fixedResources(before))) {
    return errors;
  }
  return [...errors, forbidden("spec", `${ONLY} at pod-level`)];
}

/** Whether the node supports resizing, as the statuses of running containers show. */
function isSupported({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running !== undefined);
  return running === undefined || running.resources !== undefined;
}

function validateOrder(pod: Pod, old: Pod, list: (typeof LISTS)[number]): FieldError[] {
  const now = pod.spec[list] ?? [];
  const before = old.spec[list] ?? [];
  if (now.length !== before.length) {
    return [forbidden(`spec.${list}`, `${list} may not be added or removed on resize`)];
  }
  return before.flatMap(({ name }, index) =>
    now[index]!.name === name
      ? []
      : [
          forbidden(
            `spec.${list}[${index}].name`,
            `${list} may not be renamed or reordered on resize`,
          ),
        ],
  );
}

function validateRemoved(
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  path: string,
  what = "",
): FieldError[] {
  return (["requests", "limits"] as const).flatMap((list) => {
    const left = now?.[list] ?? {};
    const kept = Object.keys(before?.[list] ?? {}).every((name) => Object.hasOwn(left, name));
    return kept ? [] : [forbidden(`${path}.${list}`, `${what}resource ${list} cannot be removed`)];
  });
}

/** An init container that has run to its end is not run again because of a resize. */
function validateInit(now: Container, before: Container, path: string): FieldError[] {
  const errors = isSameBut(now, before)
    ? []
    : [forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable")];
  if (now.restartPolicy === "Always" || isDeepStrictEqual(now, before)) return errors;
  const restarts = (now.resizePolicy ?? []).filter(
    (each) => each.restartPolicy === "RestartContainer",
  );
  return [
    ...errors,
    ...restarts.map(() =>
      forbidden(
        path,
        "non-sidecar init containers with a " +
          "resize policy of RestartContainer cannot be resized",
      ),
    ),
  ];
}

/** Whether only mutable amounts differ. */
function isSameBut(now: Container, before: Container): boolean {
  return isDeepStrictEqual(fixedPart(now), fixedPart(before));
}

function fixedPart({ resources, ...rest }: Container): object {
  return { ...rest, ...fixedResources(resources) };
}

/** Returns the part of resources that may not change. */
function fixedResources({ requests, limits, claims }: ResourceRequirements = {}): object {
  const fixed = (list: Record<string, string> = {}): object =>
    Object.fromEntries(Object.entries(list).filter(([name]) => !MUTABLE.includes(name)));
  return { claims, requests: fixed(requests), limits: fixed(limits) };
}
