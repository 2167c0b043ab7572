import { ConfigFields, type Fields } from "@raft2kube/apimachinery/config-fields.ts";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { dnsSubdomain } from "@raft2kube/api/validation/names.ts";
import { MATCH_CONDITIONS_MAX } from "../limits.ts";
import type { RemoteAccess } from "../webhook/remote.ts";
import { compileCondition } from "./webhook/match-conditions.ts";

/** A webhook that authorizes. */
export interface AuthorizationWebhook {
  readonly access: RemoteAccess;
  readonly version: "v1" | "v1beta1";
  readonly timeout_ms: number;
  /** How long its answers are known; 0: they are not kept. */
  readonly authorized_ms: number;
  readonly unauthorized_ms: number;
  readonly onFailure: "Deny" | "NoOpinion";
  /** Expressions that must all hold for it to be asked. */
  readonly conditions: readonly string[];
}

export type AuthorizerConfig =
  | { readonly type: "Node" | "RBAC" | "AlwaysAllow" | "AlwaysDeny"; readonly name: string }
  | { readonly type: "Webhook"; readonly name: string; readonly webhook: AuthorizationWebhook };

/** The authorizers in the order in which they are asked. Data alone: a thread gets it too. */
export interface AuthorizationConfig {
  readonly authorizers: readonly AuthorizerConfig[];
}

/** The order of a cluster that kubeadm makes. */
export const NODE_AND_RBAC: AuthorizationConfig = {
  authorizers: [{ type: "Node", name: "node" }, { type: "RBAC", name: "rbac" }],
};

export const MODES = ["Node", "RBAC", "AlwaysAllow", "AlwaysDeny", "Webhook"] as const;

const read: ConfigFields = new ConfigFields("AuthorizationConfiguration");
const GROUP = "apiserver.config.k8s.io";
const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map((version) => `${GROUP}/${version}`);
const WEBHOOK_FIELDS = [
  "authorizedTTL", "cacheAuthorizedRequests", "unauthorizedTTL", "cacheUnauthorizedRequests",
  "timeout", "subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion",
  "failurePolicy", "connectionInfo", "matchConditions",
];
const AUTHORIZED_MS = 300_000;
const UNAUTHORIZED_MS = 30_000;
const TIMEOUT_MS_MAX = 30_000;

/** Reads what a kubeconfig file says about a webhook. */
export type ReadAccess = (file: string) => Promise<RemoteAccess>;

/**
 * Reads an AuthorizationConfiguration in YAML or JSON; `access` reads the files that it names.
 * Throws ConfigFileError.
 */
export async function readAuthorizationConfig(
  text: string, access: ReadAccess,
): Promise<AuthorizationConfig> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const config = read.whole(yamlValue(text), VERSIONS, ["authorizers"]);
  const authorizers: AuthorizerConfig[] = [];
  for (const [i, each] of read.list("authorizers", config["authorizers"]).entries()) {
    const next = await authorizerOf(`authorizers[${i}]`, each, access);
    const twice = authorizers.find(({ type, name }) =>
      name === next.name || (type === next.type && type !== "Webhook"));
    if (twice !== undefined) read.refuse(`authorizers[${i}]`, `repeats ${twice.name}`);
    authorizers.push(next);
  }
  return { authorizers };
}

async function authorizerOf(
  at: string, value: unknown, access: ReadAccess,
): Promise<AuthorizerConfig> {
  const authorizer = read.object(at, value);
  read.onlyKnown(at, authorizer, ["type", "name", "webhook"]);
  const type = MODES.find((each) => each === authorizer["type"]);
  if (type === undefined) {
    return read.refuse(`${at}.type`, `must be one of ${MODES.join(", ")}; ABAC is not served`);
  }
  const name = read.text(`${at}.name`, authorizer["name"]);
  const [wrong] = dnsSubdomain(name);
  if (wrong !== undefined) read.refuse(`${at}.name`, wrong);
  const { webhook } = authorizer;
  if (type === "Webhook") {
    return { type, name, webhook: await webhookOf(`${at}.webhook`, webhook, access) };
  }
  if (webhook !== undefined) read.refuse(`${at}.webhook`, "may only be specified with Webhook");
  return { type, name };
}

async function webhookOf(
  at: string, value: unknown, access: ReadAccess,
): Promise<AuthorizationWebhook> {
  const webhook = read.object(at, value);
  read.onlyKnown(at, webhook, WEBHOOK_FIELDS);
  const timeout_ms = milliseconds(`${at}.timeout`, webhook["timeout"]);
  if (timeout_ms > TIMEOUT_MS_MAX) read.refuse(`${at}.timeout`, "must be > 0s and <= 30s");
  const onFailure = webhook["failurePolicy"];
  if (onFailure !== "Deny" && onFailure !== "NoOpinion") {
    return read.refuse(`${at}.failurePolicy`, "must be NoOpinion or Deny");
  }
  const version = webhook["subjectAccessReviewVersion"];
  if (version !== "v1" && version !== "v1beta1") {
    return read.refuse(`${at}.subjectAccessReviewVersion`, "must be v1 or v1beta1");
  }
  const conditions = conditionsOf(at, webhook);
  const connection = read.object(`${at}.connectionInfo`, webhook["connectionInfo"]);
  return {
    access: await connect(`${at}.connectionInfo`, connection, access),
    version, timeout_ms, onFailure, conditions,
    authorized_ms: cached(at, webhook, "authorizedTTL", "cacheAuthorizedRequests", AUTHORIZED_MS),
    unauthorized_ms:
      cached(at, webhook, "unauthorizedTTL", "cacheUnauthorizedRequests", UNAUTHORIZED_MS),
  };
}

function conditionsOf(at: string, webhook: Fields): string[] {
  const given = webhook["matchConditions"] ?? [];
  const version = webhook["matchConditionSubjectAccessReviewVersion"];
  const isNone = Array.isArray(given) && given.length === 0;
  if (version !== "v1" && !(isNone && version === undefined)) {
    read.refuse(`${at}.matchConditionSubjectAccessReviewVersion`, "must be v1");
  }
  if (isNone) return [];
  const list = read.list(`${at}.matchConditions`, given);
  if (list.length > MATCH_CONDITIONS_MAX) {
    read.refuse(`${at}.matchConditions`, `must have at most ${MATCH_CONDITIONS_MAX} items`);
  }
  const texts = list.map((each, i) => {
    const here = `${at}.matchConditions[${i}]`;
    const condition = read.object(here, each);
    read.onlyKnown(here, condition, ["expression"]);
    const text = read.text(`${here}.expression`, condition["expression"]);
    compileCondition(text, (why) => read.refuse(`${here}.expression`, why));
    return text;
  });
  if (new Set(texts).size < texts.length) {
    read.refuse(`${at}.matchConditions`, "has an expression twice");
  }
  return texts;
}

async function connect(at: string, connection: Fields, access: ReadAccess): Promise<RemoteAccess> {
  read.onlyKnown(at, connection, ["type", "kubeConfigFile"]);
  if (connection["type"] !== "KubeConfigFile") {
    read.refuse(`${at}.type`, "must be KubeConfigFile; InClusterConfig is not served");
  }
  const file = read.text(`${at}.kubeConfigFile`, connection["kubeConfigFile"]);
  if (!file.startsWith("/")) read.refuse(`${at}.kubeConfigFile`, "must be an absolute path");
  return await access(file);
}

function cached(at: string, webhook: Fields, ttl: string, flag: string, usual: number): number {
  const isKept = webhook[flag] ?? true;
  if (typeof isKept !== "boolean") read.refuse(`${at}.${flag}`, "must be true or false");
  const given = webhook[ttl];
  const life_ms = given === undefined ? usual : milliseconds(`${at}.${ttl}`, given);
  return isKept ? life_ms : 0;
}

/** A duration of Go above zero. */
function milliseconds(at: string, value: unknown): number {
  const nanos = parseDuration(read.text(at, value));
  if (nanos === undefined || nanos <= 0n) return read.refuse(at, "must be a duration > 0s");
  return Math.max(1, Number(nanos / 1_000_000n));
}
