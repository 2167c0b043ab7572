import { findLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { checkFailed, checkHostEnd, checkInside } from "../../lib/check.ts";
import type { CniResult } from "../../lib/types.ts";
import type { ContainerInterface } from "../../lib/veth.ts";
import type { BridgeConfig } from "./config.ts";

/** Compares the kernel's state with the result of ADD; error 102 names the first difference. */
export function checkPort(config: BridgeConfig, at: ContainerInterface, result: CniResult): void {
  using route = openRoute();
  const bridge = findLink(route, config.bridge);
  if (bridge?.kind !== "bridge") throw checkFailed(`there is no bridge ${config.bridge}`);
  if (!bridge.up) throw checkFailed(`bridge ${config.bridge} is down`);
  const end = checkHostEnd(result, checkInside(at, result));
  if (end.master === bridge.index) return;
  throw checkFailed(`${end.name} is no port of bridge ${bridge.name}`);
}
