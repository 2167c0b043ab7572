import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BUILD_MARK } from "@raft2kube/cni/lib/mark.ts";
import { dispatch } from "@raft2kube/cni/lib/skel.ts";
import type { CniResult, Command, Invoke, PluginRequest } from "@raft2kube/cni/lib/types.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { createHostNetwork, type HostNetwork } from "../../testing/network/host-network.ts";

/** The reference plugins of Debian's `containernetworking-plugins`. */
export const DEBIAN = "/usr/lib/cni";
export const NETWORK = "lab";

/** The reason to leave out a check that needs one of them; undefined where it is installed. */
export function unlessInstalled(plugin: string): string | undefined {
  if (existsSync(join(DEBIAN, plugin))) return undefined;
  return `there is no ${DEBIAN}/${plugin}: install containernetworking-plugins`;
}

export const SUBNET = "10.88.0.0/24";
export const GATEWAY = "10.88.0.1";

/**
 * Calls the reader's plugins in this process, with a copy of the request, as over a pipe. Before
 * each call, also one plugin's of another, calls `see`.
 */
export function seenInvoke(see: (plugin: string, request: PluginRequest) => void): Invoke {
  const invoke: Invoke = async (file, request) => {
    const name = basename(file);
    see(name, request);
    const plugin = PLUGINS.get(name)!;
    return structuredClone(await dispatch(plugin, structuredClone(request), invoke));
  };
  return invoke;
}

export const ownInvoke: Invoke = seenInvoke(() => {});

/** Changes to the usual network of the checks. */
export type NetworkChanges = { readonly bridge?: object; readonly ipam?: object };

/** A container, as a runtime names it in its calls. */
export type Container = { readonly containerId: string; readonly netns: string };

/** A host with its own network namespace, on which plugins are called as a runtime does. */
export class Host {
  readonly net: HostNetwork;
  readonly #invoke: Invoke;
  readonly #pluginDir: string;
  #containers = 0;

  /** `pluginDir` has the plugins; without it they are the reader's, called by `invoke`. */
  constructor(invoke: Invoke, pluginDir?: string) {
    this.net = createHostNetwork();
    writeSysctl("net.ipv4.ip_forward", 0);
    this.#invoke = invoke;
    this.#pluginDir = pluginDir ?? stubs(join(this.net.root, "bin"));
  }

  get dataDir(): string {
    return join(this.net.root, "ipam");
  }

  container(): Container {
    return { containerId: `pod${++this.#containers}`, netns: this.net.container() };
  }

  /** A network with the bridge as gateway, whose containers reach everything through it. */
  config({ bridge, ipam }: NetworkChanges = {}) {
    return {
      type: "bridge",
      name: NETWORK,
      cniVersion: "1.0.0",
      bridge: "cni0",
      isGateway: true,
      mtu: 1450,
      ...bridge,
      ipam: {
        type: "host-local",
        dataDir: this.dataDir,
        ranges: [[{ subnet: SUBNET }]],
        routes: [{ dst: "0.0.0.0/0" }],
        ...ipam,
      },
    };
  }

  async call(
    command: Command,
    { containerId, netns }: Container,
    config: ReturnType<Host["config"]> & { prevResult?: unknown } = this.config(),
  ): Promise<CniResult> {
    const at = { containerId, netns, ifName: "eth0", args: "", path: [this.#pluginDir] };
    const file = join(this.#pluginDir, config.type);
    return (await this.#invoke(file, { command, ...at, config })) as CniResult;
  }
}

/** Files that the plugins' search path finds; `ownInvoke` reads only their names. */
function stubs(folder: string): string {
  mkdirSync(folder);
  for (const name of PLUGINS.keys()) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${BUILD_MARK}${name}\n`, { mode: 0o755 });
  }
  return folder;
}

/** Runs a check on a host of its own. */
export async function withHost(
  body: (host: Host) => Promise<void>,
  invoke: Invoke = ownInvoke,
  pluginDir?: string,
): Promise<void> {
  const host = new Host(invoke, pluginDir);
  try {
    await body(host);
  } finally {
    host.net.close();
  }
}
