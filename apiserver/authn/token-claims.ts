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
  if (typeof value !== "object" || value === null) return undefined;
  const claims = value as Record<string, unknown>;
  const account = boundObject(claims["serviceaccount"]);
  if (typeof claims["namespace"] !== "string" || account === undefined) return undefined;
  const pod = boundObject(claims["pod"]);
  const secret = boundObject(claims["secret"]);
  const node = boundObject(claims["node"]);
  return {
    namespace: claims["namespace"],
    serviceaccount: account,
    ...(pod && { pod }),
    ...(secret && { secret }),
    ...(node && { node }),
  };
}

function boundObject(value: unknown): BoundObject | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, uid } = value as Record<string, unknown>;
  return typeof name === "string" && typeof uid === "string" ? { name, uid } : undefined;
}
