/** Secret: bytes by key, with a type that says which keys must be there. */
import { own } from "@raft2kube/std/own.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required, tooLong } from "../../errors.ts";
import type { Secret } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";
import { DATA_BYTES_MAX, decodedBytes, validateFrozen, validateKeys } from "./config-map.ts";

const ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name";

/** Keys that a type demands, each as JSON or not. */
const DEMANDED: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

/** Text given in `stringData` becomes bytes in `data`, which alone is stored. */
function takeStringData(secret: Secret): void {
  for (const [key, text] of Object.entries(secret.stringData ?? {})) {
    secret.data ??= {};
    secret.data[key] = Buffer.from(text, "utf8").toString("base64");
  }
  delete secret.stringData;
}

/** The only key that must not be empty either. */
const SSH_KEY = "ssh-privatekey";

function validateType(secret: Secret): FieldError[] {
  const data = secret.data ?? {};
  const type = secret.type ?? "";
  if (type === "kubernetes.io/service-account-token") {
    const account = secret.metadata.annotations?.[ACCOUNT_ANNOTATION] ?? "";
    return account !== "" ? [] : [required(`metadata.annotations[${ACCOUNT_ANNOTATION}]`)];
  }
  if (type === "kubernetes.io/basic-auth") {
    const given = "username" in data || "password" in data;
    return given ? [] : [required("data[username]"), required("data[password]")];
  }
  if (type === "kubernetes.io/ssh-auth") return data[SSH_KEY] ? [] : [required(`data[${SSH_KEY}]`)];
  const missing = (own(DEMANDED, type) ?? []).filter((key) => !Object.hasOwn(data, key));
  if (missing.length > 0) return missing.map((key) => required(`data[${key}]`));
  return type.startsWith("kubernetes.io/dockerc") ? validateDockerConfig(type, data) : [];
}

function validateDockerConfig(type: string, data: Record<string, string>): FieldError[] {
  const key = own(DEMANDED, type)?.[0];
  if (key === undefined) return [];
  const text = Buffer.from(data[key] ?? "", "base64").toString("utf8");
  try {
    JSON.parse(text);
    return [];
  } catch (error) {
    const detail = error instanceof SyntaxError ? "the contents are no JSON" : String(error);
    return [invalid(`data[${key}]`, "<secret contents redacted>", detail)];
  }
}

export const secret: Kind<Secret> = defineKind<Secret>("core/v1.Secret", {
  defaults(object) {
    object.type ||= "Opaque";
    takeStringData(object);
  },
  prepareUpdate(object, old) {
    if ((object.type ?? "") === "" && old.type !== undefined) object.type = old.type;
  },
  validate(object) {
    const errors = validateKeys(object.data, "data");
    if (decodedBytes(object.data) > DATA_BYTES_MAX) errors.push(tooLong("data", DATA_BYTES_MAX));
    return [...errors, ...validateType(object)];
  },
  validateUpdate: (object, old) => [
    ...immutable("type", object.type, old.type),
    ...validateFrozen(object, old, ["data"]),
  ],
  columns: [
    nameColumn,
    column("Type", (object) => object.type ?? ""),
    column("Data", (object) => Object.keys(object.data ?? {}).length),
    ageColumn,
  ],
  selectableFields: { type: (object) => object.type ?? "" },
});
