/** The two configurations of webhooks: servers that are asked about requests. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from "../../gen/admissionregistration/v1.ts";
import type { Column, Kind } from "../../kind.ts";
import { eachOf, invalidBy } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { dns1035Label } from "../../validation/names.ts";
import { fullyQualifiedName, validateClient } from "../../validation/webhook-client.ts";
import { validateMatchConditions } from "./expressions.ts";
import { defaultRule, MATCH_POLICIES, validateRule } from "./rules.ts";

export const FAILURE_POLICIES: readonly string[] = ["Fail", "Ignore"];
export const REINVOCATION_POLICIES: readonly string[] = ["IfNeeded", "Never"];
const SIDE_EFFECTS = ["None", "NoneOnDryRun"];
const REVIEW_VERSIONS = ["v1", "v1beta1"];
const TIMEOUT_S_MAX = 30;
const TIMEOUT_BY_DEFAULT_S = 10;
const HTTPS = 443;

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
type Webhook = MutatingWebhook | ValidatingWebhook;

function validateVersions(versions: readonly string[] = [], path: string): FieldError[] {
  if (versions.length === 0) {
    return [required(path, `must specify one of ${REVIEW_VERSIONS.join(", ")}`)];
  }
  const seen = new Set<string>();
  const errors = versions.flatMap((version, index) => {
    const at = `${path}[${index}]`;
    if (seen.has(version)) return [invalid(at, version, "duplicate version")];
    seen.add(version);
    return invalidBy(dns1035Label, at, version);
  });
  if (versions.some((each) => REVIEW_VERSIONS.includes(each))) return errors;
  const rule = `must include at least one of ${REVIEW_VERSIONS.join(", ")}`;
  return [...errors, invalid(path, versions, rule)];
}

/** A value of a list, when it is there. */
function validateChoice(
  value: string | undefined,
  allowed: readonly string[],
  path: string,
): FieldError[] {
  return value === undefined || allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

function validateHook(hook: Webhook, path: string, conditions: boolean): FieldError[] {
  const { sideEffects, timeoutSeconds: timeout = 1 } = hook as Partial<Webhook>;
  return [
    ...fullyQualifiedName(hook.name, `${path}.name`),
    ...eachOf(hook.rules, `${path}.rules`, validateRule),
    ...validateChoice(hook.failurePolicy, FAILURE_POLICIES, `${path}.failurePolicy`),
    ...validateChoice(hook.matchPolicy, MATCH_POLICIES, `${path}.matchPolicy`),
    ...(sideEffects === undefined
      ? [required(`${path}.sideEffects`, `must specify one of ${SIDE_EFFECTS.join(", ")}`)]
      : validateChoice(sideEffects, SIDE_EFFECTS, `${path}.sideEffects`)),
    ...(timeout >= 1 && timeout <= TIMEOUT_S_MAX
      ? []
      : [
          invalid(
            `${path}.timeoutSeconds`,
            timeout,
            `the timeout value must be between 1 and ${TIMEOUT_S_MAX} seconds`,
          ),
        ]),
    ...validateLabelSelector(hook.namespaceSelector, `${path}.namespaceSelector`),
    ...validateLabelSelector(hook.objectSelector, `${path}.objectSelector`),
    ...("reinvocationPolicy" in hook
      ? validateChoice(hook.reinvocationPolicy, REINVOCATION_POLICIES, `${path}.reinvocationPolicy`)
      : []),
    ...validateClient(hook.clientConfig, `${path}.clientConfig`),
    ...(conditions
      ? validateMatchConditions(hook.matchConditions, `${path}.matchConditions`, false)
      : []),
    ...validateVersions(hook.admissionReviewVersions, `${path}.admissionReviewVersions`),
  ];
}

/** Conditions that were there already are not looked at again: rules may have become stricter. */
function sameConditions(webhooks: readonly Webhook[], old: readonly Webhook[]): boolean {
  const serialize = (list: readonly Webhook[]): string =>
    JSON.stringify(list.map((each) => each.matchConditions ?? []));
  return serialize(webhooks) === serialize(old);
}

function validate({ webhooks = [] }: Configuration, old?: Configuration): FieldError[] {
  const conditions = old === undefined || !sameConditions(webhooks, old.webhooks ?? []);
  const names = new Set<string>();
  return webhooks.flatMap((hook, index) => {
    const errors = validateHook(hook, `webhooks[${index}]`, conditions);
    if (names.has(hook.name)) errors.push(duplicate(`webhooks[${index}].name`, hook.name));
    if (hook.name !== "") names.add(hook.name);
    return errors;
  });
}

function defaultClient(client: WebhookClientConfig): void {
  if (client.service !== undefined) client.service.port ??= HTTPS;
}

function defaults({ webhooks = [] }: Configuration): void {
  for (const hook of webhooks) {
    hook.failurePolicy ??= "Fail";
    hook.matchPolicy ??= "Equivalent";
    hook.namespaceSelector ??= {};
    hook.objectSelector ??= {};
    hook.timeoutSeconds ??= TIMEOUT_BY_DEFAULT_S;
    hook.rules?.forEach(defaultRule);
    defaultClient(hook.clientConfig);
  }
}

const columns: Column<Configuration>[] = [
  nameColumn,
  column("Webhooks", (object) => (object.webhooks ?? []).length, { type: "integer" }),
  ageColumn,
];

const VALIDATING = "admissionregistration/v1.ValidatingWebhookConfiguration";
const MUTATING = "admissionregistration/v1.MutatingWebhookConfiguration";

export const validatingWebhooks: Kind<ValidatingWebhookConfiguration> =
  defineKind<ValidatingWebhookConfiguration>(VALIDATING, {
    generation: "content",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults,
    validateCreate: (object) => validate(object),
    validateUpdate: (object, old) => validate(object, old),
    columns,
  });

export const mutatingWebhooks: Kind<MutatingWebhookConfiguration> =
  defineKind<MutatingWebhookConfiguration>(MUTATING, {
    generation: "content",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults(object) {
      defaults(object);
      for (const hook of object.webhooks ?? []) hook.reinvocationPolicy ??= "Never";
    },
    validateCreate: (object) => validate(object),
    validateUpdate: (object, old) => validate(object, old),
    columns,
  });
