import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import type { Invoke, PluginRequest } from "@raft2kube/cni/lib/types.ts";

const VERSION = "1.0.0";
const TYPE = "lab-network";

/** A call of the plugin, with the sandbox and the path of its network namespace. */
export type NetworkCall = Pick<PluginRequest, "command" | "containerId" | "netns">;

/**
 * A CNI plugin that gives addresses and notes its calls; it makes no interface. A check looks at
 * the machine in the middle of a call by `during`, and has calls fail by `refuse`.
 */
export class NotedNetwork {
  readonly calls: NetworkCall[] = [];
  /** Called at each ADD and DEL, before it is answered. */
  during: (call: NetworkCall) => void = () => undefined;
  /** The commands that fail. */
  readonly refuse = new Set<string>();
  /** The addresses in use, by sandbox. */
  readonly addresses = new Map<string, string>();
  #given = 1;

  /** Writes the network's configuration, and a file of the plugin's name. */
  static install(confDir: string, binDir: string): void {
    for (const folder of [confDir, binDir]) mkdirSync(folder);
    writeFileSync(join(binDir, TYPE), "#!/bin/sh\n", { mode: 0o755 });
    const network = { cniVersion: VERSION, name: "lab", plugins: [{ type: TYPE }] };
    writeFileSync(join(confDir, "10-lab.conflist"), JSON.stringify(network));
  }

  readonly invoke: Invoke = async (_file, { command, containerId, netns }) => {
    if (command === "VERSION") return { cniVersion: VERSION, supportedVersions: [VERSION] };
    if (command !== "ADD" && command !== "DEL") return {};
    const call = { command, containerId, netns };
    this.calls.push(call);
    this.during(call);
    if (this.refuse.has(command)) throw new CniError("not-available", `${command} fails here`);
    if (command === "DEL") return void this.addresses.delete(containerId);
    const address = `10.88.0.${++this.#given}`;
    this.addresses.set(containerId, address);
    const ips = [{ address: `${address}/24`, interface: 0 }];
    return { cniVersion: VERSION, interfaces: [{ name: "eth0", sandbox: netns }], ips };
  };
}
