import type { KubeObject } from "@raft2kube/api/kind.ts";

/** The parts of a pod that admission looks at (core/v1). */
export interface Pod extends KubeObject {
  spec: PodSpec;
}

export interface PodSpec {
  nodeName?: string;
  serviceAccountName?: string;
  serviceAccount?: string;
  automountServiceAccountToken?: boolean;
  imagePullSecrets?: { name?: string }[];
  priority?: number;
  priorityClassName?: string;
  preemptionPolicy?: string;
  runtimeClassName?: string;
  overhead?: Record<string, string>;
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  volumes?: Volume[];
  containers: Container[];
  initContainers?: Container[];
  ephemeralContainers?: Container[];
}

export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
  tolerationSeconds?: number;
}

export interface Volume {
  name: string;
  image?: { pullPolicy?: string };
  [source: string]: unknown;
}

export interface Container {
  name: string;
  image?: string;
  imagePullPolicy?: string;
  restartPolicy?: string;
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
  env?: unknown[];
  envFrom?: unknown[];
}

/** Pods made for a file on a node: they run whatever the API says. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

export function isMirrorPod(pod: KubeObject): boolean {
  return pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/** All containers that start with the pod. */
export function startedContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
