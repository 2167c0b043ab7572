import { networkInterfaces } from "node:os";
import { addressOf, type Cidr, covers, numberOf, parseCidr } from "@raft2kube/api/cidr.ts";
import { applyRuleset, deleteTable, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { PROXY_CLIENTS_MAX } from "../../limits.ts";

/**
 * The address of the proxy ports, on loopback: link-local, so that no other machine reaches it, and
 * of no interface whose address may change. The others of its network stand for clients.
 */
export const PROXY_ADDRESS = "169.254.96.1";
export const PROXY_CIDR = `${PROXY_ADDRESS}/20`;
const TABLE = "r2k-proxy-clients";

interface Known {
  /** The address that the proxy connects from for this client. */
  readonly address: string;
  /** Resolves when the kernel translates it. */
  readonly added: Promise<void>;
}

/**
 * Gives the proxy's connections the addresses of the pods that they are for, by which policies
 * judge them (network-policy/base.ts): each pod has a link-local address here, from which the proxy
 * connects, and which the kernel translates to the pod's. Other machines' connections get the
 * node's address, as an endpoint elsewhere would not answer by this node.
 */
export class ClientAddresses {
  readonly #pods: Cidr | undefined;
  /** The pods by their addresses; the one that came first makes place for another. */
  readonly #known = new Map<string, Known>();
  readonly #free: string[] = [];
  #next = numberOf(PROXY_ADDRESS) + 1n;

  constructor(clusterCidr = "") {
    this.#pods = parseCidr(clusterCidr);
  }

  /** The address to connect from for a client; undefined: the node's, as it is the node itself. */
  async of(client: string): Promise<string | undefined> {
    const ip = parseCidr(`${client}/32`);
    const isPod = ip && this.#pods && covers(this.#pods, ip);
    const known = this.#known.get(client);
    if (!known && isOwn(client)) return undefined;
    if (!isPod) return PROXY_ADDRESS;
    const { address, added } = known ?? this.#add(client);
    await added;
    return address;
  }

  #add(client: string): Known {
    const [oldest] = this.#known;
    let commands = "";
    if (oldest && this.#known.size >= PROXY_CLIENTS_MAX) {
      const [before, { address }] = oldest;
      this.#known.delete(before);
      this.#free.push(address);
      commands = `delete element ip ${TABLE} clients { ${address} }\n`;
    }
    const address = this.#free.pop() ?? addressOf(this.#next++, "IPv4");
    commands += `add element ip ${TABLE} clients { ${address} : ${client} }\n`;
    const added = applyRuleset(commands).catch((thrown: unknown) => {
      this.#known.delete(client);
      this.#free.push(address);
      throw thrown;
    });
    const known = { address, added };
    this.#known.set(client, known);
    return known;
  }

  /** Makes the rules again. */
  async rebuild(): Promise<void> {
    const all = [...this.#known].map(([client, { address }]) => `${address} : ${client}`);
    await applyRuleset(`add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  map clients {
    type ipv4_addr : ipv4_addr
    ${all.length > 0 ? `elements = { ${all.join(", ")} }` : ""}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    snat to ip saddr map @clients
    ip saddr ${PROXY_CIDR} oifname != "lo" masquerade
  }
}
`);
  }
}

const isOwn = (client: string) =>
  Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === client));

export const hasClientRules = () => nftTableExists("ip", TABLE);

export const removeClientRules = () => deleteTable("ip", TABLE);
