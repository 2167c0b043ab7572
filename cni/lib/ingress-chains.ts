import { createHash } from "node:crypto";
import { applyRuleset, listRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { networkMark } from "./owner.ts";
import type { PluginCall } from "./skel.ts";
import type { ValidAttachment } from "./types.ts";

type Attachment = Pick<PluginCall, "network" | "containerId" | "ifName">;

export interface IngressChainsOptions {
  /** The name of the table, of family netdev. */
  table: string;
  /** Priority of the chains at the hook: lower ones see a frame first. */
  priority: number;
  /** The verdict on a frame that no rule decides on. */
  policy: "accept" | "drop";
}

/**
 * A table of nftables with one chain per attachment, at the ingress of the container's host end.
 * The kernel keeps a chain when its link is deleted: DEL and GC delete it.
 */
export class IngressChains {
  readonly #options: IngressChainsOptions;

  constructor(options: IngressChainsOptions) {
    this.#options = options;
  }

  /** Adds the attachment's chain, in the place of an earlier one. Throws NftError. */
  async add(at: Attachment, hostEnd: string, rules: readonly string[]): Promise<void> {
    const { table, priority, policy } = this.#options;
    const chain = chainOf(at);
    const hook = `type filter hook ingress device "${hostEnd}" priority ${priority};`;
    const lines = rules.map((rule) => `add rule netdev ${table} ${chain} ${rule}\n`);
    await applyRuleset(
      `add table netdev ${table}\n${this.#removal(chain)}` +
        `add chain netdev ${table} ${chain} { ${hook} policy ${policy}; }\n${lines.join("")}`,
    );
  }

  /** Deletes the attachment's chain, if there is one. */
  async delete(at: Attachment): Promise<void> {
    if (!nftTableExists("netdev", this.#options.table)) return;
    await applyRuleset(this.#removal(chainOf(at)));
  }

  /** Deletes the chains of this network whose attachment is not valid. */
  async deleteStale({ network }: PluginCall, valid: ValidAttachment[]): Promise<void> {
    const kept = new Set(
      valid.map((at) => chainOf({ network, containerId: at.containerID, ifName: at.ifname })),
    );
    const own = (await this.#list()).filter((name) => name.startsWith(marked(network)));
    const stale = own.filter((name) => !kept.has(name));
    if (stale.length === 0) return;
    await applyRuleset(stale.map((name) => this.#removal(name)).join(""));
  }

  async has(at: Attachment): Promise<boolean> {
    return (await this.#list()).includes(chainOf(at));
  }

  /** Deletes a chain if it exists. */
  #removal(chain: string): string {
    const { table } = this.#options;
    return `add chain netdev ${table} ${chain}\ndelete chain netdev ${table} ${chain}\n`;
  }

  async #list(): Promise<string[]> {
    const { table } = this.#options;
    if (!nftTableExists("netdev", table)) return [];
    try {
      const objects = await listRuleset(["table", "netdev", table]);
      return objects.flatMap(({ chain }) => (chain ? [String(chain.name)] : []));
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return []; // deleted concurrently
      throw thrown;
    }
  }
}

const marked = (network: string) => `at-${networkMark(network)}-`;

/** Returns a chain's name: the network's identifier, by which GC finds it, and a digest. */
function chainOf({ network, containerId, ifName }: Attachment): string {
  const attachment = createHash("sha256").update(`${containerId} ${ifName}`).digest("hex");
  return `${marked(network)}${attachment.slice(0, 16)}`;
}
