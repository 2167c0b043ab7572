import type { CniPlugin } from "../lib/skel.ts";
import { bridge } from "./bridge/bridge.ts";
import { hostLocal } from "./host-local/host-local.ts";
import { loopback } from "./loopback/loopback.ts";
import { portmap } from "./portmap/portmap.ts";

/** The plugins of this package by the name of their executable. */
export const PLUGINS: ReadonlyMap<string, CniPlugin> = new Map(
  [bridge, hostLocal, loopback, portmap].map((plugin) => [plugin.name, plugin]),
);
