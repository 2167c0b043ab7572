import type { Container, EnvVar, FileKeySelector, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { fieldValue, type NodeAllocatable, resourceValue } from "../pods/downward.ts";
import type { EnvFile } from "./env-file.ts";
import { ExpansionBudget, expand } from "./expand.ts";

/** The container's configuration cannot be made; the reason is the container's waiting reason. */
export class ContainerConfigError extends Error {
  override readonly name = "ContainerConfigError";
  readonly reason = "CreateContainerConfigError";
}

/** Reads objects of the pod's namespace that environments refer to. */
export interface EnvSources {
  /** The data, or undefined when the ConfigMap is not there. */
  configMap(name: string): Promise<Record<string, string> | undefined>;
  /** The data in base64, as in the object: only the keys that a variable takes are decoded. */
  secret(name: string): Promise<Record<string, string> | undefined>;
  /** A file of variables in one of the pod's volumes, or undefined when it is not there. */
  file(volume: string, path: string): EnvFile | undefined;
  /** Variables for the Services the pod may see. */
  services(): Promise<Map<string, string>>;
}

export type EnvContext = { podIPs: string[]; hostIPs: string[]; allocatable: NodeAllocatable };

/**
 * Returns the environment of a container: Services first, then envFrom, then env in order, later
 * values override, with `$(NAME)` of earlier variables expanded. Throws ContainerConfigError when a
 * ConfigMap, Secret or key that is not optional is missing, RangeError when the result is longer
 * than the container's part of EXPANDED_OF_POD_BYTES_MAX.
 */
export async function makeEnv(
  pod: Pod,
  container: Container,
  sources: EnvSources,
  context: EnvContext,
): Promise<Map<string, string>> {
  const services = await sources.services();
  const budget = new ExpansionBudget(pod);
  const result = new Map<string, string>();
  const add = (name: string, value: string) => {
    budget.takeVariable(name, value);
    result.set(name, value);
  };
  const slices = new Slices();
  const addAll = async (variables: Iterable<readonly [name: string, value: string]>) => {
    for (const [name, value] of variables) {
      if (slices.due) await slices.pause();
      add(name, value);
    }
  };
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? "";
    if (source.configMapRef) {
      const { name = "", optional } = source.configMapRef;
      const data = await sources.configMap(name);
      if (!data && !optional) throw missing("configmap", name);
      await addAll(
        Object.entries(data ?? {}).map(([key, value]) => [prefix + key, value] as const),
      );
    }
    if (source.secretRef) {
      const { name = "", optional } = source.secretRef;
      const data = await sources.secret(name);
      if (!data && !optional) throw missing("secret", name);
      await addAll(
        Object.entries(data ?? {}).map(([key, value]) => [prefix + key, decoded(value)] as const),
      );
    }
  }
  for (const variable of container.env ?? []) {
    if (slices.due) await slices.pause();
    const lookup = (name: string) => result.get(name) ?? services.get(name);
    const value = await valueOf(variable, lookup, pod, container, sources, context);
    if (value !== undefined) add(variable.name ?? "", value);
  }
  await addAll([...services].filter(([name]) => !result.has(name)));
  return result;
}

async function valueOf(
  variable: EnvVar,
  lookup: (name: string) => string | undefined,
  pod: Pod,
  container: Container,
  sources: EnvSources,
  context: EnvContext,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return expand(variable.value ?? "", lookup, new ExpansionBudget());
  if (from.fieldRef) return fieldValue(from.fieldRef.fieldPath ?? "", pod, context);
  if (from.resourceFieldRef) {
    return resourceValue(from.resourceFieldRef, pod, container, context.allocatable);
  }
  if (from.configMapKeyRef) {
    const { name = "", key = "", optional } = from.configMapKeyRef;
    const data = await sources.configMap(name);
    if (!data && !optional) throw missing("configmap", name);
    const value = own(data ?? {}, key);
    if (value === undefined && !optional) throw missingKey(key, "ConfigMap", pod, name);
    return value;
  }
  if (from.secretKeyRef) {
    const { name = "", key = "", optional } = from.secretKeyRef;
    const data = await sources.secret(name);
    if (!data && !optional) throw missing("secret", name);
    const value = own(data ?? {}, key);
    if (value === undefined && !optional) throw missingKey(key, "Secret", pod, name);
    return value === undefined ? undefined : decoded(value);
  }
  if (from.fileKeyRef) return fileValue(from.fileKeyRef, sources);
  throw new ContainerConfigError(
    `env ${variable.name}: valueFrom has none of fieldRef, resourceFieldRef, configMapKeyRef, ` +
      `secretKeyRef, fileKeyRef`,
  );
}

/** Returns what a file has for a key; an empty value counts as missing, as upstream. */
function fileValue(selector: FileKeySelector, sources: EnvSources): string | undefined {
  const { volumeName, path, key, optional } = selector;
  const place = `file ${path} of volume ${volumeName}`;
  let file: EnvFile | undefined;
  try {
    file = sources.file(volumeName, path);
  } catch (thrown) {
    throw new ContainerConfigError(`${place}: ${messageOf(thrown)}`, { cause: thrown });
  }
  const value = file?.values.get(key);
  if (value) return value;
  if (file?.mistake !== undefined) throw new ContainerConfigError(`${place}: ${file.mistake}`);
  if (optional) return undefined;
  throw new ContainerConfigError(`couldn't find key ${key} in ${place}`);
}

const decoded = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");

function missing(kind: string, name: string): ContainerConfigError {
  return new ContainerConfigError(`${kind} "${name}" not found`);
}

function missingKey(key: string, kind: string, pod: Pod, name: string): ContainerConfigError {
  const namespace = pod.metadata.namespace ?? "default";
  return new ContainerConfigError(`couldn't find key ${key} in ${kind} ${namespace}/${name}`);
}
