/** Validates containers' resources: names, amounts, limits against requests. */
import { own } from "@raft2kube/std/own.ts";
import { compareQuantity, parseQuantity } from "@raft2kube/std/quantity.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../../errors.ts";
import type { Container, PodSpec, ResourceRequirements } from "../../../gen/core/v1.ts";
import { invalidBy } from "../../../validation/checks.ts";
import { qualifiedName } from "../../../validation/names.ts";
import { type Amounts, containersAmounts, isPodLevelResource } from "./amounts.ts";

const FOR_CONTAINERS = new Set(["cpu", "memory", "ephemeral-storage"]);
/** Resources that are whole numbers. */
export const COUNTED: ReadonlySet<string> = new Set([
  "pods",
  "resourcequotas",
  "services",
  "replicationcontrollers",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
]);
const STANDARD = new Set([
  ...FOR_CONTAINERS,
  ...COUNTED,
  "requests.cpu",
  "requests.memory",
  "requests.ephemeral-storage",
  "limits.cpu",
  "limits.memory",
  "limits.ephemeral-storage",
  "storage",
  "requests.storage",
]);
const NATIVE_DOMAIN = "kubernetes.io/";
const HUGE_PAGES = "hugepages-";
const BILLION = 1_000_000_000n;

const isHugePages = (name: string): boolean => name.startsWith(HUGE_PAGES);

/** Resources of Kubernetes itself, which have no domain or its own. */
const isNative = (name: string): boolean => !name.includes("/") || name.includes(NATIVE_DOMAIN);

/** Resources that device plugins offer: another domain, whole numbers, no overcommitment. */
export const isExtendedResource = (name: string): boolean =>
  !isNative(name) &&
  !name.startsWith("requests.") &&
  qualifiedName(`requests.${name}`).length === 0;

/** Whether a container may use more than it asked for. */
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHugePages(name);

/** The name of any resource: one of Kubernetes' own, or one with a domain. */
export function validateResourceName(name: string, path: string): FieldError[] {
  const wrong = invalidBy(qualifiedName, path, name);
  if (wrong.length > 0 || name.includes("/") || STANDARD.has(name) || isHugePages(name)) {
    return wrong;
  }
  return [invalid(path, name, "must be a standard resource type or fully qualified")];
}

/** The name of a resource that a container asks for. */
export function validateContainerResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path);
  if (!name.includes("/")) {
    return FOR_CONTAINERS.has(name) || isHugePages(name)
      ? errors
      : [...errors, invalid(path, name, "must be a standard resource for containers")];
  }
  if (isNative(name) || isExtendedResource(name)) return errors;
  return [...errors, invalid(path, name, "doesn't follow extended resource name standard")];
}

/** An amount: not negative, and whole for resources that are counted in pieces. */
export function validateAmount(name: string, amount: string, path: string): FieldError[] {
  const { nanos } = parseQuantity(amount);
  const errors: FieldError[] = [];
  if (nanos < 0n) errors.push(invalid(path, amount, "must be greater than or equal to 0"));
  if ((COUNTED.has(name) || isExtendedResource(name)) && nanos % BILLION !== 0n) {
    errors.push(invalid(path, amount, "must be an integer"));
  }
  return errors;
}

/** Names that a pod's own resources may have; upstream's text. */
const FOR_PODS = ["cpu", "hugepages-", "memory"];

function validatePodResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path);
  if (errors.length > 0 || isPodLevelResource(name)) return errors;
  return [notSupported(path, name, FOR_PODS)];
}

/**
 * A pod's own resources: cpu, memory and huge pages, and no less than its containers request.
 * `path` is the spec's.
 */
export function validatePodResources(spec: PodSpec, path: string): FieldError[] {
  const { resources } = spec;
  if (resources === undefined) return [];
  const at = `${path}.resources`;
  if (spec.os?.name === "windows") return [forbidden(at, "may not be set for a windows pod")];
  return [
    ...(resources.claims === undefined
      ? []
      : [forbidden(`${at}.claims`, "claims may not be set for Resources at pod-level")]),
    ...validateResources(resources, at, validatePodResourceName),
    ...atLeast(
      resources.requests,
      containersAmounts(spec, "requests"),
      `${at}.requests`,
      "requests",
    ),
    ...atLeast(
      resources.limits,
      hugePagesOf(containersAmounts(spec, "limits")),
      `${at}.limits`,
      "limits",
    ),
    ...spec.containers.flatMap((container, index) =>
      withinPod(container, resources, `${at}.containers[${index}]`),
    ),
  ];
}

function hugePagesOf(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).filter(([name]) => isHugePages(name)));
}

function atLeast(
  list: Amounts | undefined,
  aggregate: Amounts,
  path: string,
  what: string,
): FieldError[] {
  return Object.entries(aggregate).flatMap(([name, amount]) => {
    const own = list?.[name];
    if (own === undefined || compareQuantity(amount, own) <= 0) return [];
    const rule = `must be greater than or equal to aggregate container ${what} of ${amount}`;
    return [invalid(`${path}[${name}]`, own, rule)];
  });
}

function withinPod(
  container: Container,
  { limits }: ResourceRequirements,
  path: string,
): FieldError[] {
  return Object.entries(container.resources?.limits ?? {}).flatMap(([name, amount]) => {
    const most = limits?.[name];
    if (most === undefined || compareQuantity(amount, most) <= 0) return [];
    const rule = `must be less than or equal to pod limits of ${most}`;
    return [invalid(`${path}[${name}].limits`, amount, rule)];
  });
}

/** `path` is that of `resources`. */
export function validateResources(
  resources: ResourceRequirements | undefined,
  path: string,
  validateName = validateContainerResourceName,
): FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const errors: FieldError[] = [];
  for (const [name, amount] of Object.entries(limits)) {
    const at = `${path}.limits[${name}]`;
    errors.push(...validateName(name, at), ...validateAmount(name, amount, at));
  }
  for (const [name, amount] of Object.entries(requests)) {
    const at = `${path}.requests[${name}]`;
    errors.push(...validateName(name, at), ...validateAmount(name, amount, at));
    errors.push(...againstLimit(name, amount, own(limits, name), path));
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes("cpu") && !names.includes("memory")) {
    errors.push(forbidden(path, "HugePages require cpu or memory"));
  }
  return errors;
}

function againstLimit(
  name: string,
  request: string,
  limit: string | undefined,
  path: string,
): FieldError[] {
  if (limit === undefined) {
    return mayOvercommit(name)
      ? []
      : [required(`${path}.limits`, "Limit must be set for non overcommitable resources")];
  }
  const order = compareQuantity(request, limit);
  if (order !== 0 && !mayOvercommit(name)) {
    return [invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`)];
  }
  if (order <= 0) return [];
  const rule = `must be less than or equal to ${name} limit of ${limit}`;
  return [invalid(`${path}.requests`, request, rule)];
}
