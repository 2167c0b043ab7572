import { afterAll, afterEach, beforeAll, describe } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { addContract, addLimitsContract, gatewaysContract } from "./add.ts";
import { badConfigContract } from "./bad-config.ts";
import { bandwidthContract, bandwidthUpkeepContract } from "./bandwidth.ts";
import { Bench, type Implementation } from "./bench.ts";
import { checkContract, delContract } from "./del-check.ts";
import { flannelContract } from "./flannel.ts";
import { loopbackPortsContract } from "./loopback-ports.ts";
import { ownRulesContract } from "./own-rules.ts";
import { portsContract } from "./ports.ts";
import { privilegedPortContract } from "./privileged-port.ts";
import { ptpContract, ptpLimitsContract } from "./ptp.ts";
import { staticContract } from "./static.ts";
import { upkeepContract, versionsContract } from "./versions.ts";

/** The rules every implementation of these plugins keeps. */
export function cniContract(name: string, implementation: Implementation): void {
  describe(name, () => {
    let made: Bench | undefined;
    const bench = (): Bench => {
      if (!made) throw new Error("the bench is made before the tests");
      return made;
    };
    beforeAll(() => {
      made = new Bench(implementation);
    });
    afterEach(() => bench().clean());
    afterAll(() => bench().close());

    for (const group of judgedGroups(name, implementation)) group(bench, implementation);
  });
}

type Group = (bench: () => Bench, implementation: Implementation) => void;

/** A run judges all on our code in process, and some on our executables and on those of others. */
function judgedGroups(name: string, { ours, executablesAlone }: Implementation): readonly Group[] {
  if (executablesAlone) return inTurn("CNI", PROCESS_GROUPS, OF_EXECUTABLES);
  const all = [...PROCESS_GROUPS, codeContract];
  return ours ? all : inTurn(`CNI, ${name}`, all, OF_OTHERS);
}

/** Rules of which a run judges some on our executables: all of them are on the same code. */
const PROCESS_GROUPS: readonly Group[] = [
  (bench, { ours }) =>
    describe("ADD", () => {
      addContract(bench);
      if (ours) privilegedPortContract(bench);
    }),
  (bench) =>
    describe("bad configuration is an error that names it", () => badConfigContract(bench)),
  (bench) => describe("DEL", () => delContract(bench)),
  (bench) => describe("CHECK", () => checkContract(bench)),
  (bench, implementation) => describe("port mappings", () => portsContract(bench, implementation)),
  (bench, implementation) =>
    describe("ports of loopback addresses", () => loopbackPortsContract(bench, implementation)),
  // containernetworking's have it no more.
  (bench, { ours }) =>
    describe.runIf(ours)("a range of an overlay (flannel)", () => flannelContract(bench)),
  (bench, implementation) => describe("versions", () => versionsContract(bench, implementation)),
  (bench) => describe("GC, STATUS and loopback", () => upkeepContract(bench)),
];
/** How many of them. */
const OF_EXECUTABLES = 2;
/** How many groups of all on plugins of others. */
const OF_OTHERS = 3;

/** Rules that depend neither on the plugin's own process nor on one that it starts. */
function codeContract(bench: () => Bench, implementation: Implementation): void {
  describe("the limits of ADD", () => addLimitsContract(bench));
  describe("gateways", () => gatewaysContract(bench));
  describe.runIf(implementation.ours)("beyond the reference", () => ownRulesContract(bench));
  describe("a link with two ends (ptp)", () => {
    ptpContract(bench);
    ptpLimitsContract(bench);
  });
  describe("fixed addresses (static)", () => staticContract(bench));
  describe("bounds of traffic (bandwidth)", () => {
    bandwidthContract(bench);
    bandwidthUpkeepContract(bench, implementation);
  });
}
