import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

const FIRST = 200_000;
const COUNT = 65_536;
const mapping = { hostId: FIRST, containerId: 0, length: COUNT };
const mapped = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };

const mappings = { uidMappings: [mapping], gidMappings: [mapping] };

/** Pods with a user namespace of their own (KEP-127). */
export function userNamespaceRules(bench: Bench): void {
  describe("a pod with a user namespace", () => {
    processRules(bench);
    userRules(bench);
    volumeRules(bench);
    refusalRules(bench);
  });
}

/** Runs a pod; `options` are those of its other namespaces. */
function runWith(bench: Bench, usernsOptions: object = mapped, options: object = {}) {
  const namespaceOptions = { ...bench.pods.namespaceOptions({}), usernsOptions, ...options };
  return bench.pods.run({
    config: {
      linux: { cgroupParent: bench.host.cgroupParent, securityContext: { namespaceOptions } },
    },
  });
}

function volume({ host }: Bench, name: string, own: object = mappings) {
  const hostPath = join(host.dir, name);
  mkdirSync(hostPath, { recursive: true });
  return { hostPath, containerPath: "/vol", ...own };
}

function processRules(bench: Bench): void {
  const run = (...options: object[]) => runWith(bench, ...options);

  test("the runtime says that it can have one", async () => {
    const { runtimeHandlers } = await bench.pods.runtime.status({});
    const first = runtimeHandlers.find(({ name }) => name === "");
    expect(first?.features?.userNamespaces).toBe(true);
  });

  test("its root is an ordinary user of the node, in every container", async () => {
    const pod = await run();
    const id = await bench.pods.start(pod);
    for (const file of ["uid_map", "gid_map"]) {
      const words = (await bench.pods.shell(id, `cat /proc/self/${file}`)).trim().split(/\s+/);
      expect(words.map(Number)).toEqual([0, FIRST, COUNT]);
    }
    const config = { metadata: { name: "b", attempt: 0 } };
    const other = await bench.pods.start(pod, { config });
    const namespaces = [id, other].map((each) => {
      return bench.pods.shell(each, "readlink /proc/self/ns/user");
    });
    expect(await namespaces[0]).toBe(await namespaces[1]);
  });

  test("the image's files are its root's, and it writes beside them", async () => {
    const id = await bench.pods.start(await run());
    expect(
      await bench.pods.shell(id, "stat -c %u:%g / /bin /bin/busybox /etc/hosts /dev/shm"),
    ).toBe("0:0\n0:0\n0:0\n0:0\n0:0");
    await bench.pods.shell(id, "echo a > /made && chown 7:8 /made");
    await bench.pods.shell(id, "echo 1.2.3.4 x >> /etc/hosts");
    expect(await bench.pods.shell(id, "stat -c %u:%g /made")).toBe("7:8");
    await bench.pods.shell(id, "touch /dev/shm/x; rm -r /bin/vi; echo out > /dev/stdout");
  });

  test.each([0, 1000])("user %i opens its own standard output", async (value) => {
    const pod = await run();
    const id = await bench.pods.start(pod, {
      command: ["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr"],
      config: { linux: { securityContext: { runAsUser: { value } } } },
    });
    expect((await bench.pods.exited(id)).exitCode).toBe(0);
    const log = readFileSync(bench.pods.logFile(pod), "utf8");
    expect(log).toMatch(/stdout F out\n.*stderr F err\n/);
  });

  test("its root administers the pod's network, and nothing of the node", async () => {
    const id = await bench.pods.start(await run(), {
      config: {
        linux: {
          securityContext: {
            capabilities: { addCapabilities: ["NET_ADMIN", "SYS_ADMIN", "SYS_TIME"] },
          },
        },
      },
    });
    await bench.pods.shell(id, "ip link set eth0 mtu 1400");
    expect(await bench.pods.shell(id, "cat /sys/class/net/eth0/mtu")).toBe("1400");
    expect(await bench.pods.shell(id, "date -s 2020-01-01 2>&1 || true")).toContain(
      "Operation not permitted",
    );
  });
}

function userRules(bench: Bench): void {
  const run = (...options: object[]) => runWith(bench, ...options);

  test("a user is one of its namespace", async () => {
    const pod = await run();
    const as = (value: number) =>
      bench.pods.start(pod, {
        config: {
          metadata: { name: `as-${value}`, attempt: 0 },
          linux: { securityContext: { runAsUser: { value } } },
        },
      });
    expect(await bench.pods.shell(await as(1000), "id -u")).toBe("1000");
    await expect(as(COUNT)).rejects.toThrow(/user 65536 is not mapped/);
  });

  test("a restarted runtime goes on with it", async () => {
    const pod = await run();
    const id = await bench.pods.start(pod);
    await bench.served.restart();
    expect(await bench.pods.shell(id, "id -u")).toBe("0");
    await bench.pods.start(pod, { config: { metadata: { name: "later", attempt: 0 } } });
  });
}

function volumeRules(bench: Bench): void {
  const run = (...options: object[]) => runWith(bench, ...options);

  test.each([
    ["of its own processes", NamespaceMode.CONTAINER],
    ["that shares its processes", NamespaceMode.POD],
  ])("a volume keeps the owners that a container %s writes", async (_, pid) => {
    const mount = volume(bench, `kept-${pid}`);
    writeFileSync(join(mount.hostPath, "given"), "");
    const id = await bench.pods.start(await run(mapped, { pid }), { config: { mounts: [mount] } });
    await bench.pods.shell(id, "touch /vol/made; chown 5:6 /vol/made");
    expect(await bench.pods.shell(id, "stat -c %u:%g /vol/given")).toBe("0:0");
    const { uid, gid } = statSync(join(mount.hostPath, "made"));
    expect([uid, gid]).toEqual([5, 6]);
  });

  test("a volume without mappings belongs to no user that the pod has", async () => {
    const config = { mounts: [volume(bench, "bare", {})] };
    const id = await bench.pods.start(await run(), { config });
    expect(await bench.pods.shell(id, "stat -c %u:%g /vol; touch /vol/x 2>&1 || true")).toMatch(
      /^65534:65534\n.*Permission denied$/,
    );
  });

  test("an image as a volume belongs to its root", async () => {
    const config = {
      mounts: [{ containerPath: "/vol", image: { image: "r2k.local/web:1" }, readonly: true }],
    };
    const id = await bench.pods.start(await run(), { config });
    expect(await bench.pods.shell(id, "stat -c %u:%g /vol /vol/bin")).toBe("0:0\n0:0");
  });

  test("has no volumes of another pod's ids", async () => {
    const others = [{ ...mapping, hostId: 2 * FIRST }];
    const mount = volume(bench, "other", { uidMappings: others, gidMappings: others });
    const config = { mounts: [mount] };
    await expect(bench.pods.start(await run(), { config })).rejects.toThrow(
      "are not those of the pod's user namespace",
    );
  });
}

function refusalRules(bench: Bench): void {
  const run = (...options: object[]) => runWith(bench, ...options);

  test.each([
    [
      "two mappings",
      { ...mapped, uids: [mapping, { ...mapping, containerId: COUNT }] },
      "uids must have one mapping, not 2",
    ],
    [
      "no mapping of id 0",
      { ...mapped, gids: [{ ...mapping, containerId: 1 }] },
      "gids must map the container's id 0",
    ],
    ["the mode of containers", { ...mapped, mode: NamespaceMode.CONTAINER }, "mode 1"],
    ["mappings of the node", { ...mapped, mode: NamespaceMode.NODE }, "takes no mappings"],
  ])("is refused with %s", async (_, options, why) => {
    await expect(run(options)).rejects.toThrow(why);
  });

  test("is refused with the node's network", async () => {
    await expect(run(mapped, { network: NamespaceMode.NODE })).rejects.toThrow(
      "cannot have the node's network namespace",
    );
  });
}
