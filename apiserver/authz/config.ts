import { dnsSubdomain } from "@raft2kube/api/validation/names.ts";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import { CONFIG_VERSIONS, expressionIn } from "../authn/expression.ts";
import { MATCH_CONDITIONS_MAX } from "../limits.ts";
import type { RemoteAccess } from "../webhook/remote.ts";
import { CONDITIONS_SCOPE } from "./webhook/match-conditions.ts";

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
export type AuthorizationConfig = { readonly authorizers: readonly AuthorizerConfig[] };

/** The order of a cluster that kubeadm makes. */
export const NODE_AND_RBAC: AuthorizationConfig = {
  authorizers: [
    { type: "Node", name: "node" },
    { type: "RBAC", name: "rbac" },
  ],
};

export const MODES = ["Node", "RBAC", "AlwaysAllow", "AlwaysDeny", "Webhook"] as const;

const AUTHORIZED_MS = 300_000;
const UNAUTHORIZED_MS = 30_000;
const TIMEOUT_MS_MAX = 30_000;

/** Reads what a kubeconfig file says about a webhook. */
export type ReadAccess = (file: string) => Promise<RemoteAccess>;

/**
 * Reads an AuthorizationConfiguration in YAML or JSON; `access` reads the files that it names, once
 * all of it makes sense. Throws ConfigFileError.
 */
export async function readAuthorizationConfig(
  text: string,
  access: ReadAccess,
): Promise<AuthorizationConfig> {
  const kind = "AuthorizationConfiguration";
  const found = await ConfigFields.read(kind, text, CONFIG_VERSIONS, authorizersIn);
  const connected = found.map(async (each): Promise<AuthorizerConfig> => {
    if (each.type !== "Webhook") return each;
    const { file, ...webhook } = each.webhook;
    return { ...each, webhook: { ...webhook, access: await access(file) } };
  });
  return { authorizers: await Promise.all(connected) };
}

function authorizersIn(config: ConfigFields) {
  const authorizers: ReturnType<typeof authorizerOf>[] = [];
  for (const each of config.objects("authorizers", { required: true })) {
    const next = authorizerOf(each);
    const twice = authorizers.find(
      ({ type, name }) => name === next.name || (type === next.type && type !== "Webhook"),
    );
    if (twice !== undefined) each.refuse("", `repeats ${twice.name}`);
    authorizers.push(next);
  }
  return authorizers;
}

function authorizerOf(authorizer: ConfigFields) {
  const type = authorizer.choice("type", MODES);
  const name = authorizer.text("name");
  const [wrong] = dnsSubdomain(name);
  if (wrong !== undefined) authorizer.refuse("name", wrong);
  return type === "Webhook" ? { type, name, webhook: webhookOf(authorizer) } : { type, name };
}

function webhookOf(authorizer: ConfigFields) {
  const webhook = authorizer.object("webhook");
  const timeout_ms = webhook.duration_ms("timeout");
  if (timeout_ms > TIMEOUT_MS_MAX) webhook.refuse("timeout", "must be > 0s and <= 30s");
  return {
    timeout_ms,
    onFailure: webhook.choice("failurePolicy", ["NoOpinion", "Deny"]),
    version: webhook.choice("subjectAccessReviewVersion", ["v1", "v1beta1"]),
    conditions: conditionsOf(webhook),
    file: kubeconfigOf(webhook.object("connectionInfo")),
    authorized_ms: cached(webhook, "Authorized", AUTHORIZED_MS),
    unauthorized_ms: cached(webhook, "Unauthorized", UNAUTHORIZED_MS),
  };
}

function conditionsOf(webhook: ConfigFields): string[] {
  const conditions = webhook.objects("matchConditions");
  const version = "matchConditionSubjectAccessReviewVersion";
  if (conditions.length > 0 || webhook.has(version)) webhook.choice(version, ["v1"]);
  if (conditions.length > MATCH_CONDITIONS_MAX) {
    webhook.refuse("matchConditions", `must have at most ${MATCH_CONDITIONS_MAX} items`);
  }
  const texts = conditions.map(
    (condition) => expressionIn(condition, "expression", CONDITIONS_SCOPE, true).text,
  );
  webhook.distinct("matchConditions", "expression", texts);
  return texts;
}

function kubeconfigOf(connection: ConfigFields): string {
  connection.choice("type", ["KubeConfigFile"]);
  const file = connection.text("kubeConfigFile");
  if (!file.startsWith("/")) connection.refuse("kubeConfigFile", "must be an absolute path");
  return file;
}

/** How long answers are known that say `Authorized`, or `Unauthorized`. */
function cached(webhook: ConfigFields, answers: string, otherwise: number): number {
  const life_ms = webhook.duration_ms(`${answers.toLowerCase()}TTL`, otherwise);
  return webhook.flag(`cache${answers}Requests`, true) ? life_ms : 0;
}
