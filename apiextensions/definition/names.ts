/** Group, scope, names and conversion of a definition. */
import { X509Certificate } from "node:crypto";
import { type FieldError, forbidden, invalid, required } from "@raft2kube/api/errors.ts";
import type {
  CustomResourceConversion,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { eachOf, invalidBy, requiredOneOf } from "@raft2kube/api/validation/checks.ts";
import { dns1035Label, dnsSubdomain } from "@raft2kube/api/validation/names.ts";
import { validateClient } from "@raft2kube/api/validation/webhook-client.ts";
import { certificatesIn, costlyToParse } from "@raft2kube/std/costly-certificate.ts";

const SCOPES = ["Cluster", "Namespaced"];
const STRATEGIES = ["None", "Webhook"];
const REVIEW_VERSIONS = ["v1", "v1beta1"];

export function validateGroup(group: string): FieldError[] {
  if (group === "") return [required("spec.group")];
  const wrong = dnsSubdomain(group);
  if (wrong.length > 0) return [invalid("spec.group", group, wrong.join(","))];
  return group.includes(".")
    ? []
    : [invalid("spec.group", group, "should be a domain with at least one dot")];
}

export const validateScope = (scope: string): FieldError[] =>
  requiredOneOf(scope, SCOPES, "spec.scope");

/** Names that a specification must have, and a status need not. */
export function requireNames(names: CustomResourceDefinitionNames): FieldError[] {
  return (["plural", "singular", "kind", "listKind"] as const).flatMap((name) =>
    (names[name] ?? "") === "" ? [required(`spec.names.${name}`)] : [],
  );
}

/** The form of names. */
export function validateNames(names: CustomResourceDefinitionNames, path: string): FieldError[] {
  const { plural, singular = "", kind, listKind = "", shortNames = [], categories = [] } = names;
  const label = (text: string, at: string): FieldError[] => {
    const wrong = dns1035Label(text);
    return wrong.length === 0 ? [] : [invalid(`${path}.${at}`, text, wrong.join(","))];
  };
  const mixed = (text: string, at: string): FieldError[] => {
    const wrong = text === "" ? [] : dns1035Label(text.toLowerCase());
    if (wrong.length === 0) return [];
    const rule = `may have mixed case, but should otherwise match: ${wrong.join(",")}`;
    return [invalid(`${path}.${at}`, text, rule)];
  };
  return [
    ...(plural === "" ? [] : label(plural, "plural")),
    ...(singular === "" ? [] : label(singular, "singular")),
    ...mixed(kind, "kind"),
    ...mixed(listKind, "listKind"),
    ...eachOf(shortNames, "shortNames", label),
    ...(kind !== "" && kind === listKind
      ? [invalid(`${path}.listKind`, listKind, "kind and listKind may not be the same")]
      : []),
    ...eachOf(categories, "categories", label),
  ];
}

/** Rules about webhooks that an update does not apply, as the old definition broke them. */
export type WebhookLeniency = { readonly reviewVersions: boolean; readonly caBundle: boolean };

/** Validates how objects of one version become those of another. */
export function validateConversion(
  { conversion, preserveUnknownFields }: CustomResourceDefinitionSpec,
  leniency: WebhookLeniency,
): FieldError[] {
  if (conversion === undefined) return [];
  const path = "spec.conversion";
  const { strategy, webhook } = conversion;
  const errors =
    strategy !== "None" && preserveUnknownFields === true
      ? [
          invalid(
            `${path}.strategy`,
            strategy,
            "must be None if spec.preserveUnknownFields is true",
          ),
        ]
      : [];
  errors.push(...requiredOneOf(strategy, STRATEGIES, `${path}.strategy`));
  const client = `${path}.webhookClientConfig`;
  const versions = `${path}.conversionReviewVersions`;
  if (strategy === "Webhook") return [...errors, ...validateWebhook(webhook, leniency)];
  const why = "should not be set when strategy is not set to Webhook";
  if (webhook?.clientConfig !== undefined) errors.push(forbidden(client, why));
  if ((webhook?.conversionReviewVersions ?? []).length > 0) errors.push(forbidden(versions, why));
  return errors;
}

function validateWebhook(
  webhook: CustomResourceConversion["webhook"],
  leniency: WebhookLeniency,
): FieldError[] {
  const client = "spec.conversion.webhookClientConfig";
  const config = webhook?.clientConfig;
  const errors =
    config === undefined
      ? [required(client, "required when strategy is set to Webhook")]
      : validateClient(config, client);
  if (config?.caBundle && !leniency.caBundle) {
    errors.push(...validateCaBundle(config.caBundle, `${client}.caBundle`));
  }
  const { conversionReviewVersions = [] } = webhook ?? {};
  return [...errors, ...validateReviewVersions(conversionReviewVersions, leniency)];
}

function validateReviewVersions(
  versions: readonly string[],
  leniency: WebhookLeniency,
): FieldError[] {
  const path = "spec.conversion.conversionReviewVersions";
  if (versions.length === 0) return [required(path)];
  const seen = new Set<string>();
  const errors = versions.flatMap((version, index) =>
    seen.size === seen.add(version).size
      ? [invalid(`${path}[${index}]`, version, "duplicate version")]
      : invalidBy(dns1035Label, `${path}[${index}]`, version),
  );
  if (!leniency.reviewVersions && !hasKnownReview(versions)) {
    const rule = `must include at least one of ${REVIEW_VERSIONS.join(", ")}`;
    errors.push(invalid(path, versions, rule));
  }
  return errors;
}

/** Whether one of the versions of ConversionReview is one that we speak. */
export function hasKnownReview(versions: readonly string[]): boolean {
  return versions.some((each) => REVIEW_VERSIONS.includes(each));
}

/** The error of a bundle, in base64, that holds no certificates, or broken ones. */
export function validateCaBundle(bundle: string, path: string): FieldError[] {
  const found = certificatesIn(Buffer.from(bundle, "base64").toString("latin1"));
  const why =
    found.length === 0
      ? "data does not contain any valid RSA or ECDSA certificates"
      : found.map(complaintOf).find((each) => each !== undefined);
  return why === undefined
    ? []
    : [invalid(path, bundle, `unable to load root certificates: ${why}`)];
}

function complaintOf(der: Buffer): string | undefined {
  const costly = costlyToParse(der);
  if (costly !== undefined) return `x509: malformed certificate: ${costly}`;
  try {
    new X509Certificate(der);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    return "x509: malformed certificate";
  }
}
