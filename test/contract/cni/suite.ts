import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Cni, createCni } from "@raft2kube/cni/lib/cni.ts";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import { findPlugin } from "@raft2kube/cni/lib/plugins.ts";
import type { Attachment, CniResult, Invoke, NetworkList, PortMapping } from
  "@raft2kube/cni/lib/types.ts";
import { CNI_VERSIONS, type CniVersion } from "@raft2kube/cni/lib/version.ts";
import { deleteLink, findLink, listLinks, openRoute } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { readSysctl } from "@raft2kube/linux/sysctl.ts";
import { ADDRESSES, ask, createWorld, echoAddress, routeFromOutside, type World } from "./world.ts";

/** A set of plugins under test. */
export interface Implementation {
  /** Where its executables are. */
  pluginDir(): string;
  /** How they are called; the default is exec. */
  invoke?: Invoke;
  /** Whether it speaks 1.1.0, with STATUS and GC. */
  newest: boolean;
  /**
   * Whether CHECK of portmap works; the reference plugin's 1.1.1 wants IPv6 rules it never made.
   */
  checksPorts: boolean;
}

const SUBNET = "10.88.0.0/24";
const GATEWAY = "10.88.0.1";

/** The rules every implementation of bridge, host-local, portmap and loopback keeps. */
export function cniContract(name: string, implementation: Implementation): void {
  describe(name, () => {
    let world: World;
    let cni: Cni;
    let dataDir: string;
    let attached: [NetworkList, Attachment][] = [];
    const servers: { close(): void }[] = [];

    beforeAll(() => {
      world = createWorld();
      dataDir = join(world.root, "ipam");
      cni = createCni({
        pluginDirs: [implementation.pluginDir()],
        cacheDir: join(world.root, "cache"),
        timeout_ms: 20_000,
        ...(implementation.invoke ? { invoke: implementation.invoke } : {}),
      });
    });

    afterEach(async () => {
      for (const server of servers.splice(0)) server.close();
      for (const [list, attachment] of attached) await cni.delNetworkList(list, attachment);
      attached = [];
      expect(givenOut(), "addresses left behind").toEqual([]);
      expect(hostEnds(), "links left behind").toEqual([]);
    });

    afterAll(() => world.close());

    function conflist(changes: { bridge?: object; ipam?: object; versions?: string[] } = {}) {
      const versions = changes.versions ?? ["1.0.0", "1.1.0"];
      const ipam = {
        type: "host-local",
        dataDir,
        ranges: [[{ subnet: SUBNET }]],
        routes: [{ dst: "0.0.0.0/0" }],
        ...changes.ipam,
      };
      const bridge = {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        hairpinMode: true,
        ipMasq: false,
        mtu: 1450,
        ipam,
        ...changes.bridge,
      };
      const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };
      const list = {
        name: "testnet",
        cniVersion: versions[0],
        cniVersions: versions,
        plugins: [bridge, portmap],
      };
      return parseConflist(JSON.stringify(list), "10-test.conflist");
    }

    function givenOut(): string[] {
      try {
        return readdirSync(join(dataDir, "testnet")).filter((file) => /^\d+\./.test(file));
      } catch (thrown) {
        expect((thrown as NodeJS.ErrnoException).code).toBe("ENOENT");
        return [];
      }
    }

    function hostEnds(): string[] {
      using route = openRoute();
      return listLinks(route).filter(({ kind, name }) => kind === "veth" && name !== "up0")
        .map((link) => link.name);
    }

    async function attach(
      list: NetworkList,
      options: { ports?: PortMapping[]; id?: string; netns?: string } = {},
    ) {
      const netns = options.netns ?? world.container();
      const containerId = options.id ?? `pod${netns.replace(/^.*\//, "")}`;
      const capabilityArgs = options.ports ? { portMappings: options.ports } : {};
      const attachment = { containerId, netns, ifName: "eth0", capabilityArgs };
      const result = await cni.addNetworkList(list, attachment);
      attached.push([list, attachment]);
      return { netns, attachment, result, address: addressOf(result) };
    }

    async function serve(netns: string, port: number) {
      servers.push(await echoAddress(netns, port));
    }

    describe("ADD", () => {
      test("gives the container its address, its route and the bridge as gateway", async () => {
        const { netns, result, address } = await attach(conflist());
        expect(result.interfaces?.map((link) => link.name)).toEqual(
          ["cni0", expect.stringMatching(/^veth/), "eth0"],
        );
        expect(result.interfaces?.[2]?.sandbox).toBe(netns);
        expect(result.ips).toEqual([{ address: `${address}/24`, gateway: GATEWAY, interface: 2 }]);
        expect(result.routes).toContainEqual({ dst: "0.0.0.0/0" });
        const link = inNetns(netns, () => {
          using route = openRoute();
          return findLink(route, "eth0");
        });
        expect(link).toMatchObject({ up: true, mtu: 1450, mac: result.interfaces?.[2]?.mac });
        expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
      });

      test("two containers reach each other, the gateway and the host; the host reaches them",
        async () => {
          const list = conflist();
          const [one, two] = [await attach(list), await attach(list)];
          expect(one.address).not.toBe(two.address);
          await serve(two.netns, 80);
          await serve(world.host, 8080);
          expect(await ask(one.netns, two.address, 80)).toBe(one.address);
          expect(await ask(one.netns, GATEWAY, 8080)).toBe(one.address);
          expect(await ask(one.netns, ADDRESSES.host, 8080)).toBe(one.address);
          expect(await ask(world.host, two.address, 80)).toBe(GATEWAY);
        });

      test("ipMasq hides the container behind the host, but not from its own network", async () => {
        const list = conflist({ bridge: { ipMasq: true } });
        const [one, two] = [await attach(list), await attach(list)];
        await serve(world.outside, 80);
        await serve(two.netns, 80);
        expect(await ask(one.netns, ADDRESSES.outside, 80)).toBe(ADDRESSES.host);
        expect(await ask(one.netns, two.address, 80)).toBe(one.address);
      });

      test("without ipMasq the container's address is seen outside", async () => {
        routeFromOutside(world, SUBNET);
        const one = await attach(conflist());
        await serve(world.outside, 80);
        expect(await ask(one.netns, ADDRESSES.outside, 80)).toBe(one.address);
      });

      test("a second ADD of the container is refused and leaves the first as it is", async () => {
        const list = conflist();
        const one = await attach(list);
        await expect(invokeBridge("ADD", list, one.attachment)).rejects.toMatchObject({
          name: "CniError",
        });
        await cni.checkNetworkList(list, one.attachment);
      });

      test("when addresses have run out it fails, and leaves nothing behind", async () => {
        // A /30 has two addresses, of which the gateway takes one.
        const list = conflist({
          bridge: { bridge: "cni1" },
          ipam: { ranges: [[{ subnet: "10.89.0.0/30" }]] },
        });
        await attach(list);
        const netns = world.container();
        await expect(attach(list, { netns })).rejects.toThrow(/no free address|no IP addresses/);
        const inside = inNetns(netns, () => {
          using route = openRoute();
          return listLinks(route).map((link) => link.name);
        });
        expect(inside).toEqual(["lo"]);
        expect(hostEnds()).toHaveLength(1);
      });

      test("default gateway, wanted address", async () => {
        const list = conflist({ bridge: { isDefaultGateway: true }, ipam: { routes: [] } });
        const bridge = list.plugins[0];
        if (bridge) bridge.capabilities = { ips: true };
        const netns = world.container();
        const capabilityArgs = { ips: ["10.88.0.77/24"] };
        const attachment = { containerId: "wanted", netns, ifName: "eth0", capabilityArgs };
        const result = await cni.addNetworkList(list, attachment);
        attached.push([list, attachment]);
        expect(addressOf(result)).toBe("10.88.0.77");
        expect(result.routes).toContainEqual({ dst: "0.0.0.0/0", gw: GATEWAY });
        await serve(world.host, 8080);
        expect(await ask(netns, ADDRESSES.host, 8080)).toBe("10.88.0.77");
      });
    });

    describe("bad configuration is an error that names it", () => {
      test.each([
        ["subnet", { ipam: { ranges: [[{ subnet: "10.300.0.0/24" }]] } }, /10\.300|CIDR|subnet/],
        ["too small", { ipam: { ranges: [[{ subnet: "10.1.0.0/31" }]] } }, /too small/],
        ["IPAM plugin", { ipam: { type: "absent-ipam" } }, /absent-ipam/],
        ["promiscuous hairpin", { bridge: { promiscMode: true } }, /promisc/i],
      ])("%s", async (_what, changes, message) => {
        const attempt = cni.addNetworkList(conflist(changes), {
          containerId: "bad",
          netns: world.container(),
          ifName: "eth0",
        });
        await expect(attempt).rejects.toThrow(message);
      });

      test("a namespace that is not there", async () => {
        const netns = join(world.root, "absent");
        const attempt = cni.addNetworkList(conflist(), { containerId: "x", netns, ifName: "eth0" });
        await expect(attempt).rejects.toThrow(/absent/);
      });
    });

    describe("DEL", () => {
      test("twice, or with the namespace gone, is no error and frees the address", async () => {
        const list = conflist();
        const { attachment } = await attach(list);
        expect(givenOut()).toHaveLength(1);
        await cni.delNetworkList(list, attachment);
        expect(givenOut()).toEqual([]);
        await cni.delNetworkList(list, attachment);
        await cni.delNetworkList(list, { ...attachment, netns: "" });
        await cni.delNetworkList(list, { ...attachment, netns: join(world.root, "gone") });
      });

      test("of a container that never was is no error", async () => {
        const netns = join(world.root, "never");
        await cni.delNetworkList(conflist(), { containerId: "never", netns, ifName: "eth0" });
      });
    });

    test.runIf(!implementation.invoke)(
      "killed anywhere in ADD, it leaves nothing that DEL does not take away",
      async () => {
        const dir = implementation.pluginDir();
        const list = conflist({ bridge: { ipMasq: true } });
        let killed = 0;
        for (const after_ms of [1, 2, 4, 8, 16, 24, 32, 36, 40, 44, 48, 52, 56, 64]) {
          const attachment = {
            containerId: `kill${after_ms}`, netns: world.container(), ifName: "eth0",
          };
          const hasty = createCni({
            pluginDirs: [dir],
            cacheDir: join(world.root, "cache"),
            invoke: (file, request) =>
              execInvoke(request.command === "ADD" ? after_ms : 20_000)(file, request),
          });
          await hasty.addNetworkList(list, attachment).catch((thrown: unknown) => {
            expect(thrown).toMatchObject({ name: "CniError" });
            killed++;
          });
          await cni.delNetworkList(list, attachment);
          expect(givenOut(), `after ${after_ms} ms`).toEqual([]);
          expect(hostEnds(), `after ${after_ms} ms`).toEqual([]);
        }
        expect(killed).toBeGreaterThan(0);
      },
    );

    describe("CHECK", () => {
      test("passes after ADD, fails after the link is removed", async () => {
        const list = conflist();
        const { netns, attachment } = await attach(list);
        await cni.checkNetworkList(list, attachment);
        inNetns(netns, () => {
          using route = openRoute();
          deleteLink(route, "eth0");
        });
        await expect(cni.checkNetworkList(list, attachment)).rejects.toThrow(/eth0/);
      });

      test("of a container that was never added is an error", async () => {
        const at = { containerId: "never", netns: world.container(), ifName: "eth0" };
        await expect(cni.checkNetworkList(conflist(), at)).rejects.toThrow(/never/);
      });
    });

    describe("port mappings", () => {
      test("reach the container from outside, from the host, from itself and its neighbour",
        async () => {
          const list = conflist();
          const ports: PortMapping[] = [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }];
          const one = await attach(list, { ports });
          const two = await attach(list);
          await serve(one.netns, 80);
          expect(await ask(world.outside, ADDRESSES.host, 8081)).toBe(ADDRESSES.outside);
          expect(await ask(world.host, ADDRESSES.host, 8081)).toBeTruthy();
          expect(await ask(two.netns, ADDRESSES.host, 8081)).toBeTruthy();
          expect(await ask(one.netns, ADDRESSES.host, 8081)).toBeTruthy();
          if (implementation.checksPorts) await cni.checkNetworkList(list, one.attachment);
          await cni.delNetworkList(list, one.attachment);
          expect(await ask(world.outside, ADDRESSES.host, 8081)).toBeUndefined();
        });

      test("with a hostIP count for that address only", async () => {
        const ports: PortMapping[] = [
          { hostPort: 8082, containerPort: 80, protocol: "tcp", hostIP: GATEWAY },
        ];
        const one = await attach(conflist(), { ports });
        await serve(one.netns, 80);
        expect(await ask(world.host, GATEWAY, 8082)).toBeTruthy();
        expect(await ask(world.outside, ADDRESSES.host, 8082)).toBeUndefined();
      });
    });

    describe("versions", () => {
      const spoken = CNI_VERSIONS.filter((version) => implementation.newest || version !== "1.1.0");
      test.each(spoken)("the result of %s has that version's shape", async (version) => {
        const list = conflist({ versions: [version] });
        const at = { containerId: `v${version}`, netns: world.container(), ifName: "eth0" };
        attached.push([list, at]);
        const result = (await invokeBridge("ADD", list, at, version)) as Record<string, unknown>;
        expect(result.cniVersion).toBe(version);
        const [ip] = result.ips as Record<string, unknown>[];
        expect(ip?.version).toBe(version < "1.0.0" ? "4" : undefined);
        const [link] = result.interfaces as Record<string, unknown>[];
        expect(link && "mtu" in link).toBe(version === "1.1.0");
      });

      test("an unknown one is error 1 (incompatible)", async () => {
        const at = { containerId: "old", netns: world.container(), ifName: "eth0" };
        const attempt = invokeBridge("ADD", conflist(), at, "9.9.9" as CniVersion);
        await expect(attempt).rejects.toMatchObject({ number: 1 });
      });
    });

    async function invokeBridge(
      command: "ADD" | "DEL",
      list: NetworkList,
      at: Attachment,
      version: CniVersion = "1.0.0",
    ): Promise<unknown> {
      const dir = implementation.pluginDir();
      const plugin = list.plugins[0];
      if (!plugin) throw new Error("the list is empty");
      const invoke = implementation.invoke ?? execInvoke(20_000);
      const config = { ...plugin, name: list.name, cniVersion: version };
      const request = { command, ...at, args: "", path: [dir], config };
      return invoke(await findPlugin("bridge", [dir]), request);
    }

    describe("GC and STATUS", () => {
      test("GC takes down what is not valid, and nothing else", async () => {
        const list = conflist();
        const [kept, lost] = [await attach(list), await attach(list)];
        const valid = [{ containerID: kept.attachment.containerId, ifname: "eth0" }];
        await cni.gcNetworkList(list, valid);
        expect(givenOut()).toEqual([kept.address]);
        await cni.checkNetworkList(list, kept.attachment);
        await expect(cni.checkNetworkList(list, lost.attachment)).rejects.toThrow();
      });

      test("STATUS of a network that can serve is no error", async () => {
        await cni.statusNetworkList(conflist());
      });

      test.runIf(implementation.newest)("STATUS tells that there is no address left", async () => {
        const list = conflist({
          bridge: { bridge: "cni1" },
          ipam: { ranges: [[{ subnet: "10.89.0.0/30" }]] },
        });
        await attach(list);
        await expect(cni.statusNetworkList(list)).rejects.toMatchObject({ number: 50 });
      });
    });

    test("loopback comes up and is checked", async () => {
      const list = parseConflist(
        JSON.stringify({ name: "lo", cniVersion: "1.0.0", plugins: [{ type: "loopback" }] }),
        "99-lo.conflist",
      );
      const netns = world.container();
      const attachment = { containerId: "lo", netns, ifName: "lo" };
      const result = await cni.addNetworkList(list, attachment);
      expect(result.ips?.map(({ address }) => address)).toContain("127.0.0.1/8");
      await cni.checkNetworkList(list, attachment);
      await cni.delNetworkList(list, attachment);
      await cni.delNetworkList(list, attachment);
    });
  });
}

function addressOf(result: CniResult): string {
  return result.ips?.[0]?.address.split("/")[0] ?? "";
}
