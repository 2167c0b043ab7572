import type * as File from "@raft2kube/api/gen/apiserver/v1.ts";
import { type Place, readConfigFile } from "@raft2kube/apimachinery/config-file.ts";
import type { Reloads } from "@raft2kube/reconcile/followed-file.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CIPHERS } from "./ciphers.ts";
import { type KmsOptions, KmsPlugin } from "./kms/plugin.ts";
import { KMS_TIMEOUT_MS } from "./limits.ts";
import { EncryptionMetrics } from "./metrics.ts";
import { type NamedKey, type Provider, valueEncryptionOf } from "./provider.ts";
import { PLAIN, type ValueEncryption } from "./value-encryption.ts";

/** A resource by the group and plural that its values are stored under. */
export type StoredResource = { readonly group: string; readonly plural: string };

/** How the values of resources lie in the store. */
export interface Encryption {
  of(resource: StoredResource): ValueEncryption;
  /** The text that says so now, for another thread to read; undefined for no encryption. */
  readonly config: string | undefined;
  readonly metrics: EncryptionMetrics;
  /** The plugins that it asks for keys. */
  readonly plugins: readonly KmsPlugin[];
  /** How it goes to read the configuration again, where it is. */
  readonly reloads?: Reloads;
  /** Ends the connections to its plugins. */
  close(): Promise<void>;
}

/** Nothing is encrypted. */
export const NO_ENCRYPTION: Encryption = {
  of: () => PLAIN,
  config: undefined,
  metrics: new EncryptionMetrics(systemClock()),
  plugins: [],
  close: () => Promise.resolve(),
};

/**
 * Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1) in YAML or JSON. Of several entries
 * that name a resource the first holds. Its plugins were asked once when this resolves. Throws
 * ConfigFileError.
 */
export async function readEncryption(
  text: string,
  clock: Clock = systemClock({ unref: true }),
  metrics: EncryptionMetrics = new EncryptionMetrics(clock),
): Promise<Encryption> {
  const type = "apiserver/v1.EncryptionConfiguration";
  const versions = ["apiserver.config.k8s.io/v1"];
  const plugins = new Map<string, KmsPlugin>();
  const pluginOf = (options: KmsOptions): KmsPlugin => {
    const plugin = plugins.get(options.name) ?? new KmsPlugin(options, clock, metrics);
    plugins.set(options.name, plugin);
    return plugin;
  };
  const { config, at } = await readConfigFile<File.EncryptionConfiguration>(type, versions, text);
  const given = at.some("resources", config.resources);
  const rules = at.each("resources", given, (rule, place) => ruleOf(rule, place, pluginOf));
  // All of it is checked before a plugin is asked.
  await Promise.all([...plugins.values()].map((plugin) => plugin.start()));
  return {
    of: ({ group, plural }) => {
      const rule = rules.find(({ names }) => names.some((name) => isNamed(name, group, plural)));
      if (rule === undefined) return PLAIN;
      return metrics.measured(rule.valueEncryption, group === "" ? plural : `${plural}.${group}`);
    },
    config: text,
    metrics,
    plugins: [...plugins.values()],
    close: async () => {
      for (const plugin of plugins.values()) await plugin.close();
    },
  };
}

type PluginOf = (options: KmsOptions) => KmsPlugin;

function ruleOf(rule: File.ResourceConfiguration, at: Place, pluginOf: PluginOf) {
  const names = at.some("resources", rule.resources);
  names.forEach((name, i) => at.text(`resources[${i}]`, name));
  const read = at.each("providers", at.some("providers", rule.providers), (each, place) =>
    providerOf(each, place, pluginOf),
  );
  at.distinct("providers", "kms.name", read, (each) =>
    each.type === "kms" ? each.plugin.name : undefined,
  );
  return { names, valueEncryption: valueEncryptionOf(read) };
}

/** `secrets`, `deployments.apps`, `*.apps`, `*.` for the core group, `*.*` for all. */
function isNamed(name: string, group: string, plural: string): boolean {
  if (name === "*.*") return true;
  const dot = name.indexOf(".");
  if (dot < 0) return group === "" && name === plural;
  const resource = name.slice(0, dot);
  return name.slice(dot + 1) === group && (resource === "*" || resource === plural);
}

function providerOf(provider: File.ProviderConfiguration, at: Place, pluginOf: PluginOf): Provider {
  const [type, ...more] = Object.keys(provider) as (keyof File.ProviderConfiguration)[];
  if (type === undefined || more.length > 0) return at.refuse("", "must have one provider only");
  if (type === "identity") return { type };
  if (type === "kms") return { type, plugin: pluginOf(kmsOf(provider.kms!, at.in(type))) };
  const { keyBytes } = CIPHERS[type]!;
  const place = at.in(type);
  const given = place.some("keys", provider[type]?.keys);
  const keys = place.each("keys", given, (key, keyAt) => keyOf(key, keyAt, keyBytes));
  place.distinct("keys", "name", keys, ({ name }) => name);
  return { type, keys };
}

function kmsOf(kms: File.KMSConfiguration, at: Place): KmsOptions {
  if (kms.apiVersion !== "v2") {
    at.refuse("apiVersion", "must be v2: v1, the default, is deprecated and not served");
  }
  at.none(kms, "cachesize");
  const { endpoint } = kms;
  if (!/^unix:\/\/\/./.test(endpoint)) {
    at.refuse("endpoint", "must be the path of a socket: unix:///path");
  }
  const timeout_ms = at.duration_ms("timeout", kms.timeout, KMS_TIMEOUT_MS);
  return { name: nameIn(kms, at), endpoint, timeout_ms };
}

/** A name, which is a part of stored values' prefixes. */
function nameIn({ name }: { name: string }, at: Place): string {
  if (name !== "" && !name.includes(":")) return name;
  return at.refuse("name", "must be a name without a colon");
}

function keyOf(key: File.Key, at: Place, lengths: readonly number[]): NamedKey {
  const name = nameIn(key, at);
  const secret = Buffer.from(key.secret, "base64");
  if (lengths.includes(secret.length)) return { name, secret };
  const wanted = `must be base64 of a key of ${lengths.join(", ")} bytes`;
  return at.refuse("secret", `${wanted}, not of ${secret.length}`);
}
