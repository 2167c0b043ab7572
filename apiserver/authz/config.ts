import type * as File from "@raft2kube/api/gen/apiserver/v1.ts";
import { dnsSubdomain } from "@raft2kube/api/validation/names.ts";
import { type Place, readConfigFile } from "@raft2kube/apimachinery/config-file.ts";
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
  const type = "apiserver/v1.AuthorizationConfiguration";
  const read = await readConfigFile<File.AuthorizationConfiguration>(type, CONFIG_VERSIONS, text);
  const { config, at } = read;
  const found = at.each("authorizers", at.some("authorizers", config.authorizers), authorizerOf);
  found.forEach(({ type: mode, name }, i) => {
    const twice = found
      .slice(0, i)
      .find((each) => name === each.name || (mode === each.type && mode !== "Webhook"));
    if (twice !== undefined) at.refuse(`authorizers[${i}]`, `repeats ${twice.name}`);
  });
  const connected = found.map(async (each): Promise<AuthorizerConfig> => {
    if (each.type !== "Webhook") return each;
    const { file, ...webhook } = each.webhook;
    return { ...each, webhook: { ...webhook, access: await access(file) } };
  });
  return { authorizers: await Promise.all(connected) };
}

function authorizerOf(authorizer: File.AuthorizerConfiguration, at: Place) {
  const type = at.choice("type", authorizer.type, MODES);
  const name = at.text("name", authorizer.name);
  at.check("name", dnsSubdomain(name));
  if (type !== "Webhook") {
    at.none(authorizer, "webhook");
    return { type, name };
  }
  const webhook = authorizer.webhook ?? at.refuse("webhook", "must be an object");
  return { type, name, webhook: webhookOf(webhook, at.in("webhook")) };
}

function webhookOf(webhook: File.WebhookConfiguration, at: Place) {
  const timeout_ms = at.duration_ms("timeout", webhook.timeout);
  if (timeout_ms > TIMEOUT_MS_MAX) at.refuse("timeout", "must be > 0s and <= 30s");
  const cached = (answers: "Authorized" | "Unauthorized", otherwise_ms: number): number => {
    const field = answers === "Authorized" ? "authorizedTTL" : "unauthorizedTTL";
    const life_ms = at.duration_ms(field, webhook[field], otherwise_ms);
    return (webhook[`cache${answers}Requests`] ?? true) ? life_ms : 0;
  };
  const { connectionInfo, subjectAccessReviewVersion: version } = webhook;
  const connection = at.in("connectionInfo");
  connection.choice("type", connectionInfo.type, ["KubeConfigFile"]);
  const file = connection.text("kubeConfigFile", connectionInfo.kubeConfigFile);
  if (!file.startsWith("/")) connection.refuse("kubeConfigFile", "must be an absolute path");
  return {
    timeout_ms,
    file,
    onFailure: at.choice("failurePolicy", webhook.failurePolicy, ["NoOpinion", "Deny"]),
    version: at.choice("subjectAccessReviewVersion", version, ["v1", "v1beta1"]),
    conditions: conditionsOf(webhook, at),
    authorized_ms: cached("Authorized", AUTHORIZED_MS),
    unauthorized_ms: cached("Unauthorized", UNAUTHORIZED_MS),
  };
}

function conditionsOf(webhook: File.WebhookConfiguration, at: Place): string[] {
  const { matchConditions = [], matchConditionSubjectAccessReviewVersion: version } = webhook;
  if (matchConditions.length > 0 || version !== "") {
    at.choice("matchConditionSubjectAccessReviewVersion", version, ["v1"]);
  }
  if (matchConditions.length > MATCH_CONDITIONS_MAX) {
    at.refuse("matchConditions", `must have at most ${MATCH_CONDITIONS_MAX} items`);
  }
  const texts = at.each(
    "matchConditions",
    matchConditions,
    ({ expression }, place) =>
      expressionIn(place, "expression", expression, CONDITIONS_SCOPE, true).text,
  );
  at.distinct("matchConditions", "expression", texts);
  return texts;
}
