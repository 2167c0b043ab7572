import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
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
  const versions = ["apiserver.config.k8s.io/v1"];
  const plugins = new Map<string, KmsPlugin>();
  const pluginOf = (options: KmsOptions): KmsPlugin => {
    const plugin = plugins.get(options.name) ?? new KmsPlugin(options, clock, metrics);
    plugins.set(options.name, plugin);
    return plugin;
  };
  const rules = await ConfigFields.read("EncryptionConfiguration", text, versions, (config) =>
    config.objects("resources", { required: true }).map((rule) => ruleOf(rule, pluginOf)),
  );
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

function ruleOf(rule: ConfigFields, pluginOf: PluginOf) {
  const names = rule.texts("resources", { required: true });
  const given = rule.objects("providers", { required: true });
  const providers = given.map((each) => providerOf(each, pluginOf));
  rule.distinct("providers", "kms.name", providers, (each) =>
    each.type === "kms" ? each.plugin.name : undefined,
  );
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

function providerOf(provider: ConfigFields, pluginOf: PluginOf): Provider {
  const [type = "", ...more] = provider.names;
  if (more.length > 0) provider.refuse("", "must have one provider only");
  if (type === "identity") return { type };
  if (type === "kms") return { type, plugin: pluginOf(kmsOf(provider.object(type))) };
  if (type !== "aescbc" && type !== "aesgcm" && type !== "secretbox") {
    const known = ["identity", "kms", ...Object.keys(CIPHERS)].join(", ");
    return provider.refuse("", `${JSON.stringify(type)} is not one of ${known}`);
  }
  const cipher = provider.object(type);
  const { keyBytes } = CIPHERS[type]!;
  const keys = cipher.objects("keys", { required: true }).map((key) => keyOf(key, keyBytes));
  cipher.distinct("keys", "name", keys, ({ name }) => name);
  return { type, keys };
}

function kmsOf(kms: ConfigFields): KmsOptions {
  if (kms.text("apiVersion", "v1") !== "v2") {
    kms.refuse("apiVersion", "must be v2: v1, the default, is deprecated and not served");
  }
  const endpoint = kms.text("endpoint");
  if (!/^unix:\/\/\/./.test(endpoint)) {
    kms.refuse("endpoint", "must be the path of a socket: unix:///path");
  }
  return { name: nameIn(kms), endpoint, timeout_ms: kms.duration_ms("timeout", KMS_TIMEOUT_MS) };
}

/** A name, which is a part of stored values' prefixes. */
function nameIn(from: ConfigFields): string {
  const name = from.text("name", "");
  if (name !== "" && !name.includes(":")) return name;
  return from.refuse("name", "must be a name without a colon");
}

function keyOf(key: ConfigFields, lengths: readonly number[]): NamedKey {
  const name = nameIn(key);
  const secret = Buffer.from(key.text("secret", ""), "base64");
  if (lengths.includes(secret.length)) return { name, secret };
  const wanted = `must be base64 of a key of ${lengths.join(", ")} bytes`;
  return key.refuse("secret", `${wanted}, not of ${secret.length}`);
}
