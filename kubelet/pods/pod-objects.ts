import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Service,
} from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

export type TokenRequestFields = { audiences: string[]; expirationSeconds: number };

export type IssuedToken = { token: string; expires_ms: number };

/**
 * `orLast`: whether the answer read last does, of any age, while the object cannot be read.
 * `since_ms`: monotonic time before which an answer was not read: that of a pod's arrival, since
 * its owner may have changed the object right before.
 */
export type ObjectReadOptions = { orLast?: boolean; since_ms?: number | undefined };

/** Reads API objects that pods refer to. Absent objects are undefined; other failures reject. */
export interface PodObjects {
  configMap(
    namespace: string,
    name: string,
    options?: ObjectReadOptions,
  ): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, options?: ObjectReadOptions): Promise<Secret | undefined>;
  /** Reads the claim from the server: binding decides whether a pod may start. */
  claim(namespace: string, name: string): Promise<PersistentVolumeClaim | undefined>;
  /** Reads the volume in the turn of a pod's namespace. */
  persistentVolume(namespace: string, name: string): Promise<PersistentVolume | undefined>;
  /** Returns the Services of all namespaces, once their informer is synced. */
  services(): Promise<Service[]>;
  runtimeHandler(runtimeClassName: string): Promise<string | undefined>;
  /** Returns a token of the pod's service account, bound to the pod. */
  token(pod: Pod, fields: TokenRequestFields): Promise<IssuedToken>;
}

/** A static pod refers to an API object, but the kubelet has no API server. */
export class NoApiServerError extends CodedError {
  constructor(what: string) {
    super("NO_API_SERVER", `${what} cannot be read: this kubelet runs without an API server`, {
      remedy: "give the kubelet an API server, or take the reference out of the static pod",
    });
  }
}

/** Objects of a kubelet without an API server: every read of an object rejects. */
export const NO_OBJECTS: PodObjects = {
  configMap: async (_, name) => refuse(`ConfigMap ${name}`),
  secret: async (_, name) => refuse(`Secret ${name}`),
  claim: async (_, name) => refuse(`PersistentVolumeClaim ${name}`),
  persistentVolume: async (_, name) => refuse(`PersistentVolume ${name}`),
  services: async () => [],
  runtimeHandler: async (name) => refuse(`RuntimeClass ${name}`),
  token: async () => refuse("a service account token"),
};

function refuse(what: string): never {
  throw new NoApiServerError(what);
}
