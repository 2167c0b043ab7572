import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { given } from "@raft2kube/std/given.ts";

/** An object that a token lives and dies with. */
export type BoundObject = { name: string; uid: string };

/** The private claims of a service account token, under `kubernetes.io` (upstream's layout). */
export interface KubernetesClaims {
  namespace: string;
  serviceaccount: BoundObject;
  pod?: BoundObject;
  secret?: BoundObject;
  node?: BoundObject;
}

export const CLAIMS = "kubernetes.io";

/** The claims if they have upstream's layout, else undefined. */
export function parseClaims(value: unknown): KubernetesClaims | undefined {
  if (!isObject(value)) return undefined;
  const { namespace } = value;
  const serviceaccount = boundObject(value["serviceaccount"]);
  if (typeof namespace !== "string" || serviceaccount === undefined) return undefined;
  const [pod, secret, node] = [value["pod"], value["secret"], value["node"]].map(boundObject);
  return given({ namespace, serviceaccount, pod, secret, node });
}

function boundObject(value: unknown): BoundObject | undefined {
  if (!isObject(value)) return undefined;
  const { name, uid } = value;
  return typeof name === "string" && typeof uid === "string" ? { name, uid } : undefined;
}
