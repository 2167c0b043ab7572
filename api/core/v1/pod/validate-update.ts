/** The fields of an existing pod that may change. */

import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import { duplicate, type FieldError, forbidden, invalid, required } from "../../../errors.ts";
import type { Container, Pod, PodSpec, Toleration } from "../../../gen/core/v1.ts";
import { validateIp } from "../../../validation/addresses.ts";
import { invalidBy } from "../../../validation/checks.ts";
import { immutable } from "../../../validation/metadata.ts";
import { dnsSubdomain, inRange, qualifiedName } from "../../../validation/names.ts";
import { validateMirrorUpdate } from "./mirror.ts";
import { mayRestartAll, restartRule } from "./restart-rules.ts";
import { validateGatedUpdate, withoutGatedChanges } from "./validate-gated-update.ts";

const CHANGEABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

function validateImages(containers: readonly Container[] = [], path: string): FieldError[] {
  return containers.flatMap(({ image = "" }, index) => {
    const at = `${path}[${index}].image`;
    return image === "" ? [required(at)] : validateTrimmed(image, at);
  });
}

function validateTrimmed(image: string, path: string): FieldError[] {
  if (image.trim() === image) return [];
  return [invalid(path, image, "must not have leading or trailing whitespace")];
}

/** Images must be valid in pods, but not in existing templates. */
export function validateTrimmedImages(spec: PodSpec): FieldError[] {
  return (["containers", "initContainers"] as const).flatMap((name) =>
    (spec[name] ?? []).flatMap(({ image = "" }, index) =>
      validateTrimmed(image, `spec.${name}[${index}].image`),
    ),
  );
}

function validateDeadline(now: PodSpec, before: PodSpec): FieldError[] {
  const path = "spec.activeDeadlineSeconds";
  const next = now.activeDeadlineSeconds;
  const previous = before.activeDeadlineSeconds;
  if (next === undefined) {
    return previous === undefined
      ? []
      : [invalid(path, null, "must not update from a positive integer to nil value")];
  }
  const range = inRange(next, 0, INT32_MAX);
  if (range.length > 0) return range.map((each) => invalid(path, next, each));
  if (previous === undefined || next <= previous) return [];
  return [invalid(path, next, "must be less than or equal to previous value")];
}

/** Tolerations may be added, and their seconds changed. */
function validateKeptTolerations(
  now: readonly Toleration[] = [],
  before: readonly Toleration[] = [],
): FieldError[] {
  // By their text, each looked for once: a pod may have very many.
  const bare = ({ key, operator, value, effect }: Toleration): string =>
    JSON.stringify([key, operator, value, effect]);
  const known = new Set(now.map(bare));
  const kept = before.every((old) => known.has(bare(old)));
  if (kept) return [];
  const rule = "existing toleration can not be modified except its tolerationSeconds";
  return [forbidden("spec.tolerations", rule)];
}

function withImages(now: readonly Container[], before: readonly Container[]): Container[] {
  return now.map((each, index) => {
    const image = before[index]?.image;
    return image === undefined ? each : { ...each, image };
  });
}

/** The new spec with all that may change put back, to see whether anything else did. */
function withoutChangeable(now: PodSpec, before: PodSpec): PodSpec {
  const spec: PodSpec = {
    ...now,
    containers: withImages(now.containers, before.containers),
    ...(now.initContainers === undefined
      ? {}
      : { initContainers: withImages(now.initContainers, before.initContainers ?? []) }),
  };
  const put = <K extends keyof PodSpec>(name: K): void => {
    if (before[name] === undefined) delete spec[name];
    else spec[name] = before[name];
  };
  put("activeDeadlineSeconds");
  put("tolerations");
  put("schedulingGates");
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && now.terminationGracePeriodSeconds === 1) {
    put("terminationGracePeriodSeconds");
  }
  return withoutGatedChanges(spec, before);
}

/** Validates an update of the pod itself, not of a subresource. */
export function validatePodUpdate(pod: Pod, old: Pod): FieldError[] {
  const images = validateMirrorUpdate(pod, old);
  for (const name of ["containers", "initContainers"] as const) {
    const path = `spec.${name}`;
    if ((pod.spec[name] ?? []).length !== (old.spec[name] ?? []).length) {
      return [...images, forbidden(path, "pod updates may not add or remove containers")];
    }
    images.push(...validateImages(pod.spec[name], path));
  }
  const gates = new Set((old.spec.schedulingGates ?? []).map((each) => each.name));
  const errors = [
    ...images,
    ...validateDeadline(pod.spec, old.spec),
    ...validateKeptTolerations(pod.spec.tolerations, old.spec.tolerations),
    ...(pod.spec.schedulingGates ?? []).flatMap(({ name }, index) =>
      gates.has(name)
        ? []
        : [
            forbidden(
              `spec.schedulingGates[${index}].name`,
              `only deletion is allowed, but found new scheduling gate '${name}'`,
            ),
          ],
    ),
  ];
  errors.push(...validateGatedUpdate(pod.spec, old.spec));
  const rest = withoutChangeable(pod.spec, old.spec);
  if (isDeepStrictEqual(rest, old.spec)) return errors;
  const rule =
    "pod updates may not change fields other than " +
    `${CHANGEABLE}\n${changedFields(rest, old.spec).join("\n")}`;
  return [...errors, forbidden("spec", rule)];
}

/** The names of the fields that differ: more useful to the user than the whole spec. */
function changedFields(now: PodSpec, before: PodSpec): string[] {
  const names = new Set([...Object.keys(now), ...Object.keys(before)]) as Set<keyof PodSpec>;
  return [...names]
    .filter((name) => !isDeepStrictEqual(now[name], before[name]))
    .map((name) => `spec.${name} differs`);
}

/** Condition types that `/status` accepts without validating their names. */
const OWN_CONDITIONS = ["PodScheduled", "Ready", "Initialized"];

/** The node that preemption makes room on. */
function validateNominated(name = "", old: Pod): FieldError[] {
  if (name === "" || name === (old.status?.nominatedNodeName ?? "")) return [];
  const path = "status.nominatedNodeName";
  const errors = invalidBy(dnsSubdomain, path, name);
  return (old.spec.nodeName ?? "") === ""
    ? errors
    : [...errors, forbidden(path, "may not be set on pods that are already bound to a node")];
}

/** The first address of the list is the one that stands alone; one of each family at most. */
function validateAddresses(
  list: readonly { ip: string }[] = [],
  first: string | undefined,
  name: "podIP" | "hostIP",
  old: readonly { ip: string }[] = [],
): FieldError[] {
  const path = `status.${name}s`;
  const known = new Set(old.map(({ ip }) => ip));
  const errors = list.flatMap(({ ip }, index) =>
    known.has(ip) ? [] : validateIp(ip, `${path}[${index}]`),
  );
  const [head] = list;
  if (name === "hostIP" && head !== undefined && head.ip !== (first ?? "")) {
    errors.push(invalid(`${path}[0].ip`, head.ip, "must be equal to `hostIP`"));
  }
  const families = new Set(list.map(({ ip }) => isIP(ip)));
  if (list.length > families.size && list.every(({ ip }) => isIP(ip) !== 0)) {
    const shown = list.map(({ ip }) => ({ IP: ip }));
    errors.push(invalid(path, shown, "may specify no more than one IP for each IP family"));
  }
  const seen = new Set<string>();
  list.forEach(({ ip }, index) => {
    if (seen.has(ip)) errors.push(duplicate(`${path}[${index}]`, { ip }));
    seen.add(ip);
  });
  return errors;
}

const STATUS_LISTS = [
  ["containerStatuses", "containers"],
  ["initContainerStatuses", "initContainers"],
  ["ephemeralContainerStatuses", "ephemeralContainers"],
] as const;

/** A container that has ended for good does not run again, however late its kubelet reports. */
function validateTransitions(pod: Pod, old: Pod): FieldError[] {
  return STATUS_LISTS.flatMap(([name, list]) => {
    const now = new Map(pod.status?.[name]?.map((each) => [each.name, each]));
    return (old.status?.[name] ?? []).flatMap((before, index) => {
      const ended = before.state?.terminated;
      const after = now.get(before.name);
      if (!ended || !after || after.state?.terminated) return [];
      const container = old.spec[list]?.find((each) => each.name === before.name);
      const restarts =
        container !== undefined &&
        list !== "ephemeralContainers" &&
        (mayRestartAll(old.spec) || mayRestart(container as Container, old.spec, ended.exitCode));
      if (restarts) return [];
      const detail = "may not be transitioned to non-terminated state";
      return [forbidden(`status.${name}[${index}].state`, detail)];
    });
  });
}

/** Whether a rule of the container restarts it after this code, or else its policy or the pod's. */
function mayRestart(container: Container, spec: PodSpec, exitCode: number): boolean {
  const { restartPolicy } = container;
  const policy = restartPolicy ?? spec.restartPolicy ?? "Always";
  return (
    (restartPolicy !== undefined && restartRule(container, exitCode) !== undefined) ||
    policy === "Always" ||
    (policy === "OnFailure" && exitCode !== 0)
  );
}

function validateUsers(pod: Pod): FieldError[] {
  return STATUS_LISTS.flatMap(([name]) =>
    (pod.status?.[name] ?? []).flatMap(({ user }, index) => {
      const at = `status.${name}[${index}].user.linux`;
      if (!user?.linux) return [];
      if (pod.spec.os?.name === "windows") {
        return [forbidden(at, "cannot be set for a windows pod")];
      }
      const { uid, gid, supplementalGroups = [] } = user.linux;
      const ids: [string, number][] = [
        ["uid", uid],
        ["gid", gid],
        ...supplementalGroups.map((id, i): [string, number] => [`supplementalGroups[${i}]`, id]),
      ];
      return ids.flatMap(([field, id]) =>
        inRange(id, 0, INT32_MAX).map((each) => invalid(`${at}.${field}`, id, each)),
      );
    }),
  );
}

function validateClaimStatuses(pod: Pod): FieldError[] {
  const known = new Set((pod.spec.resourceClaims ?? []).map(({ name }) => name));
  const seen = new Set<string>();
  return (pod.status?.resourceClaimStatuses ?? []).flatMap(({ name, resourceClaimName }, index) => {
    const at = `status.resourceClaimStatuses[${index}]`;
    const errors: FieldError[] = [];
    if (!known.has(name)) {
      const rule = "must match the name of an entry in `spec.resourceClaims`";
      errors.push(invalid(`${at}.name`, name, rule));
    }
    if (seen.has(name)) errors.push(duplicate(`${at}.name`, name));
    seen.add(name);
    if (resourceClaimName === undefined) return errors;
    const wrong = dnsSubdomain(resourceClaimName);
    return errors.concat(
      wrong.map((each) => invalid(`${at}.resourceClaimName`, resourceClaimName, each)),
    );
  });
}

const NO_COUNT = "must be a non-negative integer";

function validateGenerations({ status = {} }: Pod): FieldError[] {
  const all: [string, number | undefined][] = [
    ["status.observedGeneration", status.observedGeneration],
    ...(status.conditions ?? []).map((each, index): [string, number | undefined] => [
      `status.conditions[${index}].observedGeneration`,
      each.observedGeneration,
    ]),
  ];
  return all.flatMap(([path, value = 0]) => (value < 0 ? [invalid(path, value, NO_COUNT)] : []));
}

export const validatePodStatusUpdate = (pod: Pod, old: Pod): FieldError[] => [
  ...validateMirrorUpdate(pod, old),
  ...(pod.spec.nodeName === old.spec.nodeName
    ? []
    : [forbidden("status.nodeName", "may not be changed directly")]),
  ...immutable("status.qosClass", pod.status?.qosClass, old.status?.qosClass),
  ...validateNominated(pod.status?.nominatedNodeName, old),
  ...validateGenerations(pod),
  ...validateTransitions(pod, old),
  ...validateClaimStatuses(pod),
  ...validateUsers(pod),
  ...(pod.status?.conditions ?? []).flatMap(({ type }, index) =>
    OWN_CONDITIONS.includes(type)
      ? []
      : invalidBy(qualifiedName, `status.conditions[${index}].Type`, type),
  ),
  ...validateAddresses(pod.status?.podIPs, pod.status?.podIP, "podIP", old.status?.podIPs),
  ...validateAddresses(pod.status?.hostIPs, pod.status?.hostIP, "hostIP", old.status?.hostIPs),
];

/** Validates `/ephemeralcontainers`: containers may be added, none changed or removed. */
export function validateEphemeralUpdate(pod: Pod, old: Pod): FieldError[] {
  const path = "spec.ephemeralContainers";
  const now = new Map((pod.spec.ephemeralContainers ?? []).map((each) => [each.name, each]));
  const mirror = validateMirrorUpdate(pod, old);
  return mirror.concat(
    (old.spec.ephemeralContainers ?? []).flatMap((before) => {
      const after = now.get(before.name);
      const subject = `existing ephemeral containers "${before.name}"`;
      if (after === undefined) return [forbidden(path, `${subject} may not be removed\n`)];
      return isDeepStrictEqual(after, before)
        ? []
        : [forbidden(path, `${subject} may not be changed\n`)];
    }),
  );
}
