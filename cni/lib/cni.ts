import { activeSpan, traced } from "@raft2kube/observe/trace/tracer.ts";
import { PLUGIN_TIMEOUT_MS } from "../limits.ts";
import { type AttachmentCache, attachmentCache } from "./cache.ts";
import { CniError } from "./errors.ts";
import { execInvoke } from "./exec.ts";
import { requireContainerId, requireIfName } from "./names.ts";
import { type PluginFinder, pluginFinder } from "./plugins.ts";
import { parseResult, resultForVersion } from "./result.ts";
import type {
  Attachment,
  CniResult,
  Command,
  Invoke,
  NetworkList,
  PluginConfig,
  PluginRequest,
  ValidAttachment,
} from "./types.ts";
import { atLeast, type CniVersion, isCniVersion, negotiate } from "./version.ts";

export interface CniOptions {
  /** Directories searched for plugins, in order (CNI_PATH). */
  pluginDirs: string[];
  /** Results are stored in `<cacheDir>/results/` between ADD and DEL. */
  cacheDir: string;
  /** Timeout of one command of one plugin. */
  timeout_ms?: number;
  /** Calls a plugin; default: exec. `inProcessInvoke` wraps it for plugins of this build. */
  invoke?: Invoke;
}

/** The runtime's side of CNI (libcni in the reference library). */
export interface Cni {
  /**
   * Runs ADD of each plugin with the result of the previous one, and returns the last result in the
   * format of 1.1.0. After an error runs DEL of all and rejects with the first error.
   */
  addNetworkList(list: NetworkList, attachment: Attachment): Promise<CniResult>;
  /** Rejects with the plugin's error if the attachment differs from the result of ADD. */
  checkNetworkList(list: NetworkList, attachment: Attachment): Promise<void>;
  /** Runs DEL in reverse order. Idempotent; a deleted namespace is not an error. */
  delNetworkList(list: NetworkList, attachment: Attachment): Promise<void>;
  /** Rejects if a plugin is not ready for ADD. */
  statusNetworkList(list: NetworkList): Promise<void>;
  /** Deletes all attachments of this network except the valid ones. */
  gcNetworkList(list: NetworkList, valid: ValidAttachment[]): Promise<void>;
  /** Resolves with the version that all plugins share; rejects if one is missing or none is. */
  validateNetworkList(list: NetworkList): Promise<CniVersion>;
}

export const createCni = (options: CniOptions): Cni => new PluginCaller(options);

type About = { attachment?: Attachment; prevResult?: CniResult; extra?: Record<string, unknown> };

class PluginCaller implements Cni {
  readonly #pluginDirs: string[];
  readonly #invoke: Invoke;
  readonly #cache: AttachmentCache;
  readonly #finder: PluginFinder;

  constructor(options: CniOptions) {
    this.#pluginDirs = options.pluginDirs;
    this.#invoke = options.invoke ?? execInvoke(options.timeout_ms ?? PLUGIN_TIMEOUT_MS);
    this.#cache = attachmentCache(options.cacheDir);
    this.#finder = pluginFinder(options.pluginDirs, this.#invoke);
  }

  async addNetworkList(list: NetworkList, attachment: Attachment): Promise<CniResult> {
    requireAttachment(attachment);
    const version = await this.validateNetworkList(list);
    try {
      return await this.#add(list, attachment, version);
    } catch (thrown) {
      await this.#undo(list, attachment, thrown);
      throw thrown;
    }
  }

  async #add(list: NetworkList, at: Attachment, version: CniVersion): Promise<CniResult> {
    let result: CniResult | undefined;
    for (const plugin of list.plugins) {
      const about = { attachment: at, ...(result ? { prevResult: result } : {}) };
      const output = await this.#call("ADD", list.name, plugin, version, about);
      result = parseResult(output, `plugin ${plugin.type}`);
    }
    if (!result) throw new CniError("invalid-config", `network ${list.name} has no plugins`);
    await this.#cache.put({
      kind: "r2kCniCacheV1",
      networkName: list.name,
      cniVersion: version,
      containerId: at.containerId,
      ifName: at.ifName,
      netns: at.netns,
      plugins: list.plugins,
      args: at.args ?? {},
      capabilityArgs: at.capabilityArgs ?? {},
      result,
    });
    return result;
  }

  /** Runs DEL after a failed ADD (spec section 2); adds its error to the first one's details. */
  async #undo(list: NetworkList, attachment: Attachment, first: unknown): Promise<void> {
    try {
      await this.delNetworkList(list, attachment);
    } catch (thrown) {
      if (first instanceof Error && first.cause === undefined) first.cause = thrown;
    }
  }

  async checkNetworkList(list: NetworkList, now: Attachment): Promise<void> {
    requireAttachment(now);
    const { version, plugins, attachment, prevResult } = await this.#recall(list, now);
    if (list.disableCheck) return;
    if (!atLeast(version, "0.4.0")) {
      const what = `CHECK needs CNI 0.4.0, the list has ${version}`;
      throw new CniError("incompatible-version", what);
    }
    if (!prevResult) {
      const what = `container ${now.containerId} has no ${now.ifName} in network ${list.name}`;
      throw new CniError("container-unknown", what);
    }
    for (const plugin of plugins) {
      await this.#call("CHECK", list.name, plugin, version, { attachment, prevResult });
    }
  }

  async delNetworkList(list: NetworkList, now: Attachment): Promise<void> {
    requireContainerId(now.containerId);
    requireIfName(now.ifName);
    const { version, plugins, attachment, prevResult } = await this.#recall(list, now);
    const about = { attachment, ...(prevResult ? { prevResult } : {}) };
    for (const plugin of plugins.toReversed()) {
      await this.#call("DEL", list.name, plugin, version, about);
    }
    await this.#cache.delete(list.name, now.containerId, now.ifName);
  }

  async statusNetworkList(list: NetworkList): Promise<void> {
    const version = await this.validateNetworkList(list);
    if (!atLeast(version, "1.1.0")) return;
    for (const plugin of list.plugins) await this.#call("STATUS", list.name, plugin, version, {});
  }

  async gcNetworkList(list: NetworkList, valid: ValidAttachment[]): Promise<void> {
    if (list.disableGC) return;
    const keep = new Set(valid.map(({ containerID, ifname }) => `${containerID} ${ifname}`));
    const failures: unknown[] = [];
    const attempt = async (doing: Promise<unknown>) => {
      await doing.catch((thrown: unknown) => failures.push(thrown));
    };
    for (const { containerId, ifName, netns } of await this.#cache.list(list.name)) {
      if (keep.has(`${containerId} ${ifName}`)) continue;
      await attempt(this.delNetworkList(list, { containerId, ifName, netns }));
    }
    const version = await this.validateNetworkList(list);
    if (atLeast(version, "1.1.0")) {
      const extra = { "cni.dev/valid-attachments": valid };
      for (const plugin of list.plugins) {
        await attempt(this.#call("GC", list.name, plugin, version, { extra }));
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async validateNetworkList(list: NetworkList): Promise<CniVersion> {
    return negotiate(list.cniVersions, await Promise.all(list.plugins.map(this.#finder.versions)));
  }

  async #call(
    command: Command,
    name: string,
    plugin: PluginConfig,
    version: CniVersion,
    { attachment, prevResult, extra }: About,
  ): Promise<unknown> {
    const request: PluginRequest = {
      command,
      containerId: attachment?.containerId ?? "",
      netns: attachment?.netns ?? "",
      ifName: attachment?.ifName ?? "",
      args: argsText(attachment?.args ?? {}),
      path: this.#pluginDirs,
      config: {
        ...configFor(plugin, attachment),
        ...extra,
        name,
        cniVersion: version,
        ...(prevResult ? { prevResult: resultForVersion(prevResult, version) } : {}),
      },
    };
    const { containerId, ifName } = request;
    const invoke = async () => {
      const output = await this.#invoke(await this.#finder.find(plugin.type), request);
      activeSpan()?.set({ addresses: addressesIn(output) });
      return output;
    };
    const attributes = () => ({ network: name, containerId, ifName });
    return traced(`CNI ${command} ${plugin.type}`, invoke, attributes);
  }

  /** Returns the attachment as ADD cached it, else as the caller describes it. */
  async #recall(list: NetworkList, now: Attachment) {
    const cached = await this.#cache.get(list.name, now.containerId, now.ifName);
    if (!cached || !isCniVersion(cached.cniVersion)) {
      const version = await this.validateNetworkList(list);
      return { version, plugins: list.plugins, attachment: now };
    }
    const { args, capabilityArgs, plugins, cniVersion: version, result: prevResult } = cached;
    return { version, plugins, attachment: { args, capabilityArgs, ...now }, prevResult };
  }
}

/** The addresses of a result, for the call's span. */
function addressesIn(output: unknown): string[] | undefined {
  const ips = (output as { ips?: unknown } | undefined)?.ips;
  if (!Array.isArray(ips)) return undefined;
  return ips.map((each) => String((each as { address?: unknown } | null)?.address));
}

function requireAttachment(attachment: Attachment): void {
  requireContainerId(attachment.containerId);
  requireIfName(attachment.ifName);
  if (!attachment.netns.startsWith("/")) {
    const what = `CNI_NETNS ${JSON.stringify(attachment.netns)} is not an absolute path`;
    throw new CniError("invalid-environment", what);
  }
}

/** Encodes CNI_ARGS; rejects pairs with separators, which would be ambiguous. */
function argsText(args: Record<string, string>): string {
  return Object.entries(args)
    .map(([key, value]) => {
      if (!/^[^;=]+$/.test(key) || /[;\n]/.test(value)) {
        const what = `CNI_ARGS ${JSON.stringify(key)}=${JSON.stringify(value)} cannot be written`;
        throw new CniError("invalid-environment", what);
      }
      return `${key}=${value}`;
    })
    .join(";");
}

/**
 * Returns the plugin's configuration for stdin (spec section 4): `runtimeConfig` with the caller's
 * arguments replaces `capabilities`, and keys of the runtime (`cni.dev/...`) are removed.
 */
function configFor(plugin: PluginConfig, attachment: Attachment | undefined): PluginConfig {
  const { capabilities, ...rest } = plugin;
  const kept = Object.entries(rest).filter(([key]) => !key.startsWith("cni.dev/"));
  const given = Object.entries(attachment?.capabilityArgs ?? {}).filter(
    ([name, value]) => capabilities?.[name] === true && value !== undefined,
  );
  const config = Object.fromEntries(kept) as PluginConfig;
  if (given.length > 0) config.runtimeConfig = Object.fromEntries(given);
  return config;
}
