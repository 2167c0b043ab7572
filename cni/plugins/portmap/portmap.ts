import { messageOf } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { isStale, ownerComment } from "../../lib/owner.ts";
import { type CniPlugin, type PluginCall, requireChained } from "../../lib/skel.ts";
import type { Backend } from "./backend.ts";
import { configOf } from "./config.ts";
import { forgetFormerFlows } from "./former-flows.ts";
import { iptablesBackend } from "./iptables.ts";
import { nftablesBackend } from "./nftables.ts";

/**
 * Maps ports of the host to ports of the container. Runs after the plugin that adds addresses.
 */
export const portmap: CniPlugin = {
  name: "portmap",

  async add(call) {
    const config = configOf(call);
    const result = requireChained(call);
    const { add } = backendOf(call);
    if (config.mappings.length === 0) return result;
    await add(config, result, commentOf(call));
    await forgetFormerFlows(config.mappings);
    return result;
  },

  async del(call) {
    const mine = commentOf(call);
    await backendOf(call).delete((comment) => comment === mine);
  },

  async check(call) {
    const config = configOf(call);
    const result = requireChained(call);
    const { check } = backendOf(call);
    if (config.mappings.length > 0) await check(config, result, commentOf(call));
  },

  async status(call) {
    configOf(call);
    try {
      await backendOf(call).probe();
    } catch (thrown) {
      throw new CniError("not-available", messageOf(thrown), { cause: thrown });
    }
  },

  async gc(call, valid) {
    await backendOf(call).delete((comment) => isStale(comment, call.network, valid));
  },
};

const BACKENDS: Readonly<Record<string, Backend>> = {
  nftables: nftablesBackend,
  iptables: iptablesBackend,
};

/** The option `backend`; error 2 for one that is not supported. */
function backendOf({ config: { backend = "nftables" } }: PluginCall): Backend {
  const found = Object.entries(BACKENDS).find(([name]) => name === backend)?.[1];
  if (found) return found;
  const known = Object.keys(BACKENDS).join(" and ");
  const what = `portmap: backend ${JSON.stringify(backend)} is not supported, ${known} are`;
  throw new CniError("unsupported-field", what);
}

const commentOf = (call: PluginCall) => ownerComment(call.network, call.containerId, call.ifName);
