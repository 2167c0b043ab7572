import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { applyRuleset, NftError } from "@raft2kube/linux/nft.ts";
import { CniError } from "../../lib/errors.ts";
import { deleteElements, listElements, type NftElement } from "../../lib/nft-elements.ts";
import { isStale, ownerComment } from "../../lib/owner.ts";
import { type CniPlugin, type PluginCall, requireChained } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { configOf } from "./config.ts";
import { disabledLocalnet, localnetsOf, syncLocalnets } from "./localnet.ts";
import { planElements, portmapRules, TABLE } from "./plan.ts";

/**
 * Maps ports of the host to ports of the container. Runs after the plugin that adds addresses.
 */
export const portmap: CniPlugin = {
  name: "portmap",

  async add(call) {
    const { result, elements } = planned(call);
    if (elements.length === 0) return result;
    try {
      await applyRuleset(portmapRules(elements));
    } catch (thrown) {
      throw (await conflict(elements)) ?? thrown;
    }
    await syncLocalnets(TABLE, localnetsOf(elements));
    return result;
  },

  async del(call) {
    const mine = commentOf(call);
    try {
      const gone = await deleteElements(TABLE, (comment) => comment === mine);
      await syncLocalnets(TABLE, localnetsOf(gone));
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown; // deleted by a concurrent GC
    }
  },

  async check(call) {
    const { elements } = planned(call);
    if (elements.length === 0) return;
    const present = await listElements(TABLE);
    const missing = elements.find((element) => !present.some((other) => same(element, other)));
    if (missing) {
      throw new CniError("check-failed", `port mapping ${missing.key} to ${missing.value} is gone`);
    }
    const closed = disabledLocalnet(localnetsOf(elements));
    if (closed) throw new CniError("check-failed", `route_localnet of ${closed} is off`);
  },

  async status(call) {
    configOf(call);
    try {
      await applyRuleset("");
    } catch (thrown) {
      if (!(thrown instanceof NftError)) throw thrown;
      throw new CniError("not-available", messageOf(thrown), { cause: thrown });
    }
  },

  async gc(call, valid) {
    const isGone = (comment: string) => isStale(comment, call.network, valid);
    const gone = await deleteElements(TABLE, isGone);
    await syncLocalnets(TABLE, localnetsOf(gone));
  },
};

const commentOf = (call: PluginCall) =>
  ownerComment(call.network, call.containerId, call.ifName);

function planned(call: PluginCall): { result: CniResult; elements: NftElement[] } {
  const config = configOf(call);
  const result = requireChained(call);
  return { result, elements: planElements(config, result, commentOf(call)) };
}

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
