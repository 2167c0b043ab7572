import { existsSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "../../lib/errors.ts";
import { formatIp, parseIp } from "../../lib/ip.ts";
import type { CniPlugin, PluginCall } from "../../lib/skel.ts";
import type { CniResult, ResultIp } from "../../lib/types.ts";
import { configOf, type HostLocalConfig, readResolvConf } from "./config.ts";
import { type Choice, nextFree, rangeOf } from "./range.ts";
import { type AddressStore, type Owner, openStore } from "./store.ts";

/** Allocates addresses of ranges and stores them on this host's disk. */
export const hostLocal: CniPlugin = {
  name: "host-local",

  async add(call) {
    const config = configOf(call);
    using store = await openStore(config.dataDir, call.network);
    const ips = allocate(config, store, ownerOf(call));
    const { routes, resolvConf } = config;
    return {
      cniVersion: "1.1.0",
      ips,
      ...(routes.length ? { routes } : {}),
      ...(resolvConf ? { dns: readResolvConf(resolvConf) } : {}),
    } satisfies CniResult;
  },

  async del(call) {
    const { dataDir } = configOf(call);
    if (!existsSync(join(dataDir, call.network))) return;
    using store = await openStore(dataDir, call.network);
    release(store, ownerOf(call));
  },

  async check(call) {
    const { dataDir } = configOf(call);
    using store = await openStore(dataDir, call.network);
    const held = addressesOf(store, ownerOf(call));
    const result = call.prevResult?.ips?.map(({ address }) => address.split("/")[0] ?? "") ?? [];
    // A container without an address here may have addresses of a chained plugin.
    if (held.some((address) => result.includes(address))) return;
    const what = `container ${call.containerId} has no address of network ${call.network}`;
    throw new CniError("check-failed", what);
  },

  /**
   * Fails if addresses cannot be stored. One without a free address is no error, as in the
   * reference: the node would be NotReady, and all its pods evicted, because it is full.
   */
  async status(call) {
    const { dataDir } = configOf(call);
    (await openStore(dataDir, call.network))[Symbol.dispose]();
  },

  async gc(call, valid) {
    const { dataDir } = configOf(call);
    using store = await openStore(dataDir, call.network);
    for (const [address, owner] of store.owners()) {
      const live = valid.some(
        ({ containerID, ifname }) =>
          containerID === owner.containerId && (owner.ifName === "" || ifname === owner.ifName),
      );
      if (!live) store.release(address);
    }
  },
};

const ownerOf = ({ containerId, ifName }: PluginCall): Owner => ({ containerId, ifName });

/** Returns the addresses that the network's store has for a container's interface. */
function addressesOf(store: AddressStore, owner: Owner): string[] {
  return [...store.owners()]
    .filter(([, held]) => held.containerId === owner.containerId)
    .filter(([, held]) => held.ifName === "" || held.ifName === owner.ifName)
    .map(([address]) => address);
}

/** Releases the addresses of this interface alone; an owner without addresses is no error. */
function release(store: AddressStore, owner: Owner): void {
  // lab:12 begin release
  for (const address of addressesOf(store, owner)) store.release(address);
  // lab:12 end
}

/**
 * Allocates one address of each set; after an error releases those allocated before it. An owner
 * that has addresses already is refused: address-in-use, and the message names them. A set without
 * a free one is address-exhausted. A requested address is taken from the set that holds it; one
 * that is left over, because no set has it or its set has given another, is invalid-config. Each
 * address, requested or not, becomes the last one of its set.
 */
function allocate(config: HostLocalConfig, store: AddressStore, owner: Owner): ResultIp[] {
  // lab:12 begin allocate
  const held = addressesOf(store, owner);
  if (held.length > 0) {
    const what = `${held.join(", ")} is already allocated to container ${owner.containerId}`;
    throw new CniError("address-in-use", what);
  }
  const requested = [...config.requested];
  const reserved: string[] = [];
  try {
    const taken = new Set(store.owners().keys());
    const ips = config.rangeSets.map((set, index): ResultIp => {
      const at = requested.findIndex((ip) => rangeOf(set, ip));
      const [ip] = at < 0 ? [] : requested.splice(at, 1);
      const last = store.last(index);
      const choice = ip
        ? chooseRequested(config, index, ip, taken)
        : nextFree(set, last ? parseIp(last, "last_reserved_ip") : undefined, taken);
      if (!choice) {
        const what = `range set ${index} of the network has no free address`;
        throw new CniError("address-exhausted", what);
      }
      const address = formatIp(choice.ip);
      store.reserve(address, owner);
      reserved.push(address);
      store.setLast(index, address);
      return resultOf(choice);
    });
    const [left] = requested;
    if (left) {
      const what = `requested address ${formatIp(left)} is in no free range set`;
      throw new CniError("invalid-config", what);
    }
    return ips;
  } catch (thrown) {
    for (const address of reserved) store.release(address);
    throw thrown;
  }
  // lab:12 end
}

function chooseRequested(
  config: HostLocalConfig,
  set: number,
  ip: Choice["ip"],
  taken: ReadonlySet<string>,
): Choice | undefined {
  const range = rangeOf(config.rangeSets[set] ?? [], ip);
  if (!range) return undefined;
  const text = formatIp(ip);
  if (ip.value === range.gateway) {
    const what = `requested address ${text} is the gateway of ${range.text}`;
    throw new CniError("address-in-use", what);
  }
  if (taken.has(text)) {
    throw new CniError("address-in-use", `requested address ${text} is allocated`);
  }
  return { ip, range };
}

function resultOf({ ip, range }: Choice): ResultIp {
  const gateway = formatIp({ family: range.family, value: range.gateway });
  return { address: `${formatIp(ip)}/${range.prefix}`, gateway };
}
