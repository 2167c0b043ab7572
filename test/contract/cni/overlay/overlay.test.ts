import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { ours } from "./ours.ts";
import { overlayContract, PLUGINS } from "./suite.ts";
import type { Underlay } from "./underlay.ts";

const DEBIAN = "/usr/lib/cni";
const hasBridge = existsSync(join(DEBIAN, "bridge"));

const vxlan = ours({ Type: "vxlan" });
const hostGw = ours({ Type: "host-gw" });
const direct = ours({ Type: "vxlan", VNI: 7, Port: 4789, DirectRouting: true });
const udp = ours({ Type: "udp" });

overlayContract("our VXLAN", 50, [vxlan, vxlan]);

/** Other back ends, the same one on a network without a router, and under another bridge. */
const OTHERS = [routed, inUserSpace, withDirectRoutes, underReferenceBridge];
const OTHERS_JUDGED = 1;
const isHere = (other: () => void) => other !== underReferenceBridge || hasBridge;
for (const other of inTurn("overlays", OTHERS, OTHERS_JUDGED, isHere)) other();

function routed(): void {
  overlayContract("our host-gw", 0, [hostGw, hostGw]);
}

function inUserSpace(): void {
  overlayContract("our UDP", 28, [udp, udp]);
}

function withDirectRoutes(): void {
  overlayContract("our VXLAN with direct routes", 50, [direct, direct]);
}

function underReferenceBridge(): void {
  const plugins = ({ root }: Underlay) => {
    const dir = join(root, "plugins");
    mkdirSync(dir);
    symlinkSync(join(PLUGINS, "flannel"), join(dir, "flannel"));
    return `${dir}:${DEBIAN}`;
  };
  describe.runIf(hasBridge)("the reference bridge under our VXLAN", () => {
    overlayContract("containernetworking", 50, [vxlan, vxlan], plugins);
  });
}
