import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { type KmsOptions, KmsPlugin } from "./kms/plugin.ts";
import { KMS_TIMEOUT_MS } from "./limits.ts";
import { PLAIN, type ValueEncryption } from "./value-encryption.ts";
import { CIPHERS } from "./ciphers.ts";
import { type NamedKey, type Provider, valueEncryptionOf } from "./provider.ts";

/** How the values of a resource lie in the store, by its group and plural. */
export interface Encryption {
  (resource: { group: string; plural: string }): ValueEncryption;
  /** The text that says so now, for another thread to read; undefined for no encryption. */
  readonly config: string | undefined;
  /** The plugins that it asks for keys. */
  readonly plugins: readonly KmsPlugin[];
}

/** An encryption from its parts. */
export function encryptionOf(
  encryptionFor: (resource: { group: string; plural: string }) => ValueEncryption,
  config: () => string | undefined,
  plugins: () => readonly KmsPlugin[] = () => [],
): Encryption {
  return Object.defineProperties(encryptionFor,
    { config: { get: config }, plugins: { get: plugins } }) as Encryption;
}

/** Ends the connections to an encryption's plugins. */
export async function closePlugins({ plugins }: Encryption): Promise<void> {
  for (const plugin of plugins) await plugin.close();
}

/** Nothing is encrypted. */
export const NO_ENCRYPTION: Encryption = encryptionOf(() => PLAIN, () => undefined);

const read: ConfigFields = new ConfigFields("EncryptionConfiguration");

/**
 * Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1) in YAML or JSON. Of several entries
 * that name a resource the first holds. Its plugins were asked once when this resolves. Throws
 * ConfigFileError.
 */
export async function readEncryption(
  text: string, clock: Clock = systemClock({ unref: true }),
): Promise<Encryption> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const config = read.whole(yamlValue(text), ["apiserver.config.k8s.io/v1"], ["resources"]);
  const options = new Map<string, KmsOptions>();
  const given = read.list("resources", config["resources"]);
  // All of it is checked before a plugin is asked.
  given.forEach((rule, i) => ruleOf(rule, i, (kms) => void options.set(kms.name, kms)));
  const plugins = new Map([...options].map(([name, each]) => [name, new KmsPlugin(each, clock)]));
  await Promise.all([...plugins.values()].map(({ primed }) => primed));
  const rules = given.map((rule, i) => {
    const { names, providers } = ruleOf(rule, i, () => undefined);
    const made = providers.map((each): Provider =>
      (each.type === "kms" ? { type: "kms", plugin: plugins.get(each.kms.name)! } : each));
    return { names, valueEncryption: valueEncryptionOf(made) };
  });
  const encryptionFor = ({ group, plural }: { group: string; plural: string }) => {
    const rule = rules.find(({ names }) => names.some((name) => isNamed(name, group, plural)));
    return rule?.valueEncryption ?? PLAIN;
  };
  return encryptionOf(encryptionFor, () => text, () => [...plugins.values()]);
}

type GivenProvider = Exclude<Provider, { type: "kms" }> | { type: "kms"; kms: KmsOptions };

interface Rule {
  readonly names: string[];
  readonly providers: GivenProvider[];
}

function ruleOf(value: unknown, index: number, found: (kms: KmsOptions) => void): Rule {
  const at = `resources[${index}]`;
  const rule = read.object(at, value);
  read.onlyKnown(at, rule, ["resources", "providers"]);
  const names = read
    .list(`${at}.resources`, rule["resources"])
    .map((name, i) => read.text(`${at}.resources[${i}]`, name));
  const given = read.list(`${at}.providers`, rule["providers"]);
  const providers = given.map((provider, i) => providerOf(`${at}.providers[${i}]`, provider));
  const plugins = providers.flatMap((each) => (each.type === "kms" ? [each.kms] : []));
  if (new Set(plugins.map(({ name }) => name)).size < plugins.length) {
    read.refuse(`${at}.providers`, "two plugins have one name");
  }
  for (const kms of plugins) found(kms);
  return { names, providers };
}

/** `secrets`, `deployments.apps`, `*.apps`, `*.` for the core group, `*.*` for all. */
function isNamed(name: string, group: string, plural: string): boolean {
  if (name === "*.*") return true;
  const dot = name.indexOf(".");
  if (dot < 0) return group === "" && name === plural;
  const resource = name.slice(0, dot);
  return name.slice(dot + 1) === group && (resource === "*" || resource === plural);
}

function providerOf(at: string, value: unknown): GivenProvider {
  const provider = read.object(at, value);
  const [type = "", ...more] = Object.keys(provider);
  if (more.length > 0) read.refuse(at, "must have one provider only");
  if (type === "identity") return { type };
  if (type === "kms") return { type, kms: kmsOf(`${at}.kms`, provider[type]) };
  if (type !== "aescbc" && type !== "aesgcm" && type !== "secretbox") {
    const known = ["identity", "kms", ...Object.keys(CIPHERS)].join(", ");
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

function kmsOf(at: string, value: unknown): KmsOptions {
  const kms = read.object(at, value);
  read.onlyKnown(at, kms, ["apiVersion", "name", "endpoint", "cachesize", "timeout"]);
  if (kms["apiVersion"] !== "v2") {
    read.refuse(`${at}.apiVersion`, "must be v2: v1, the default, is deprecated and not served");
  }
  if (kms["cachesize"] !== undefined) read.refuse(`${at}.cachesize`, "is not for v2");
  const name = read.text(`${at}.name`, kms["name"]);
  if (name.includes(":")) read.refuse(`${at}.name`, "must be a name without a colon");
  const endpoint = read.text(`${at}.endpoint`, kms["endpoint"]);
  if (!/^unix:\/\/\/./.test(endpoint)) {
    read.refuse(`${at}.endpoint`, "must be the path of a socket: unix:///path");
  }
  const text = kms["timeout"];
  const nanos = text === undefined ? undefined : parseDuration(read.text(`${at}.timeout`, text));
  if (text !== undefined && (nanos === undefined || nanos <= 0n)) {
    read.refuse(`${at}.timeout`, "must be a duration > 0s");
  }
  const timeout_ms = nanos === undefined ? KMS_TIMEOUT_MS
    : Math.max(1, Number(nanos / 1_000_000n));
  return { name, endpoint, timeout_ms };
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
