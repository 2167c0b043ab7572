import type {
  ConfigMap,
  ConfigMapProjection,
  DownwardAPIProjection,
  KeyToPath,
  Pod,
  SecretProjection,
  ServiceAccountTokenProjection,
} from "@raft2kube/api/gen/core/v1.ts";
import { fieldValue, type NodeAllocatable, resourceValue } from "../pods/downward.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import type { ObjectReadOptions, PodObjects } from "../pods/pod-objects.ts";
import type { ProjectedFile } from "./atomic-writer.ts";
import type { Files } from "./files.ts";
import { VolumeError } from "./volume-error.ts";

/** Sources of projections: objects of the API and facts of the node. */
export interface ProjectionSources {
  objects: PodObjects;
  /** `orLast` where the pod has these files already. */
  read?: ObjectReadOptions;
  allocatable(): NodeAllocatable;
  hostIPs(): string[];
}

/** A part of an object's data: its texts by key, and their encoding. */
type Part = readonly [Record<string, string> | undefined, ProjectedFile["encoding"]];

/** Adds the keys of a ConfigMap or Secret. A missing one is an error unless optional. */
export async function addKeysOf(
  kind: "configMap" | "secret",
  files: Files,
  pod: Pod,
  source: ConfigMapProjection | SecretProjection,
  mode: number,
  { objects, read }: ProjectionSources,
): Promise<void> {
  const { name = "", items, optional = false } = source;
  const namespace = namespaceOf(pod);
  files.addSource();
  const object: ConfigMap | undefined = await objects[kind](namespace, name, read);
  const shown = kind.toLowerCase();
  if (!object && !optional) throw new VolumeError("NotFound", `${shown} "${name}" not found`);
  const parts: Part[] = [
    [object?.data, kind === "secret" ? "base64" : "utf8"],
    [object?.binaryData, "base64"],
  ];
  addKeys(files, parts, { items, mode, optional, what: `${shown} ${namespace}/${name}` });
}

/** Adds fields of the pod and resources of its containers. */
export function addDownward(
  files: Files,
  pod: Pod,
  { items = [] }: DownwardAPIProjection,
  mode: number,
  sources: ProjectionSources,
): void {
  files.addSource();
  const hostIPs = sources.hostIPs();
  const podIPs = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  for (const { path, fieldRef, resourceFieldRef, mode: own } of items) {
    const text = fieldRef
      ? fieldValue(fieldRef.fieldPath, pod, { podIPs, hostIPs })
      : resourceValue(resourceFieldRef!, pod, undefined, sources.allocatable());
    files.add(path, { text, encoding: "utf8", mode: own ?? mode });
  }
}

/**
 * Adds a token of the pod's service account, readable by the user of all of the pod's containers or
 * its group only, if it names them. Source: upstream's projected.go, FsUserFrom.
 */
export async function addToken(
  files: Files,
  pod: Pod,
  source: ServiceAccountTokenProjection,
  mode: number,
  { objects }: ProjectionSources,
): Promise<void> {
  const { path, audience, expirationSeconds = TOKEN_SECONDS } = source;
  files.addSource();
  const audiences = audience ? [audience] : [];
  const { token } = await objects.token(pod, { audiences, expirationSeconds });
  const uid = userOf(pod);
  const isOwned = uid !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  const owner = uid === undefined ? {} : { uid };
  files.add(path, { text: token, encoding: "utf8", mode: isOwned ? 0o600 : mode, ...owner });
}

/** Returns the user that all containers name, ephemeral ones too, themselves or by their pod. */
function userOf({ spec }: Pod): number | undefined {
  const { initContainers = [], containers, ephemeralContainers = [] } = spec;
  const users = [...initContainers, ...containers, ...ephemeralContainers].map(
    ({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser,
  );
  return users.every((user) => user === users[0]) ? users[0] : undefined;
}

/** The lifetime of a token whose request names none. */
export const TOKEN_SECONDS = 3600;

/** Adds the keys of an object, or those of `items`: the others, which may be many, are not read. */
function addKeys(
  files: Files,
  parts: readonly Part[],
  how: { items: KeyToPath[] | undefined; mode: number; optional: boolean; what: string },
): void {
  const { items, mode, optional, what } = how;
  if (!items || items.length === 0) {
    files.requireLeft();
    for (const [texts = {}, encoding] of parts) {
      for (const [path, text] of Object.entries(texts)) files.add(path, { text, encoding, mode });
    }
    return;
  }
  for (const { key, path, mode: own } of items) {
    const part = parts.find(([texts = {}]) => Object.hasOwn(texts, key));
    if (part) files.add(path, { text: part[0]![key]!, encoding: part[1], mode: own ?? mode });
    else if (!optional) throw new VolumeError("NotFound", `${what} has no key ${key}`);
  }
}
