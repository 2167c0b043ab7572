import { CodedError } from "@raft2kube/std/errors.ts";
import { PLAIN, type Sealing } from "../sealing.ts";
import { CIPHERS } from "./ciphers.ts";
import { type NamedKey, type Provider, sealingOf } from "./provider.ts";

/** The configuration is none; `message` names the field and says what it should be. */
export class EncryptionConfigError extends CodedError {
  override readonly name = "EncryptionConfigError";

  constructor(field: string, problem: string) {
    super("ENCRYPTION_CONFIG", `EncryptionConfiguration: ${field}: ${problem}`);
  }
}

/** How the values of a resource lie in the store, by its group and plural. */
export type Encryption = (resource: { group: string; plural: string }) => Sealing;

/** Nothing is encrypted. */
export const NO_ENCRYPTION: Encryption = () => PLAIN;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1) in YAML or JSON. Of several entries
 * that name a resource the first holds. Throws EncryptionConfigError.
 */
export async function readEncryption(text: string): Promise<Encryption> {
  const { yamlValue } = await import("../../http/yaml-text.ts");
  const config = fieldsOf("", yamlValue(text));
  const { kind, apiVersion } = config;
  if (kind !== "EncryptionConfiguration" || apiVersion !== "apiserver.config.k8s.io/v1") {
    throw new EncryptionConfigError(
      "kind",
      `must be EncryptionConfiguration of apiserver.config.k8s.io/v1, not ` +
        `${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)}`,
    );
  }
  onlyKnown("", config, ["kind", "apiVersion", "resources"]);
  const rules = listOf("resources", config["resources"]).map(ruleOf);
  return ({ group, plural }) => {
    const rule = rules.find(({ names }) => names.some((name) => isNamed(name, group, plural)));
    return rule?.sealing ?? PLAIN;
  };
}

function ruleOf(value: unknown, index: number): { names: string[]; sealing: Sealing } {
  const at = `resources[${index}]`;
  const rule = fieldsOf(at, value);
  onlyKnown(at, rule, ["resources", "providers"]);
  const names = listOf(`${at}.resources`, rule["resources"]).map((name, i) => {
    if (typeof name === "string" && name !== "") return name;
    throw new EncryptionConfigError(`${at}.resources[${i}]`, "must be the name of a resource");
  });
  const given = listOf(`${at}.providers`, rule["providers"]);
  const providers = given.map((provider, i) => providerOf(`${at}.providers[${i}]`, provider));
  return { names, sealing: sealingOf(providers) };
}

/** `secrets`, `deployments.apps`, `*.apps`, `*.` for the core group, `*.*` for all. */
function isNamed(name: string, group: string, plural: string): boolean {
  if (name === "*.*") return true;
  const dot = name.indexOf(".");
  if (dot < 0) return group === "" && name === plural;
  const resource = name.slice(0, dot);
  return name.slice(dot + 1) === group && (resource === "*" || resource === plural);
}

function providerOf(at: string, value: unknown): Provider {
  const provider = fieldsOf(at, value);
  const [type = "", ...more] = Object.keys(provider);
  if (more.length > 0) throw new EncryptionConfigError(at, "must have one provider only");
  if (type === "identity") return { type };
  if (type !== "aescbc" && type !== "aesgcm" && type !== "secretbox") {
    const known = ["identity", ...Object.keys(CIPHERS)].join(", ");
    throw new EncryptionConfigError(at, `${JSON.stringify(type)} is not one of ${known}`);
  }
  const inner = fieldsOf(`${at}.${type}`, provider[type]);
  onlyKnown(`${at}.${type}`, inner, ["keys"]);
  const keys = listOf(`${at}.${type}.keys`, inner["keys"]).map((key, i) =>
    keyOf(`${at}.${type}.keys[${i}]`, key, CIPHERS[type]!.keyBytes),
  );
  const names = new Set(keys.map(({ name }) => name));
  if (names.size < keys.length) {
    throw new EncryptionConfigError(`${at}.${type}.keys`, "two keys have one name");
  }
  return { type, keys };
}

function keyOf(at: string, value: unknown, lengths: readonly number[]): NamedKey {
  const { name, secret, ...more } = fieldsOf(at, value);
  onlyKnown(at, more, []);
  if (typeof name !== "string" || name === "" || name.includes(":")) {
    throw new EncryptionConfigError(`${at}.name`, "must be a name without a colon");
  }
  const bytes = Buffer.from(typeof secret === "string" ? secret : "", "base64");
  if (!lengths.includes(bytes.length)) {
    const want = lengths.join(", ");
    throw new EncryptionConfigError(
      `${at}.secret`,
      `must be base64 of a key of ${want} bytes, not of ${bytes.length}`,
    );
  }
  return { name, secret: bytes };
}

function fieldsOf(at: string, value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new EncryptionConfigError(at, "must be an object");
}

function listOf(at: string, value: unknown): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new EncryptionConfigError(at, "must be a list that is not empty");
}

function onlyKnown(at: string, fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new EncryptionConfigError(at === "" ? unknown : `${at}.${unknown}`, "is not a field of it");
}
