import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Service,
} from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

export interface TokenRequestFields {
  audiences: string[];
  expirationSeconds: number;
}

export interface IssuedToken {
  token: string;
  expires_ms: number;
}

/** What pods refer to in the API. Absent objects are undefined; other failures throw. */
export interface PodObjects {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** Always read anew: binding decides whether a pod may start. */
  claim(namespace: string, name: string): Promise<PersistentVolumeClaim | undefined>;
  persistentVolume(name: string): Promise<PersistentVolume | undefined>;
  /** Services of all namespaces; waits until they are known. */
  services(): Promise<Service[]>;
  /** The handler that a RuntimeClass names. */
  runtimeHandler(runtimeClassName: string): Promise<string | undefined>;
  /** A token of the pod's service account, bound to the pod. */
  token(pod: Pod, fields: TokenRequestFields): Promise<IssuedToken>;
}

/** A static pod of a kubelet without API server refers to something in the API. */
export class NoApiServerError extends CodedError {
  override readonly name = "NoApiServerError";

  constructor(what: string) {
    super("NO_API_SERVER", `${what} cannot be read: this kubelet runs without an API server`, {
      remedy: "give the kubelet an API server, or take the reference out of the static pod",
    });
  }
}

/** The objects of a kubelet that has no API server: none, and asking is an error. */
export const NO_OBJECTS: PodObjects = {
  configMap: async (_, name) => refuse(`ConfigMap ${name}`),
  secret: async (_, name) => refuse(`Secret ${name}`),
  claim: async (_, name) => refuse(`PersistentVolumeClaim ${name}`),
  persistentVolume: async (name) => refuse(`PersistentVolume ${name}`),
  services: async () => [],
  runtimeHandler: async (name) => refuse(`RuntimeClass ${name}`),
  token: async () => refuse("a service account token"),
};

function refuse(what: string): never {
  throw new NoApiServerError(what);
}
