import { applyRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { deleteElements, listElements, type NftElement } from "../../lib/nft-elements.ts";
import type { Backend } from "./backend.ts";
import { closeLocalnets, disabledLocalnet, localnetsOf, syncLocalnets } from "./localnet.ts";
import { planElements, portmapRules, TABLE } from "./plan.ts";

/** One table of nftables for all containers; a mapping is an element of a map. */
export const nftablesBackend: Backend = {
  async add(config, result, comment) {
    const elements = planElements(config, result, comment);
    if (elements.length === 0) return;
    try {
      await applyRuleset(portmapRules(elements));
    } catch (thrown) {
      throw (await conflict(elements)) ?? thrown;
    }
    await syncLocalnets(TABLE, localnetsOf(elements));
  },

  async delete(stale) {
    try {
      const gone = await deleteElements(TABLE, stale, closeLocalnets);
      await syncLocalnets(TABLE, localnetsOf(gone));
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown; // deleted by a concurrent call
    }
  },

  async check(config, result, comment) {
    const elements = planElements(config, result, comment);
    const present = await listElements(TABLE);
    const missing = elements.find((element) => !present.some((other) => same(element, other)));
    if (missing) {
      throw new CniError("check-failed", `port mapping ${missing.key} to ${missing.value} is gone`);
    }
    const closed = disabledLocalnet(localnetsOf(elements));
    if (closed) throw new CniError("check-failed", `route_localnet of ${closed} is off`);
  },

  async probe() {
    await applyRuleset("");
  },
};

function same(a: NftElement, b: NftElement): boolean {
  return a.set === b.set && a.key === b.key && a.value === b.value && a.comment === b.comment;
}

/** Returns the error for a host port of another container; undefined if nft failed otherwise. */
async function conflict(elements: readonly NftElement[]): Promise<CniError | undefined> {
  for (const other of await listElements(TABLE)) {
    const mine = elements.find((element) => element.set === other.set && element.key === other.key);
    if (!mine || mine.comment === other.comment) continue;
    const port = other.key.replaceAll(" . ", "/");
    return new CniError("try-again", `host port ${port} is already mapped to ${other.value}`);
  }
  return undefined;
}
