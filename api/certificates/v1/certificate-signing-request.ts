/** CertificateSigningRequest: someone asks for a certificate, someone approves, a signer signs. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from "../../errors.ts";
import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from "../../gen/certificates/v1.ts";
import { humanDuration } from "../../human-duration.ts";
import type { Kind, StrategyContext } from "../../kind.ts";
import { keep } from "../../strategy.ts";
import { timeOf } from "../../time.ts";
import { oneOf } from "../../validation/checks.ts";
import { validateMetadataUpdate } from "../../validation/metadata.ts";
import { dnsSubdomain, pathSegment } from "../../validation/names.ts";

const USAGES = [
  "any",
  "cert sign",
  "client auth",
  "code signing",
  "content commitment",
  "crl sign",
  "data encipherment",
  "decipher only",
  "digital signature",
  "email protection",
  "encipher only",
  "ipsec end system",
  "ipsec tunnel",
  "ipsec user",
  "key agreement",
  "key encipherment",
  "microsoft sgc",
  "netscape sgc",
  "ocsp signing",
  "s/mime",
  "server auth",
  "signing",
  "timestamping",
];
const LIFETIME_S_MIN = 600;
const LEGACY_SIGNER = "kubernetes.io/legacy-unknown";
const DECISIONS = ["Approved", "Denied"];

type Condition = CertificateSigningRequestCondition;
const conditionsOf = (csr: CertificateSigningRequest): Condition[] => csr.status?.conditions ?? [];

function validateSigner(name: string): FieldError[] {
  const path = "spec.signerName";
  if (name === "") return [required(path)];
  if (name === LEGACY_SIGNER) {
    return [invalid(path, name, "the legacy signerName is not allowed via this API version")];
  }
  const [domain = "", signer, ...rest] = name.split("/");
  if (signer === undefined || rest.length > 0) {
    const rule = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(path, name, rule)];
  }
  return [domain, signer].flatMap((part) =>
    dnsSubdomain(part).map((each) => invalid(path, part, `validating label "${part}": ${each}`)),
  );
}

function validate(csr: CertificateSigningRequest): FieldError[] {
  const { request, usages = [], expirationSeconds } = csr.spec;
  const errors: FieldError[] = [];
  const pem = Buffer.from(request ?? "", "base64").toString("latin1");
  const begin = pem.indexOf("-----BEGIN CERTIFICATE REQUEST-----");
  if (begin < 0 || pem.indexOf("-----END CERTIFICATE REQUEST-----", begin) < 0) {
    const rule = "PEM block type must be CERTIFICATE REQUEST";
    errors.push(invalid("spec.request", request ?? null, rule));
  }
  if (usages.length === 0) errors.push(required("spec.usages"));
  const known = new Set<string>();
  usages.forEach((usage, index) => {
    const at = `spec.usages[${index}]`;
    errors.push(...oneOf(usage, USAGES, at));
    if (known.has(usage)) errors.push(duplicate(at, usage));
    known.add(usage);
  });
  errors.push(...validateSigner(csr.spec.signerName));
  if (expirationSeconds !== undefined && expirationSeconds < LIFETIME_S_MIN) {
    const rule = "may not specify a duration less than 600 seconds (10 minutes)";
    errors.push(invalid("spec.expirationSeconds", expirationSeconds, rule));
  }
  return [...errors, ...validateConditions(conditionsOf(csr))];
}

function validateConditions(conditions: readonly Condition[]): FieldError[] {
  const seen = new Set<string>();
  const errors = conditions.flatMap((condition, index) => {
    const at = `status.conditions[${index}]`;
    const { type, status } = condition;
    const found: FieldError[] = type === "" ? [required(`${at}.type`)] : [];
    if ((status as string) === "") found.push(required(`${at}.status`));
    else if (["Approved", "Denied", "Failed"].includes(type) && status !== "True") {
      found.push(notSupported(`${at}.status`, status, ["True"]));
    }
    if (seen.has(type)) found.push(duplicate(`${at}.type`, type));
    seen.add(type);
    return found;
  });
  if (DECISIONS.every((each) => seen.has(each))) {
    const rule = "Approved and Denied conditions are mutually exclusive";
    errors.push(invalid("status.conditions", "Denied", rule));
  }
  return errors;
}

/** The server sets the requester's identity from the request. */
function takeIdentity(csr: CertificateSigningRequest, context: StrategyContext): void {
  const { user } = context;
  for (const name of ["username", "uid", "groups", "extra"] as const) delete csr.spec[name];
  if (user === undefined) return;
  csr.spec.username = user.name;
  if (user.uid !== undefined && user.uid !== "") csr.spec.uid = user.uid;
  if (user.groups.length > 0) csr.spec.groups = [...user.groups];
  const extra = Object.entries(user.extra ?? {}).map(([key, value]) => [key, [...value]]);
  if (extra.length > 0) csr.spec.extra = Object.fromEntries(extra) as Record<string, string[]>;
}

/** A condition without times gets the server's. */
function fillTimes(
  csr: CertificateSigningRequest,
  old: CertificateSigningRequest,
  context: StrategyContext,
): void {
  const now = timeOf(context.now_ms);
  const keyOf = ({ type, status }: Condition) => `${status} ${type}`;
  const before = new Map(conditionsOf(old).map((each) => [keyOf(each), each]));
  for (const condition of conditionsOf(csr)) {
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??= before.get(keyOf(condition))?.lastTransitionTime ?? now;
  }
}

/** Writes by this path keep conditions of these types unchanged. */
function validateKept(
  csr: CertificateSigningRequest,
  old: CertificateSigningRequest,
  fixed: readonly string[],
): FieldError[] {
  const path = "status.conditions";
  const ofType = (each: CertificateSigningRequest, type: string): Condition[] =>
    conditionsOf(each).filter((condition) => condition.type === type);
  return [...DECISIONS, "Failed"].flatMap((type) => {
    const now = ofType(csr, type);
    const before = ofType(old, type);
    if (now.length < before.length) {
      return [forbidden(path, `updates may not remove a condition of type "${type}"`)];
    }
    if (!fixed.includes(type)) return [];
    if (now.length > before.length) {
      return [forbidden(path, `updates may not add a condition of type "${type}"`)];
    }
    return isDeepStrictEqual(now, before)
      ? []
      : [forbidden(path, `updates may not modify a condition of type "${type}"`)];
  });
}

function state(csr: CertificateSigningRequest): string {
  const types = conditionsOf(csr).map((each) => each.type);
  const words = [
    types.includes("Denied") ? "Denied" : types.includes("Approved") ? "Approved" : "Pending",
  ];
  if (types.includes("Failed")) words.push("Failed");
  if ((csr.status?.certificate ?? "") !== "") words.push("Issued");
  return words.join(",");
}

export const certificateSigningRequest: Kind<CertificateSigningRequest> =
  defineKind<CertificateSigningRequest>("certificates/v1.CertificateSigningRequest", {
    nameRule: pathSegment,
    prepareCreate: takeIdentity,
    prepareUpdate: (object, old) => keep(object, old, "spec"),
    validate,
    status: {
      prepareUpdate: fillTimes,
      validateUpdate(object, old) {
        const changed =
          old.status?.certificate !== undefined &&
          object.status?.certificate !== old.status.certificate;
        return [
          ...validateKept(object, old, DECISIONS),
          ...validateConditions(conditionsOf(object)),
          ...(changed
            ? [
                forbidden(
                  "status.certificate",
                  "updates may not modify existing certificate content",
                ),
              ]
            : []),
        ];
      },
    },
    subresources: {
      approval: {
        strategy: {
          prepareUpdate(object, old, context) {
            fillTimes(object, old, context);
            const conditions = object.status?.conditions;
            keep(object, old, "spec");
            keep(object, old, "status");
            if (conditions !== undefined) object.status = { ...object.status, conditions };
          },
          validateUpdate: (object, old) => [
            ...validateMetadataUpdate(object.metadata, old.metadata),
            ...validateKept(object, old, []),
            ...validateConditions(conditionsOf(object)),
          ],
        },
      },
    },
    columns: [
      nameColumn,
      ageColumn,
      column("SignerName", (object) => object.spec.signerName || NONE),
      column("Requestor", (object) => object.spec.username ?? ""),
      column("RequestedDuration", (object) =>
        object.spec.expirationSeconds === undefined
          ? NONE
          : humanDuration(object.spec.expirationSeconds),
      ),
      column("Condition", state),
    ],
    selectableFields: { "spec.signerName": (object) => object.spec.signerName },
  });
