import type {
  ConfigMapProjection,
  DownwardAPIProjection,
  KeyToPath,
  Pod,
  SecretProjection,
  ServiceAccountTokenProjection,
} from "@raft2kube/api/gen/core/v1.ts";
import { fieldValue, type NodeAllocatable, resourceValue } from "../pods/downward.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import type { ProjectedFile } from "./atomic-writer.ts";
import type { Files } from "./files.ts";
import { VolumeError } from "./volume-error.ts";

/** Sources of projections: objects of the API and facts of the node. */
export interface ProjectionSources {
  objects: PodObjects;
  allocatable(): NodeAllocatable;
  hostIPs(): string[];
}

/** The text of an object's keys. */
type Texts = Map<string, Omit<ProjectedFile, "mode">>;

/** Adds a ConfigMap's keys. A missing one is an error unless optional. */
export async function addConfigMap(
  files: Files,
  pod: Pod,
  source: ConfigMapProjection,
  mode: number,
  { objects }: ProjectionSources,
): Promise<void> {
  const { name = "", items, optional = false } = source;
  const namespace = namespaceOf(pod);
  const object = await objects.configMap(namespace, name);
  if (!object && !optional) throw new VolumeError("NotFound", `configmap "${name}" not found`);
  const data: Texts = new Map();
  for (const [key, text] of Object.entries(object?.data ?? {})) {
    data.set(key, { text, encoding: "utf8" });
  }
  for (const [key, text] of Object.entries(object?.binaryData ?? {})) {
    data.set(key, { text, encoding: "base64" });
  }
  addKeys(files, data, { items, mode, optional, what: `configmap ${namespace}/${name}` });
}

/** Adds a Secret's keys. */
export async function addSecret(
  files: Files,
  pod: Pod,
  source: SecretProjection,
  mode: number,
  { objects }: ProjectionSources,
): Promise<void> {
  const { name = "", items, optional = false } = source;
  const namespace = namespaceOf(pod);
  const object = await objects.secret(namespace, name);
  if (!object && !optional) throw new VolumeError("NotFound", `secret "${name}" not found`);
  const data: Texts = new Map();
  for (const [key, text] of Object.entries(object?.data ?? {})) {
    data.set(key, { text, encoding: "base64" });
  }
  addKeys(files, data, { items, mode, optional, what: `secret ${namespace}/${name}` });
}

/** Adds fields of the pod and resources of its containers. */
export function addDownward(
  files: Files,
  pod: Pod,
  { items = [] }: DownwardAPIProjection,
  mode: number,
  sources: ProjectionSources,
): void {
  const hostIPs = sources.hostIPs();
  const podIPs = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  for (const { path, fieldRef, resourceFieldRef, mode: own } of items) {
    const text = fieldRef
      ? fieldValue(fieldRef.fieldPath, pod, { podIPs, hostIPs })
      : resourceValue(resourceFieldRef!, pod, undefined, sources.allocatable());
    files.add(path, { text, encoding: "utf8", mode: own ?? mode });
  }
}

/** Adds a token of the pod's service account, readable by the pod's group only. */
export async function addToken(
  files: Files,
  pod: Pod,
  source: ServiceAccountTokenProjection,
  mode: number,
  { objects }: ProjectionSources,
): Promise<void> {
  const { path, audience, expirationSeconds = TOKEN_SECONDS } = source;
  const audiences = audience ? [audience] : [];
  const { token } = await objects.token(pod, { audiences, expirationSeconds });
  const narrow = pod.spec.securityContext?.fsGroup === undefined ? mode : 0o600;
  files.add(path, { text: token, encoding: "utf8", mode: narrow });
}

const TOKEN_SECONDS = 3600;

function addKeys(
  files: Files,
  data: Texts,
  how: { items: KeyToPath[] | undefined; mode: number; optional: boolean; what: string },
): void {
  const { items, mode, optional, what } = how;
  if (!items || items.length === 0) {
    for (const [key, text] of data) files.add(key, { ...text, mode });
    return;
  }
  for (const { key, path, mode: own } of items) {
    const text = data.get(key);
    if (text) files.add(path, { ...text, mode: own ?? mode });
    else if (!optional) throw new VolumeError("NotFound", `${what} has no key ${key}`);
  }
}
