import type { CniPlugin } from "../lib/skel.ts";
import { bandwidth } from "./bandwidth/bandwidth.ts";
import { bridge } from "./bridge/bridge.ts";
import { flannel } from "./flannel/flannel.ts";
import { hostLocal } from "./host-local/host-local.ts";
import { loopback } from "./loopback/loopback.ts";
import { portmap } from "./portmap/portmap.ts";
import { ptp } from "./ptp/ptp.ts";
import { staticIpam } from "./static/static.ts";

/** The plugins of this package by the name of their executable. */
export const PLUGINS: ReadonlyMap<string, CniPlugin> = new Map(
  [bandwidth, bridge, flannel, hostLocal, loopback, portmap, ptp, staticIpam].map((plugin) => [
    plugin.name,
    plugin,
  ]),
);
