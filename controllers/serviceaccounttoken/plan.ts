import type { Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";

export const TOKEN_TYPE = "kubernetes.io/service-account-token";
const ACCOUNT_NAME = "kubernetes.io/service-account.name";
const ACCOUNT_UID = "kubernetes.io/service-account.uid";
/** The issuer of tokens without an end, by which the apiserver knows them. */
const ISSUER = "kubernetes/serviceaccount";
const CLAIM = "kubernetes.io/serviceaccount";

/** The key `namespace/name` of the ServiceAccount that a Secret names; undefined without one. */
export function accountKeyOf({ metadata, type }: Secret): string | undefined {
  const name = metadata.annotations?.[ACCOUNT_NAME];
  if (type !== TOKEN_TYPE || name === undefined || name === "") return undefined;
  return `${metadata.namespace}/${name}`;
}

/** Whether a Secret is for this account, and not for an earlier one of the same name. */
export function isFor({ metadata }: Secret, account: ServiceAccount): boolean {
  const uid = metadata.annotations?.[ACCOUNT_UID] ?? "";
  return uid === "" || uid === account.metadata.uid;
}

/**
 * Returns the completed Secret: the account's UID, the certificates that verify the apiserver, the
 * namespace, and a token that `sign` makes; undefined if it is complete. Source: upstream's
 * pkg/controller/serviceaccount/tokens_controller.go.
 */
export async function completed(
  secret: Secret,
  account: ServiceAccount,
  rootCa: string,
  sign: (claims: Record<string, unknown>) => Promise<string>,
): Promise<Secret | undefined> {
  const { metadata, data = {} } = secret;
  const { name = "", uid = "" } = account.metadata;
  const added: Record<string, string> = {};
  const ca = base64(rootCa);
  if (data["ca.crt"] !== ca) added["ca.crt"] = ca;
  if (!data["namespace"]) added["namespace"] = base64(metadata.namespace ?? "");
  if (!data["token"]) added["token"] = base64(await sign(claimsOf(secret, account)));
  if (Object.keys(added).length === 0) return undefined;
  const annotations = { ...metadata.annotations, [ACCOUNT_NAME]: name, [ACCOUNT_UID]: uid };
  return { ...secret, metadata: { ...metadata, annotations }, data: { ...data, ...added } };
}

function claimsOf({ metadata }: Secret, account: ServiceAccount): Record<string, unknown> {
  const { namespace = "", name = "", uid = "" } = account.metadata;
  return {
    iss: ISSUER,
    [`${CLAIM}/namespace`]: namespace,
    [`${CLAIM}/secret.name`]: metadata.name ?? "",
    [`${CLAIM}/service-account.name`]: name,
    [`${CLAIM}/service-account.uid`]: uid,
    sub: `system:serviceaccount:${namespace}:${name}`,
  };
}

/** Returns an account without its reference to a Secret; undefined if it has none. */
export function withoutReference(
  account: ServiceAccount,
  secret: string,
): ServiceAccount | undefined {
  const { secrets = [] } = account;
  const kept = secrets.filter(({ name }) => name !== secret);
  return kept.length === secrets.length ? undefined : { ...account, secrets: kept };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
