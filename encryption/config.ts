import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import { PLAIN, type ValueEncryption } from "./value-encryption.ts";
import { CIPHERS } from "./ciphers.ts";
import { type NamedKey, type Provider, valueEncryptionOf } from "./provider.ts";

/** How the values of a resource lie in the store, by its group and plural. */
export interface Encryption {
  (resource: { group: string; plural: string }): ValueEncryption;
  /** The text that says so now, for another thread to read; undefined for no encryption. */
  readonly config: string | undefined;
}

/** An encryption from its two parts. */
export function encryptionOf(
  encryptionFor: (resource: { group: string; plural: string }) => ValueEncryption,
  config: () => string | undefined,
): Encryption {
  return Object.defineProperty(encryptionFor, "config", { get: config }) as Encryption;
}

/** Nothing is encrypted. */
export const NO_ENCRYPTION: Encryption = encryptionOf(() => PLAIN, () => undefined);

const read: ConfigFields = new ConfigFields("EncryptionConfiguration");

/**
 * Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1) in YAML or JSON. Of several entries
 * that name a resource the first holds. Throws ConfigFileError.
 */
export async function readEncryption(text: string): Promise<Encryption> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const config = read.whole(yamlValue(text), ["apiserver.config.k8s.io/v1"], ["resources"]);
  const rules = read.list("resources", config["resources"]).map(ruleOf);
  const encryptionFor = ({ group, plural }: { group: string; plural: string }) => {
    const rule = rules.find(({ names }) => names.some((name) => isNamed(name, group, plural)));
    return rule?.valueEncryption ?? PLAIN;
  };
  return encryptionOf(encryptionFor, () => text);
}

interface Rule {
  readonly names: string[];
  readonly valueEncryption: ValueEncryption;
}

function ruleOf(value: unknown, index: number): Rule {
  const at = `resources[${index}]`;
  const rule = read.object(at, value);
  read.onlyKnown(at, rule, ["resources", "providers"]);
  const names = read
    .list(`${at}.resources`, rule["resources"])
    .map((name, i) => read.text(`${at}.resources[${i}]`, name));
  const given = read.list(`${at}.providers`, rule["providers"]);
  const providers = given.map((provider, i) => providerOf(`${at}.providers[${i}]`, provider));
  return { names, valueEncryption: valueEncryptionOf(providers) };
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
  const provider = read.object(at, value);
  const [type = "", ...more] = Object.keys(provider);
  if (more.length > 0) read.refuse(at, "must have one provider only");
  if (type === "identity") return { type };
  if (type === "kms") {
    read.refuse(at, "kms would ask a plugin for each key, which this server does not: " +
      `give keys to one of ${Object.keys(CIPHERS).join(", ")}`);
  }
  if (type !== "aescbc" && type !== "aesgcm" && type !== "secretbox") {
    const known = ["identity", ...Object.keys(CIPHERS)].join(", ");
    read.refuse(at, `${JSON.stringify(type)} is not one of ${known}`);
  }
  const inner = read.object(`${at}.${type}`, provider[type]);
  read.onlyKnown(`${at}.${type}`, inner, ["keys"]);
  const keys = read.list(`${at}.${type}.keys`, inner["keys"]).map((key, i) =>
    keyOf(`${at}.${type}.keys[${i}]`, key, CIPHERS[type]!.keyBytes),
  );
  const names = new Set(keys.map(({ name }) => name));
  if (names.size < keys.length) {
    read.refuse(`${at}.${type}.keys`, "two keys have one name");
  }
  return { type, keys };
}

function keyOf(at: string, value: unknown, lengths: readonly number[]): NamedKey {
  const { name, secret, ...more } = read.object(at, value);
  read.onlyKnown(at, more, []);
  if (typeof name !== "string" || name === "" || name.includes(":")) {
    read.refuse(`${at}.name`, "must be a name without a colon");
  }
  const bytes = Buffer.from(typeof secret === "string" ? secret : "", "base64");
  if (!lengths.includes(bytes.length)) {
    const want = lengths.join(", ");
    read.refuse(
      `${at}.secret`,
      `must be base64 of a key of ${want} bytes, not of ${bytes.length}`,
    );
  }
  return { name, secret: bytes };
}
